import assert from "node:assert/strict";
import { EventEmitter, once } from "node:events";
import { createServer } from "node:http";
import type { Server } from "node:http";
import { after, before, describe, it } from "node:test";
import express from "express";
import type { Request, Response } from "express";
import session from "express-session";
import type { Collection } from "mongodb";
import { createMongoStore, generateKey } from "#mongostore";
import type { SessionEvent } from "#mongostore";
import { expressSessionStore } from "#mongostore/express-session";
import type { SessionStoreOptions, SidStore } from "#mongostore/express-session";
import { type Database, openDatabase } from "../support/mongo.ts";
import { listening, promisedStore, stopped, until, Visitor } from "./sid-store.ts";

declare module "express-session" {
  interface SessionData {
    num?: number;
    user?: string;
    left?: number;
    right?: number;
    view?: { at: number };
  }
}

const KEY = generateKey();
const MINUTE = 60_000;

let database: Database;
const servers: Server[] = [];
const stores: SidStore[] = [];

before(async () => {
  database = await openDatabase();
});
after(async () => {
  await Promise.all(servers.map(stopped));
  await Promise.all(stores.map((store) => store.close()));
  await database.close();
});

async function open(
  collection: Collection = database.collection(),
  options: Partial<SessionStoreOptions> = {},
) {
  const store = await expressSessionStore(session.Store, collection, { keys: [KEY], ...options });
  stores.push(store);
  return store;
}

type Handler = (req: Request, res: Response) => unknown;

/** An Express 5 server with sessions; gives a visitor of it. */
async function serve(
  store: session.Store,
  handler: Handler,
  options: Partial<session.SessionOptions> = {},
): Promise<Visitor> {
  const app = express();
  const secret = "keyboard cat";
  app.use(session({ store, secret, resave: false, saveUninitialized: true, ...options }));
  app.get("/*path", handler);
  app.get("/", handler);
  app.use((error: Error, _req: Request, res: Response, _next: () => void) => {
    if (!res.headersSent) res.status(500).send(error.message);
  });
  const server = createServer(app);
  servers.push(server);
  return new Visitor(await listening(server));
}

/** Counts visitors: each gets a number, and keeps it. */
function numbered(): Handler {
  let count = 0;
  return (req, res) => {
    req.session.num ??= ++count;
    res.end(`session ${req.session.num}`);
  };
}

/** A session as a request would give it, and what comes back of it. */
function data(maxAge: number | null = MINUTE) {
  const cookie = {
    originalMaxAge: maxAge,
    expires: maxAge === null ? null : new Date(Date.now() + maxAge),
    secure: true,
    httpOnly: false,
    domain: "example.com",
    path: "/foo",
    sameSite: false,
  };
  return { foo: "bar", baz: { num: 1, list: [1, "2"] }, cookie };
}

