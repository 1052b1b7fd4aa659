// SECURITY.md section 1, leak through logs: a walk through everything that can go wrong, with all that it tells captured.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { after, before, describe, it } from "node:test";
import process from "node:process";
import { format, inspect } from "node:util";
import { MongoClient } from "mongodb";
import * as mongostore from "#mongostore";
import {
  CookieToken,
  createMemoryStore,
  createMongoStore,
  firstOf,
  HeaderToken,
  Keyring,
  memoryBackend,
  QueryToken,
  saveAll,
  sealedData,
  SessionError,
  signedData,
  signedToken,
  Store,
} from "#mongostore";
import type { Backend, Session, StandardSchema } from "#mongostore";
import { Browser } from "../support/browser.ts";
import { ManualClock } from "../support/clock.ts";
import { type Database, openDatabase } from "../support/mongo.ts";
import { begin, look, visit } from "../support/visit.ts";
import { tracesIn } from "./traces.ts";

interface Values {
  text: string;
  other: unknown;
}

const KEY = "q7Zr2-Xm9Vt4.Kb6Wj1_Hn8Ld3~Ys5Gc0";
const WEAK = "pW4u-R8nE.y1Qk";
const PRIVATE = "a-very-private-value";
const FLASH = "a-very-private-flash";
const LABEL = "a-very-private-label";
const FORGED = "Zm9yZ2VkLWZvcmdlZC1mb3JnZWQ".repeat(4);

const DEEP = {
  depth: 12,
  showHidden: true,
  getters: true,
  maxStringLength: Infinity,
  maxArrayLength: Infinity,
} as const;

const CONSOLE = ["log", "info", "warn", "error", "debug", "trace", "dir"] as const;

/** Everything that was told, in every form in which it is printed. */
class Capture {
  readonly secrets: Record<string, string | Uint8Array> = {};
  readonly kinds = new Set<unknown>();
  readonly events = new Set<string>();
  readonly #told: string[] = [];

  /** Takes down what prints of a thing and, where it is an error, of what it came from. */
  tell(thing: unknown): void {
    this.#told.push(
      inspect(thing, DEEP),
      inspect({ thing }),
      format("%s %o %j", thing, thing, thing),
    );
    for (const runtime of ["Bun", "Deno"]) {
      const host: unknown = Reflect.get(globalThis, runtime);
      const own: unknown = host === undefined ? undefined : Reflect.get(Object(host), "inspect");
      if (typeof own === "function") {
        this.#told.push(String(Reflect.apply(own, host, [thing, { depth: 12 }])));
      }
    }
    if (!(thing instanceof Error)) return;
    this.kinds.add(thing.constructor);
    this.#told.push(thing.message, thing.stack ?? "", String(thing), JSON.stringify(thing));
    for (const key of Reflect.ownKeys(thing)) {
      this.#told.push(inspect(Reflect.get(thing, key), DEEP));
    }
    if (thing instanceof AggregateError) { for (const one of thing.errors) this.tell(one); }
    if (thing.cause !== undefined) this.tell(thing.cause);
  }

  /** Notes what leads into a session, and what prints of it. */
  meet(session: Session<Values>): void {
    const { token, id } = session;
    const number = Object.keys(this.secrets).length;
    if (token) {
      this.secrets[`token ${number}`] = token;
      this.secrets[`bytes of token ${number}`] = Buffer.from(token, "base64url");
      this.secrets[`id ${number}`] = Buffer.from(id, "base64url").subarray(4);
    }
    this.tell(session);
    if (session.error) this.tell(session.error);
  }

  /** What the work throws, which it has to. */
  async fails(work: () => unknown): Promise<void> {
    let outcome: unknown;
    try {
      outcome = await work();
    } catch (error) {
      this.tell(error);
      return;
    }
    assert.fail(`nothing was thrown, but ${typeof outcome} came back`);
  }

  /** Runs the work and takes down what it writes to the console. */
  async listening(work: () => Promise<void>): Promise<void> {
    const originals = CONSOLE.map((name) => [name, console[name]] as const);
    try {
      for (const name of CONSOLE) {
        console[name] = (...parts: unknown[]) => {
          this.#told.push(format(...parts));
          for (const part of parts) this.#told.push(inspect(part, DEEP));
        };
      }
      await work();
    } finally {
      for (const [name, original] of originals) console[name] = original;
    }
  }

  get text(): string {
    return this.#told.join("\n");
  }
}

