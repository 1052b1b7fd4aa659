// Checked by tsc and deno check; never run. Each @ts-expect-error is a state that must not compile.
import * as v from "valibot";
import {
  createMemoryStore,
  createMongoStore,
  memoryBackend,
  saveAll,
  Session,
  Store,
} from "#mongostore";
import type { SessionCollection, StoreOptions } from "#mongostore";

interface Values {
  userId?: string;
  cart: string[];
}

declare const collection: SessionCollection;
declare const request: Request;
const keys = ["a secret of at least thirty-two bytes"];

/** Whether the two types accept each other. */
type Same<A, B> = [A] extends [B] ? [B] extends [A] ? true : false : false;

export function options(): void {
  // @ts-expect-error keys are required
  createMemoryStore({});
  // @ts-expect-error keys are required
  createMongoStore(collection, { maxAge: 60 });
  // @ts-expect-error keys are a list
  createMemoryStore({ keys: "one key" });
  // @ts-expect-error keys are text or bytes
  createMemoryStore({ keys: [42] });
  // @ts-expect-error a store needs a backend
  void new Store({ keys });
  // @ts-expect-error no such option
  createMemoryStore({ keys, maxage: 60 });
  // @ts-expect-error maxAge is a number of seconds
  createMemoryStore({ keys, maxAge: "1h" });
  // @ts-expect-error data is one of three
  createMemoryStore({ keys, data: "encrypted" });
  // @ts-expect-error sameSite is one of three, in lower case
  createMemoryStore({ keys, cookie: { sameSite: "Lax" } });
  // @ts-expect-error maxAge stands beside cookie, not in it
  createMemoryStore({ keys, cookie: { maxAge: 60 } });
  // @ts-expect-error a transport is an object
  createMemoryStore({ keys, token: "cookie" });
  // @ts-expect-error an absent option is left out
  createMemoryStore({ keys, grace: undefined });
  // @ts-expect-error ensureTTL belongs to MongoDB
  createMemoryStore({ keys, ensureTTL: true });
  // @ts-expect-error a database is no collection
  createMongoStore({ command: () => Promise.resolve({}) }, { keys });
  const minimal: StoreOptions = { keys };
  createMemoryStore(minimal);
  void new Store({ ...minimal, backend: memoryBackend() });
}

export async function typedValues(): Promise<void> {
  const store = createMemoryStore<Values>({ keys });
  const session = await store.get(request);
  void (true satisfies Same<Session<Values>, typeof session>);
  void (true satisfies Same<Partial<Values>, typeof session.values>);
  const user: string | undefined = session.values.userId;
  session.values.userId = user ?? "42";
  // @ts-expect-error a value that was never set is undefined
  const cart: string[] = session.values.cart;
  // @ts-expect-error no such value
  session.values.user = "42";
  // @ts-expect-error of another type
  session.values.cart = [42];
  // @ts-expect-error of another type
  session.values = { cart: "bread" };
  session.values = {};
  delete session.values.cart;
  await session.update((fresh) => {
    void (true satisfies Same<Partial<Values>, typeof fresh>);
    // @ts-expect-error of another type
    fresh.userId = 42;
  });
  // @ts-expect-error update gives no value back
  await session.update((fresh) => fresh.cart?.length ?? 0);
  const taken = await session.takeFlashes();
  void (true satisfies Same<unknown[], typeof taken>);
  const untyped = await createMemoryStore({ keys }).get(request);
  void (true satisfies Same<Partial<Record<string, unknown>>, typeof untyped.values>);
  return void cart;
}

export async function readonlyFields(): Promise<void> {
  const store = createMemoryStore<Values>({ keys });
  const session = await store.get(request);
  // @ts-expect-error the id is made by the store
  session.id = "chosen";
  // @ts-expect-error the token is made by the store
  session.token = "chosen";
  // @ts-expect-error only the store sets it
  session.isNew = false;
  // @ts-expect-error only the store sets it
  session.name = "other";
  // @ts-expect-error only the store sets it
  session.createdAt = new Date();
  // @ts-expect-error change what it holds, not the object
  session.options = { ...session.options };
  // @ts-expect-error a store keeps its transport
  store.token = session.options;
  session.options.maxAge = -1;
  session.subject = "ann";
  // @ts-expect-error a subject is text
  session.subject = 42;
  // @ts-expect-error a session is made by a store
  void new Session("sid");
  // @ts-expect-error a response or headers
  await store.save(request, "ok", session);
  // @ts-expect-error a session of other values
  await createMemoryStore<{ other: number }>({ keys }).save(request, new Response(), session);
  const response = await store.save(request, new Response(), session);
  void (true satisfies Same<Response, typeof response>);
  const headers = await store.save(request, new Headers(), session);
  void (true satisfies Same<Headers, typeof headers>);
  const all = await saveAll(request, new Response());
  void (true satisfies Same<Response, typeof all>);
}

export async function schema(): Promise<void> {
  const store = createMemoryStore({
    keys,
    schema: v.object({ userId: v.string(), visits: v.optional(v.number()) }),
  });
  const { values } = await store.get(request);
  void (true satisfies Same<string | undefined, typeof values.userId>);
  void (true satisfies Same<number | undefined, typeof values.visits>);
  // @ts-expect-error not in the schema
  values.cart = [];
  // @ts-expect-error of another type than the schema's
  values.userId = 42;
  // @ts-expect-error a schema of other values
  createMemoryStore<Values>({ keys, schema: v.object({ cart: v.number() }) });
  const mongo = await createMongoStore(collection, { keys, schema: v.object({ n: v.number() }) });
  void (true satisfies Same<Store<{ n: number }>, typeof mongo>);
}

interface BunServer {
  readonly port: number;
}

interface DenoInfo {
  readonly remoteAddr: { readonly hostname: string };
}

export function handlers(): void {
  const store = createMemoryStore<Values>({ keys });
  const plain = store.handle(async (given, session) => {
    void (true satisfies Same<Session<Values>, Awaited<ReturnType<typeof session>>>);
    return new Response(given.url + (await session("other")).name);
  });
  plain(request);
  const bun = store.handle((given: Request, _session, server: BunServer) =>
    new Response(`${given.method} ${server.port}`)
  );
  bun(request, { port: 80 });
  // @ts-expect-error the server is missing
  bun(request);
  // @ts-expect-error that is no server
  bun(request, 80);
  const deno = store.handle((_given: Request, _session, info: DenoInfo) =>
    new Response(info.remoteAddr.hostname)
  );
  const serve = (handler: (given: Request, info: DenoInfo) => Response | Promise<Response>) =>
    handler;
  serve(deno);
  // @ts-expect-error a server that gives something else
  serve(bun);
  // @ts-expect-error a handler gives a response
  store.handle(() => "ok");
}