function json(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

async function expiryOf(collection: Collection): Promise<number> {
  const document = await collection.findOne();
  const expires: unknown = document?.["expires"];
  assert.ok(expires instanceof Date);
  return expires.getTime();
}

describe("with express-session on Express 5, it", () => {
  it("creates a session, and one only", async () => {
    const store = await open();
    const visitor = await serve(store, numbered());
    assert.equal((await visitor.get()).text, "session 1");
    assert.equal(await promisedStore(store).length(), 1);
  });

  it("loads the session of the cookie", async () => {
    const visitor = await serve(await open(), numbered());
    assert.equal((await visitor.get()).text, "session 1");
    assert.equal((await visitor.get()).text, "session 1");
  });

  it("creates sessions of several visitors", async () => {
    const store = await open();
    const visitor = await serve(store, numbered());
    const [, origin] = [await visitor.get(), visitor.cookie];
    visitor.cookie = undefined;
    assert.equal((await visitor.get()).text, "session 2");
    assert.notEqual(visitor.cookie, origin);
    assert.equal((await promisedStore(store).all())?.length, 2);
  });

  it("passes an outage on: nobody is logged out by one", async () => {
    const store = await open();
    const visitor = await serve(store, numbered());
    await visitor.get();
    await store.close();
    const { status, text } = await visitor.get();
    assert.equal(status, 500);
    assert.match(text, /closed/);
    assert.ok(!text.includes(visitor.sid));
  });

  it("stores values whose names the session object has for itself", async () => {
    const store = await open();
    const visitor = await serve(store, numbered());
    await visitor.get();
    const { get, set } = promisedStore(store);
    await set(visitor.sid, { ...await get(visitor.sid), save: "nope" });
    assert.deepEqual(await visitor.get(), { status: 200, text: "session 1", setCookie: undefined });
  });

  it("stores nothing under an id that is no text", async () => {
    const store = await open();
    const visitor = await serve(store, (req, res) => {
      Reflect.set(req, "sessionID", () => "");
      req.session.user = "bob";
      res.end();
    });
    assert.equal((await visitor.get()).setCookie, undefined);
    assert.equal(await promisedStore(store).length(), 0);
  });

  it("keeps the expiry that the browser was told", async () => {
    const store = await open();
    const visitor = await serve(store, numbered(), { cookie: { maxAge: MINUTE } });
    const { setCookie = "" } = await visitor.get();
    const told = /Expires=([^;]+)/.exec(setCookie)?.[1];
    const stored = await promisedStore(store).get(visitor.sid);
    const cookie: unknown = Reflect.get(stored ?? {}, "cookie");
    assert.equal(new Date(Reflect.get(Object(cookie), "expires")).toUTCString(), told);
    assert.equal(Reflect.get(Object(cookie), "originalMaxAge"), MINUTE);
  });

  it("gives a new session with a new id where the id is not in the store", async () => {
    const store = await open();
    const visitor = await serve(store, numbered());
    await visitor.get();
    const { sid } = visitor;
    await promisedStore(store).clear();
    assert.equal((await visitor.get()).text, "session 2");
    assert.notEqual(visitor.sid, sid);
  });

  it("gives a new session with a new id where the session has expired, and shows it no more", async () => {
    const store = await open();
    const visitor = await serve(store, numbered(), { cookie: { maxAge: 5 } });
    await visitor.get();
    const { sid } = visitor;
    await until(async () => await promisedStore(store).get(sid) === null);
    assert.equal(await promisedStore(store).length(), 0);
    assert.equal((await visitor.get()).text, "session 2");
    assert.notEqual(visitor.sid, sid);
  });

  it("passes the error of a stored session without a cookie", async () => {
    const store = await open();
    const visitor = await serve(store, numbered());
    await visitor.get();
    await promisedStore(store).set(visitor.sid, { foo: "bar" });
    const { status, text } = await visitor.get();
    assert.equal(status, 500);
    assert.match(text, /expires|undefined/);
  });

  it("touches what did not change, and sets what did", async () => {
    const store = await open();
    const seen: string[] = [];
    for (const event of ["set", "touch"]) store.on(event, () => seen.push(event));
    const visitor = await serve(store, (req, res) => {
      if (req.path === "/set") req.session.user = "bob";
      res.end();
    }, { cookie: { maxAge: MINUTE } });
    for (const path of ["/set", "/", "/set", "/"]) await visitor.get(path);
    assert.deepEqual(seen, ["set", "touch", "touch", "touch"]);
  });

  it("resets the expiry by a touch", async () => {
    const store = await open();
    const visitor = await serve(store, (req, res) => {
      req.session.user = "bob";
      req.session.touch();
      res.end();
    }, { cookie: { maxAge: MINUTE } });
    await visitor.get();
    const first = json(await promisedStore(store).get(visitor.sid));
    await until(() => Promise.resolve(Date.now() % 10 > 0));
    await visitor.get();
    const second = json(await promisedStore(store).get(visitor.sid));
    assert.notDeepEqual(
      Reflect.get(Object(second), "cookie"),
      Reflect.get(Object(first), "cookie"),
    );
  });

  it("stores no session that nothing was put into, where saveUninitialized is off", async () => {
    const store = await open();
    const visitor = await serve(store, (_req, res) => res.end(), { saveUninitialized: false });
    assert.equal((await visitor.get()).setCookie, undefined);
    assert.equal(await promisedStore(store).length(), 0);
  });

  it("destroys what the request unset", async () => {
    const store = await open();
    const visitor = await serve(store, (req, res) => {
      if (req.path === "/out") Reflect.set(req, "session", null);
      else req.session.user = "bob";
      res.end();
    }, { unset: "destroy" });
    await visitor.get();
    assert.equal(await promisedStore(store).length(), 1);
    await visitor.get("/out");
    assert.equal(await promisedStore(store).length(), 0);
  });

  it("regenerates: the old id ends, the new one is saved", async () => {
    const store = await open();
    const visitor = await serve(store, (req, res) => {
      if (req.path !== "/login") return res.end(String(req.session.user));
      req.session.regenerate((error) => {
        req.session.user = "bob";
        res.end(String(error));
      });
    });
    await visitor.get();
    const { sid, cookie } = visitor;
    assert.equal((await visitor.get("/login")).text, "null");
    assert.notEqual(visitor.sid, sid);
    assert.equal((await visitor.get()).text, "bob");
    visitor.cookie = cookie;
    assert.equal((await visitor.get()).text, "undefined");
    assert.equal(await promisedStore(store).get(sid), null);
  });

  it("reloads what another request saved, and says where it is missing", async () => {
    const store = await open();
    const visitor = await serve(store, (req, res) => {
      if (req.path === "/") {
        req.session.num = 1;
        return res.end();
      }
      const between = req.path === "/gone"
        ? promisedStore(store).destroy(req.sessionID)
        : promisedStore(store).set(req.sessionID, { ...json(req.session) as object, num: 2 });
      between.then(() => {
        req.session.reload((error: Error | undefined) => {
          res.status(error ? 500 : 200).end(error ? error.message : String(req.session.num));
        });
      });
    });
    await visitor.get();
    assert.equal((await visitor.get("/reload")).text, "2");
    assert.equal((await visitor.get("/gone")).text, "failed to load session");
  });

  it("saves before the end where the handler asks, and merges what it saves then", async () => {
    const store = await open();
    const visitor = await serve(store, (req, res) => {
      req.session.user = "bob";
      req.session.save((error) => {
        promisedStore(store).get(req.sessionID).then((stored) => {
          req.session.num = (req.session.num ?? 0) + 1;
          res.end(error ? "failed" : String(Reflect.get(stored ?? {}, "user")));
        });
      });
    });
    assert.equal((await visitor.get()).text, "bob");
    const stored = await promisedStore(store).get(visitor.sid);
    assert.equal(Reflect.get(stored ?? {}, "num"), 1);
  });

  it("loads a session object by its id", async () => {
    const store = await open();
    const visitor = await serve(store, numbered());
    await visitor.get();
    const loaded = await new Promise<object | undefined>((resolve, reject) => {
      store.load(visitor.sid, (error, found) => error ? reject(error) : resolve(found));
    });
    assert.equal(Reflect.get(loaded ?? {}, "num"), 1);
    assert.equal(typeof Reflect.get(loaded ?? {}, "touch"), "function");
  });

  it("is an emitter, whose disconnect and connect express-session hears", async () => {
    const store = await open();
    assert.ok(store instanceof session.Store && store instanceof EventEmitter);
    const visitor = await serve(store, (req, res) => res.end(String(req.session !== undefined)));
    store.emit("disconnect");
    assert.equal((await visitor.get()).text, "false");
    store.emit("connect");
    assert.equal((await visitor.get()).text, "true");
  });

  it("keeps two keys that two requests change at once", async () => {
    const store = await open();
    const gate = new EventEmitter();
    let here = 0;
    const visitor = await serve(store, async (req, res) => {
      if (req.path === "/") req.session.user = "bob";
      else {
        // Both have loaded before either saves.
        if (++here === 2) gate.emit("both");
        else await once(gate, "both");
        if (req.path === "/left") req.session.left = 1;
        else req.session.right = 2;
      }
      res.end();
    });
    await visitor.get();
    await Promise.all([visitor.get("/left"), visitor.get("/right")]);
    const { user, left, right } = Object(await promisedStore(store).get(visitor.sid));
    assert.deepEqual({ user, left, right }, { user: "bob", left: 1, right: 2 });
  });

  it("never revives a session: a save races with a logout 200 times, from two servers", async () => {
    const collection = database.collection();
    const [one, two] = [await open(collection), await open(collection)];
    const write: Handler = (req, res) => {
      req.session.num = (req.session.num ?? 0) + 1;
      res.end();
    };
    const logout: Handler = (req, res) => {
      req.session.destroy((error) => res.status(error ? 500 : 200).end());
    };
    const a = await serve(one, write);
    const b = await serve(two, (req, res) => (req.path === "/out" ? logout : write)(req, res));
    for (let round = 0; round < 200; round++) {
      a.cookie = undefined;
      await a.get();
      b.cookie = a.cookie;
      const { sid } = a;
      const statuses = await Promise.all([a.get(), b.get("/out"), a.get(), b.get()]);
      assert.deepEqual(statuses.map(({ status }) => status), [200, 200, 200, 200]);
      assert.equal(await promisedStore(one).get(sid), null, `round ${round}`);
    }
  });
});

describe("as connect-mongo has it, it", () => {
  it("counts none, lists none, and has no session of an unknown id", async () => {
    const { length, all, get } = promisedStore(await open());
    assert.equal(await length(), 0);
    assert.deepEqual(await all(), []);
    assert.equal(await get("fake-sid"), null);
  });

  it("gives back what was set, as JSON has it, until it is destroyed", async () => {
    const { length, all, get, set, destroy } = promisedStore(await open());
    const original = data();
    assert.equal(await set("basic", original), undefined);
    assert.deepEqual(await get("basic"), json(original));
    assert.deepEqual(await all(), [json(original)]);
    assert.equal(await length(), 1);
    assert.equal(await destroy("basic"), undefined);
    assert.equal(await get("basic"), null);
    assert.equal(await length(), 0);
  });

  it("takes the place of what stands there, where the session was not loaded", async () => {
    const { get, set } = promisedStore(await open());
    await set("whole", { foo: 1, cookie: {} });
    await set("whole", { bar: 2, cookie: {} });
    assert.deepEqual(await get("whole"), { bar: 2, cookie: {} });
  });

  it("emits create, update, set, get, touch and destroy, with the id", async () => {
    const store = await open();
    const seen: unknown[] = [];
    for (const event of ["create", "update", "set", "get", "touch", "destroy"]) {
      store.on(event, (sid: unknown) => seen.push(`${event} ${sid}`));
    }
    const { get, set, touch, destroy } = promisedStore(store);
    await set("e", data());
    await set("e", { ...data(), foo: "new" });
    await get("e");
    await touch("e", data());
    await destroy("e");
    const events = ["create e", "set e", "update e", "set e", "get e", "touch e", "destroy e"];
    assert.deepEqual(seen, events);
  });

  it("takes the expiry from maxAge, then from expires, then from its own maxAge", async () => {
    const expires = new Date(Date.now() + 90_000);
    const lives = [];
    const cookies = [{ maxAge: 2_000, expires }, { expires }, {}, { expires: "soon" }, undefined];
    for (const cookie of cookies) {
      const collection = database.collection();
      await promisedStore(await open(collection, { maxAge: 30 })).set("ttl", { cookie });
      lives.push(Math.round((await expiryOf(collection) - Date.now()) / 1_000));
    }
    assert.deepEqual(lives, [2, 90, 30, 30, 30]);
  });

  it("keeps a session without a cookie for 14 days", async () => {
    const collection = database.collection();
    await promisedStore(await open(collection)).set("days", { foo: "bar" });
    const days = (await expiryOf(collection) - Date.now()) / 86_400_000;
    assert.ok(Math.abs(days - 14) < 0.001, String(days));
  });

  it("clears, and again, and keeps the index", async () => {
    const collection = database.collection();
    const { set, clear, length } = promisedStore(await open(collection));
    await set("c", data());
    await clear();
    await clear();
    assert.equal(await length(), 0);
    const indexes = await collection.listIndexes().toArray();
    assert.ok(indexes.some(({ name }) => name === "expires_1"));
  });

  it("moves the expiry by a touch, and the values stay", async () => {
    const collection = database.collection();
    const { get, set, touch } = promisedStore(await open(collection));
    await set("t", data());
    const first = await expiryOf(collection);
    await touch("t", { cookie: data(2 * MINUTE).cookie });
    assert.ok(await expiryOf(collection) >= first + MINUTE);
    assert.equal(Reflect.get(await get("t") ?? {}, "foo"), "bar");
  });

  it("writes nothing for a touch within touchAfter, unless the cookie changed otherwise", async () => {
    const collection = database.collection();
    const { get, set, touch } = promisedStore(await open(collection, { touchAfter: 60 }));
    await set("t", data());
    const before = await collection.findOne();
    await touch("t", { cookie: data().cookie });
    assert.deepEqual(await collection.findOne(), before);
    await touch("t", { cookie: data(30 * MINUTE).cookie }); // remember me
    assert.ok(await expiryOf(collection) > Date.now() + 29 * MINUTE);
    assert.equal(
      Reflect.get(Reflect.get(await get("t") ?? {}, "cookie"), "originalMaxAge"),
      30 * MINUTE,
    );
  });

  it("passes the error of a session that JSON cannot keep, and of one that is too large", async () => {
    const { set, length } = promisedStore(await open(undefined, { maxBytes: 1_000 }));
    const circular: Record<string, unknown> = { cookie: {} };
    circular["self"] = circular;
    await assert.rejects(set("s", circular), TypeError);
    await assert.rejects(set("s", { cookie: {}, text: "x".repeat(1_000) }), /too large|bytes/);
    assert.equal(await length(), 0);
  });

  it("calls back once where a record does not open, with no session: its user can sign in again", async () => {
    const collection = database.collection();
    const { set } = promisedStore(await open(collection));
    await set("sealed", data());
    const events: SessionEvent[] = [];
    const other = await open(collection, {
      keys: [generateKey()],
      onEvent: (event) => events.push(event),
    });
    const calls: unknown[] = [];
    await new Promise<void>((resolve) => {
      other.get("sealed", (...args) => {
        calls.push(args);
        setTimeout(resolve); // a second call would come before
      });
    });
    assert.deepEqual(calls, [[null, null]]);
    assert.ok(events.some((e) => e.type === "reject" && e.reason === "CORRUPT_RECORD"));
  });

  it("works without callbacks", async () => {
    const store = await open();
    const set = once(store, "set");
    assert.equal(store.set("quiet", data()), undefined);
    await set;
    const touched = once(store, "touch");
    store.touch("quiet", data());
    await touched;
    const destroyed = once(store, "destroy");
    store.destroy("quiet");
    await destroyed;
    store.clear();
    store.set("quiet", Object(1n)); // fails, and nobody hears
    await until(async () => await promisedStore(store).length() === 0);
  });
});

describe("what stands in the collection", () => {
  it("holds neither an id nor a value", async () => {
    const collection = database.collection();
    const visitor = await serve(await open(collection), (req, res) => {
      req.session.user = "a value to look for";
      res.end();
    });
    await visitor.get();
    const [document] = await collection.find().toArray();
    const dump = JSON.stringify(document) +
      Buffer.from(document?.["data"].buffer).toString("latin1");
    for (const secret of [visitor.sid, "a value to look for", "cookie", "originalMaxAge"]) {
      assert.ok(secret.length > 5 && !dump.includes(secret));
    }
  });

  it("leads to nobody's session: a stored key presented as an id finds none", async () => {
    const collection = database.collection();
    const { set, get } = promisedStore(await open(collection));
    await set("s", data());
    const [document] = await collection.find().toArray();
    const { _id: { buffer } } = Object(document);
    const key = Buffer.from(buffer);
    for (const form of ["hex", "base64url", "latin1"] as const) {
      assert.equal(await get(key.toString(form)), null);
    }
  });

  it("is listed and revoked by subject, and the revoked session stays ended", async () => {
    const collection = database.collection();
    const store = await open(collection, { subject: (values) => Reflect.get(values, "user") });
    const visitor = await serve(store, (req, res) => {
      req.session.user = "ann";
      req.session.num = (req.session.num ?? 0) + 1;
      res.end(String(req.session.num));
    });
    await visitor.get();
    const web = await createMongoStore(collection, { keys: [KEY] });
    assert.equal((await web.list("ann")).length, 1);
    await web.revokeAll("ann");
    await web.close();
    assert.equal((await visitor.get()).text, "1");
  });

  it("goes to the database together under load", async () => {
    const sizes: number[] = [];
    const store = await open(undefined, {
      onEvent: (event) => event.type === "batch" && sizes.push(event.size),
    });
    const { set, length } = promisedStore(store);
    await Promise.all(Array.from({ length: 100 }, (_, i) => set(`s${i}`, data())));
    assert.equal(await length(), 100);
    assert.ok(Math.max(...sizes) >= 16, String(sizes));
  });
});