describe("nothing secret is told", () => {
  let database: Database | undefined;
  before(async () => {
    database = await openDatabase();
  });
  after(async () => await database?.close());

  const fill = (session: Session<Values>) => {
    session.values.text = PRIVATE;
    session.addFlash(FLASH);
    session.meta = LABEL;
  };

  it("by any event, error, stack, cause, console line or inspect of a walk that provokes every error class", async () => {
    const capture = new Capture();
    Object.assign(capture.secrets, { KEY, WEAK, PRIVATE, FLASH, LABEL, FORGED });
    const onEvent = (event: mongostore.SessionEvent) => {
      capture.events.add(event.type);
      capture.tell(event);
    };
    await capture.listening(async () => {
      await memoryWalk(capture, onEvent, fill);
      assert.ok(database);
      await mongoWalk(capture, onEvent, fill, database);
      await keysAndPorts(capture);
    });
    const classes = Object.values(mongostore).filter((one) =>
      typeof one === "function" && one.prototype instanceof SessionError
    );
    assert.ok(classes.length >= 12);
    assert.deepEqual(classes.filter((one) => !capture.kinds.has(one)), []);
    for (
      const type of [
        "load",
        "save",
        "touch",
        "merge",
        "gone",
        "destroy",
        "regenerate",
        "reject",
        "batch",
      ]
    ) {
      assert.ok(capture.events.has(type), type);
    }
    assert.ok(Object.keys(capture.secrets).length >= 15);
    assert.deepEqual(tracesIn(capture.text, capture.secrets), []);
  });

  it("and the walk would see it: a console line, an error's cause and an event that tell are found", async () => {
    const secrets = { PRIVATE };
    for (
      const plant of [
        (capture: Capture) => capture.tell(new Error("no", { cause: new Error(PRIVATE) })),
        (capture: Capture) => capture.tell({ type: "load", name: PRIVATE }),
        (capture: Capture) =>
          capture.tell(Object.assign(new Error("no"), { document: { a: [PRIVATE] } })),
        (capture: Capture) => capture.tell(new AggregateError([new TypeError(PRIVATE)])),
        (capture: Capture) => capture.listening(() => Promise.resolve(console.warn({ PRIVATE }))),
      ]
    ) {
      const capture = new Capture();
      assert.deepEqual(tracesIn(capture.text, secrets), []);
      await Promise.resolve(plant(capture));
      assert.deepEqual(tracesIn(capture.text, secrets), ["PRIVATE"]);
    }
  });
});

