import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { after, before, describe, it } from "node:test";
import fastifyCookie from "@fastify/cookie";
import fastifySession from "@fastify/session";
import fastify from "fastify";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { generateKey } from "#mongostore";
import { fastifySessionStore } from "#mongostore/express-session";
import type { SessionStoreOptions } from "#mongostore/express-session";
import { type Database, openDatabase } from "../support/mongo.ts";
import { promisedStore, until, Visitor } from "./sid-store.ts";

declare module "fastify" {
  interface Session {
    user?: string;
    num?: number;
    left?: number;
    right?: number;
  }
}

const KEY = generateKey();
const SECRET = "a secret of at least thirty-two characters";

let database: Database;
const apps: FastifyInstance[] = [];

before(async () => {
  database = await openDatabase();
});
after(async () => {
  await Promise.all(apps.map((app) => app.close()));
  await database.close();
});

function open(collection = database.collection(), options: Partial<SessionStoreOptions> = {}) {
  return fastifySessionStore(collection, { keys: [KEY], ...options });
}

/** A Fastify 5 server with sessions; gives a visitor of it. */
async function serve(
  store: Awaited<ReturnType<typeof open>>,
  handler: (request: FastifyRequest) => unknown,
  options: Partial<fastifySession.FastifySessionOptions> = {},
): Promise<Visitor> {
  const app = fastify({ forceCloseConnections: true });
  apps.push(app);
  app.register(fastifyCookie);
  app.register(fastifySession, { secret: SECRET, store, cookie: { secure: false }, ...options });
  app.get("/*", async (request) => String(await handler(request)));
  return new Visitor(await app.listen({ host: "127.0.0.1", port: 0 }));
}

describe("with @fastify/session on Fastify 5, it", () => {
  it("keeps a session over requests", async () => {
    const store = await open();
    const visitor = await serve(store, ({ session }) => session.num = (session.num ?? 0) + 1);
    assert.deepEqual([(await visitor.get()).text, (await visitor.get()).text], ["1", "2"]);
    assert.equal(await promisedStore(store).length(), 1);
  });

  it("keeps two keys that two requests change at once, though a third loaded the session between", async () => {
    const store = await open();
    const gate = new EventEmitter();
    const visitor = await serve(store, async ({ url, session }) => {
      if (url === "/") session.user = "bob";
      else if (url === "/left") session.left = 1;
      else if (url === "/right") {
        const go = once(gate, "go");
        gate.emit("loaded");
        await go;
        session.right = 2;
      }
      return session.left;
    });
    await visitor.get();
    const loaded = once(gate, "loaded");
    const right = visitor.get("/right");
    await loaded;
    await visitor.get("/left");
    assert.equal((await visitor.get("/read")).text, "1");
    gate.emit("go");
    await right;
    const { user, left, right: kept } = Object(await promisedStore(store).get(visitor.sid));
    assert.deepEqual({ user, left, kept }, { user: "bob", left: 1, kept: 2 });
  });

  it("stores nothing of its own in the session", async () => {
    const store = await open();
    const visitor = await serve(store, ({ session }) => {
      session.user = "bob";
      return JSON.stringify(session);
    });
    await visitor.get();
    const { text } = await visitor.get();
    assert.deepEqual(Object.keys(JSON.parse(text)).toSorted(), ["cookie", "user"]);
    const [stored] = await promisedStore(store).all() ?? [];
    assert.deepEqual(Object.keys(stored ?? {}).toSorted(), ["cookie", "user"]);
  });

  it("regenerates: the old id ends, what was to be kept is kept", async () => {
    const store = await open();
    const visitor = await serve(store, async ({ url, session }) => {
      if (url === "/login") await session.regenerate(["user"]);
      else session.user ??= "bob";
      return session.user;
    });
    await visitor.get();
    const { sid } = visitor;
    await visitor.get("/login");
    assert.notEqual(visitor.sid, sid);
    assert.equal((await visitor.get()).text, "bob");
    assert.equal(await promisedStore(store).get(sid), null);
    assert.equal(await promisedStore(store).length(), 1);
  });

  it("gives a new session where the session has expired", async () => {
    const store = await open();
    const visitor = await serve(store, ({ session }) => session.num = (session.num ?? 0) + 1, {
      cookie: { secure: false, maxAge: 5 },
    });
    await visitor.get();
    const { sid } = visitor;
    await until(async () => await promisedStore(store).get(sid) === null);
    assert.equal((await visitor.get()).text, "1");
    assert.notEqual(visitor.sid, sid);
  });

  it("never revives a session: a save races with a logout 200 times, from two servers", async () => {
    const collection = database.collection();
    const stores = [await open(collection), await open(collection)] as const;
    const handler = async ({ url, session }: FastifyRequest) => {
      if (url === "/out") await session.destroy();
      else session.num = (session.num ?? 0) + 1;
      return "ok";
    };
    const [a, b] = [await serve(stores[0], handler), await serve(stores[1], handler)];
    for (let round = 0; round < 200; round++) {
      a.cookie = undefined;
      await a.get();
      const { sid, cookie } = a;
      b.cookie = cookie;
      const statuses = await Promise.all([a.get(), b.get("/out"), a.get(), b.get()]);
      assert.deepEqual(statuses.map(({ status }) => status), [200, 200, 200, 200]);
      assert.equal(await promisedStore(stores[0]).get(sid), null, `round ${round}`);
    }
  });

  it("answers with 500 in an outage", async () => {
    const store = await open();
    const visitor = await serve(store, ({ session }) => session.num = 1);
    await visitor.get();
    await store.close();
    assert.equal((await visitor.get()).status, 500);
  });
});