/** The backend, with its writes in other hands. */
function withWrite(backend: Backend, write: Backend["write"]): Backend {
  return new Proxy(backend, {
    get(target, name) {
      if (name === "write") return write;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

type Events = (event: mongostore.SessionEvent) => void;
type Fill = (session: Session<Values>) => void;

const STRICT: StandardSchema<Values> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => ({
      issues: [{ message: `refused: ${JSON.stringify(value)}`, path: ["text"] }],
    }),
  },
};

async function memoryWalk(capture: Capture, onEvent: Events, fill: Fill): Promise<void> {
  const clock = new ManualClock();
  const backend = memoryBackend({ clock });
  const options = { keys: [KEY], clock, onEvent, backend };
  const store = new Store<Values>({ ...options, maxBytes: 2_000, touchAfter: 0, lifetime: 3_600 });
  const browser = new Browser();
  const { session } = await visit(store, browser, fill);
  capture.meet(session);
  // Merged, touched, regenerated, gone.
  const [one, two] = [await begin(store, browser), await begin(store, browser)];
  one.session.values.text = `${PRIVATE} of one`;
  two.session.values.other = `${PRIVATE} of two`;
  for (const pending of [one, two]) {
    await pending.save();
    console.log(pending.session);
  }
  await visit(store, browser);
  const late = await begin(store, browser);
  capture.meet((await visit(store, browser, (own) => own.regenerate())).session);
  late.session.values.text = `${PRIVATE} too late`;
  await capture.fails(late.save);
  // What must not be stored.
  const refused = await begin(store, browser);
  for (
    const other of [
      () => PRIVATE,
      new (class Secret {
        text = PRIVATE;
      })(),
      PRIVATE.repeat(200),
    ]
  ) {
    refused.session.values.other = other;
    await capture.fails(refused.save);
    await capture.fails(() =>
      refused.session.update((values) => {
        values.other = other;
      })
    );
  }
  const strict = new Store<Values>({ ...options, schema: STRICT });
  capture.meet(await look(strict, browser));
  await capture.fails(() => visit(strict, new Browser(), fill));
  await capture.fails(async () => {
    const request = browser.copy().request();
    fill(await strict.get(request, "a"));
    await saveAll(request, new Response());
  });
  // What must not be taken for a token.
  const token = browser.token ?? "";
  for (
    const text of [
      FORGED,
      FORGED.slice(0, 88),
      `${token}x`,
      token.slice(0, -1),
      token.toLowerCase(),
    ]
  ) {
    browser.present(text);
    capture.meet(await look(store, browser));
  }
  for (
    const transport of [
      new HeaderToken(),
      new QueryToken(),
      firstOf(new CookieToken(), new HeaderToken(), new QueryToken()),
    ]
  ) {
    const other = new Store<Values>({ ...options, token: transport });
    const headers = { authorization: `Bearer ${FORGED}, ${token}`, cookie: `session=${FORGED}` };
    const url = `https://app.example/?session=${token}&session=${FORGED}`;
    capture.meet(await other.get({ url, headers: new Headers(headers) }));
    capture.tell(transport);
  }
  const crossing = new Request("https://app.example/", {
    method: "POST",
    headers: { cookie: `session=${token}`, "sec-fetch-site": "cross-site" },
  });
  await store.handle(async (_request, own) => {
    await capture.fails(own);
    return new Response();
  })(crossing);
  // Other writers at every try.
  const crowded = new Store<Values>({
    ...options,
    backend: withWrite(
      backend,
      async (writes, call) =>
        writes[0]?.kind === "insert"
          ? await backend.write(writes, call)
          : writes.map(() => ({ status: "conflict" })),
    ),
    clock: {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (_, done) => (done(), () => undefined),
    },
  });
  const other = new Browser();
  await visit(crowded, other, fill);
  await capture.fails(() =>
    visit(crowded, other, (own) => {
      own.values.other = PRIVATE;
    })
  );
  // Too old, closed.
  browser.present(token);
  clock.advance(3_601_000);
  capture.meet(await look(store, browser));
  await visit(store, new Browser(), (own) => own.destroy());
  await store.close();
  await capture.fails(() => look(store, browser));
  for (const thing of [store, strict, backend, store.codecs, store.options, store.token]) {
    capture.tell(thing);
  }
}

async function mongoWalk(
  capture: Capture,
  onEvent: Events,
  fill: Fill,
  database: Database,
): Promise<void> {
  const collection = database.collection();
  const store = await createMongoStore<Values>(collection, { keys: [KEY], onEvent });
  const browser = new Browser();
  capture.meet((await visit(store, browser, fill)).session);
  // A server that refuses a document, and says in its error what stands in it.
  const unique = database.collection();
  const plain = await createMongoStore<Values>(unique, { keys: [KEY], onEvent, data: "plain" });
  await unique.createIndex({ data: 1 }, { unique: true });
  const set = (text: string) => (own: Session<Values>) => {
    own.values.text = text;
  };
  const old = new Browser();
  await visit(plain, new Browser(), set(PRIVATE));
  capture.meet((await visit(plain, old, set(`${PRIVATE} of another`))).session);
  await capture.fails(() => visit(plain, new Browser(), set(PRIVATE)));
  await capture.fails(() => visit(plain, old, set(PRIVATE)));
  await refusingWalk(capture, onEvent);
  // Altered, and junk.
  await collection.updateOne({}, {
    $set: { data: `${PRIVATE} in the clear`, rev: new Uint8Array(8) },
  });
  capture.meet(await look(store, browser));
  const indexed = database.collection();
  await indexed.createIndex({ modified: 1 }, { expireAfterSeconds: 60 });
  await capture.fails(() => createMongoStore(indexed, { keys: [KEY] }));
  capture.tell(store);
}

/** A server whose rule refuses each document and quotes what it considered. */
async function refusingWalk(capture: Capture, onEvent: Events): Promise<void> {
  const client = await new MongoClient(process.env["MONGODB_URI"] ?? "").connect();
  const db = client.db(`leaks_${crypto.randomUUID().replaceAll("-", "")}`);
  try {
    const collection = await db.createCollection("ruled", {
      validator: { data: { $type: "int" } },
    });
    const quoted: unknown = await collection.insertOne({ data: PRIVATE }).catch((error: unknown) =>
      error
    );
    assert.match(inspect(quoted, DEEP), new RegExp(PRIVATE), "the server quotes what it refuses");
    for (const batch of [true, false]) {
      const options = { keys: [KEY], onEvent, data: "plain", batch } as const;
      const store = await createMongoStore<Values>(collection, options);
      const set = (session: Session<Values>) => {
        session.values.text = PRIVATE;
      };
      await capture.fails(() => visit(store, new Browser(), set));
      await Promise.all(
        Array.from({ length: 5 }, () => capture.fails(() => visit(store, new Browser(), set))),
      );
      await store.close();
    }
  } finally {
    await db.dropDatabase();
    await client.close();
  }
}

async function keysAndPorts(capture: Capture): Promise<void> {
  const weak: readonly (readonly (string | Uint8Array)[])[] = [
    [WEAK],
    [KEY, WEAK],
    [KEY, KEY],
    [Buffer.from(WEAK)],
  ];
  for (const keys of weak) await capture.fails(() => createMemoryStore({ keys }));
  const ring = new Keyring([KEY]);
  await ring.ready();
  const binding = { name: "session", key: new Uint8Array(20), created: 0 };
  for (const codec of [sealedData(ring), signedData(ring)]) {
    await codec.open(await codec.protect(PRIVATE, binding), binding);
    capture.tell(codec);
  }
  for (const thing of [ring, signedToken(ring)]) capture.tell(thing);
}
