import assert from "node:assert/strict";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { MongoStore } from "connect-mongo";
import { type Collection, type Db, MongoClient, ObjectId } from "mongodb";
import { CookieToken, createMongoStore, generateKey } from "#mongostore";
import type { Store } from "#mongostore";
import { expressSessionReader, gorillaReader, importedSessions } from "#mongostore/legacy";
import { gobString, rawValue, securecookie } from "#mongostore/securecookie";
import { expressCookie } from "../legacy/readers.ts";
import { type Ended, ended, run, start } from "./command-line.ts";

/** How many sessions the real connect-mongo writes: npm run test:import has a hundred thousand. */
const COUNT = Number(process.env["MONGOSTORE_IMPORT_SESSIONS"] ?? 2_000);
const CALLERS = 50;
const SECRET = "keyboard cat of the tests";
const keys: readonly string[] = [generateKey()];

interface Counts {
  readonly seen: number;
  readonly added: number;
  readonly present: number;
  readonly ended: number;
  readonly refused: number;
  readonly reasons: Readonly<Record<string, number>>;
}

let client: MongoClient;
let db: Db;
before(async () => {
  client = await MongoClient.connect(process.env["MONGODB_URI"] ?? "");
  db = client.db(`test_${crypto.randomUUID().replaceAll("-", "")}`);
});
after(async () => {
  await db?.dropDatabase();
  await client?.close();
});

function environment(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [key = ""] = keys;
  return { MONGODB_URI: process.env["MONGODB_URI"] ?? "", SESSION_KEY: key, ...more };
}

function countsOf({ out, err }: Ended): Counts {
  assert.match(out, /^\{.*\}\n$/, err);
  return JSON.parse(out);
}

describe(`the import of ${COUNT} sessions of the real connect-mongo`, { timeout: 900_000 }, () => {
  const ids = Array.from({ length: COUNT }, () => crypto.randomUUID());
  const valuesOf = (i: number) => ({
    userId: `user${i}`,
    cart: [{ sku: `a${i}`, n: i % 7 }],
    name: "βeta <&> 😀",
    text: "x".repeat(i % 300),
  });
  const times: Record<string, number> = {};
  const args: string[] = [];
  let source: Collection;
  let target: Collection;
  let hash: unknown;

  before(async () => {
    source = db.collection("sessions");
    target = db.collection("sessions_v2");
    args.push("import", "connect-mongo", `--db=${db.databaseName}`, "--collection=sessions_v2");
    args.push("--subject=userId", "--json", `--batch=${COUNT > 10_000 ? 500 : 20}`);
    await timed("written by connect-mongo", () => write(ids));
    hash = await contentOf();
  });
  after(() => {
    if (COUNT > 10_000) console.log(times);
  });

  it("tells how far it is, and leaves a part when it is killed on its way", async () => {
    const child = start(args, environment());
    let err = "";
    child.stderr?.on("data", (text: unknown) => {
      err += String(text);
      if (/[4-9]\d%/.test(err)) child.kill("SIGKILL");
    });
    const { out } = await ended(child);
    assert.equal(child.signalCode, "SIGKILL");
    assert.equal(out, "");
    assert.match(err, new RegExp(`10%  \\d+ of ${COUNT} sessions, \\d+ a second\n`));
    const copied = await target.countDocuments();
    times["copied when it was killed"] = copied;
    assert.ok(copied > 0 && copied < COUNT, `${copied} of ${COUNT}`);
  });

  it("goes on where it was, copies each once, and shows no secret", async () => {
    const copied = await target.countDocuments();
    const result = await timed("the second run", () => run(args, environment()));
    const { seen, added, present, refused } = countsOf(result);
    assert.equal(result.code, 0);
    assert.deepEqual({ seen, added, present, refused }, {
      seen: COUNT,
      added: COUNT - copied,
      present: copied,
      refused: 0,
    });
    assert.equal(await target.countDocuments(), COUNT);
    const screen = result.out + result.err;
    for (const secret of [...keys, ...ids.slice(0, 100)]) assert.ok(!screen.includes(secret));
  });

  it("finds all of them there when it runs once more", async () => {
    const result = await timed("a run with nothing to do", () => run(args, environment()));
    assert.equal(countsOf(result).present, COUNT);
    assert.equal(await target.countDocuments(), COUNT);
  });

  it("has not changed the source", async () => {
    assert.deepEqual(await contentOf(), hash);
  });

  it("brings sessions that all load by their old cookie, also once the source is gone", async () => {
    await source.rename("sessions_before");
    const store = await openStore();
    const ends = new Map<unknown, unknown>();
    for await (const { _id, expires } of db.collection("sessions_before").find()) {
      ends.set(_id, expires);
    }
    await timed("loaded through mongostore", () =>
      concurrently(COUNT, async (i) => {
        const id = ids[i] ?? "";
        const session = await store.get(visit(`connect.sid=${expressCookie(id, SECRET)}`));
        assert.equal(session.error, undefined);
        assert.deepEqual(session.values, valuesOf(i));
        assert.equal(session.subject, `user${i}`);
      }));
    const [first] = await store.list("user0");
    assert.deepEqual(first?.expiresAt, ends.get(ids[0]));
    await store.close();
  });

  it("brings sessions that go on under a token of ours, and end by their subject", async () => {
    const store = await openStore();
    const request = visit(`connect.sid=${expressCookie(ids[1] ?? "", SECRET)}`);
    const session = await store.get(request);
    session.values["seen"] = true;
    const headers = new Headers();
    await store.save(request, headers, session);
    const cookies = headers.getSetCookie();
    assert.match(cookies.find((text) => text.startsWith("connect.sid=")) ?? "", /Max-Age=0/);
    const ours = cookies.find((text) => text.startsWith("session="))?.split(";")[0] ?? "";
    const next = await store.get(visit(ours));
    assert.ok(!next.isNew);
    assert.deepEqual(next.values, { ...valuesOf(1), seen: true });

    const place = [`--db=${db.databaseName}`, "--collection=sessions_v2"];
    const revoked = await run(["revoke", "user1", "--all", "--json", ...place], environment());
    assert.deepEqual(JSON.parse(revoked.out), { revoked: 2 }, "ours and the copy");
    assert.ok((await store.get(visit(ours))).isNew);
    const again = await store.get(visit(`connect.sid=${expressCookie(ids[1] ?? "", SECRET)}`));
    assert.deepEqual(again.values, {});
    await store.close();
  });

  it("finds no session by a cookie that is forged, or by the id in our collection", async () => {
    const store = await openStore();
    const [copy] = await store.list("user2");
    const handle = copy?.handle ?? "";
    assert.equal(handle.length, 27);
    for (
      const cookie of [
        `connect.sid=${expressCookie(ids[2] ?? "", "another secret")}`,
        `connect.sid=${expressCookie(handle, SECRET)}`,
        `session=${handle}`,
      ]
    ) {
      assert.deepEqual((await store.get(visit(cookie))).values, {}, cookie);
    }
    await store.close();
  });

  /** Saves a session under each id, through connect-mongo's own `set`. */
  async function write(all: readonly string[]): Promise<void> {
    const store = MongoStore.create({ client, dbName: db.databaseName, autoRemove: "disabled" });
    await concurrently(all.length, (i) => {
      const expires = new Date(Date.now() + 3_600_000 + i);
      const data = { cookie: { originalMaxAge: 3_600_000, expires, path: "/" }, ...valuesOf(i) };
      return new Promise<void>((resolve, reject) => {
        const done = (error: unknown) => error ? reject(error) : resolve();
        Reflect.apply(store.set, store, [all[i], data, done]);
      });
    });
  }

  async function contentOf(): Promise<unknown> {
    const { collections } = await db.command({ dbHash: 1, collections: ["sessions"] });
    assert.ok(collections.sessions);
    return collections.sessions;
  }

  function openStore(): Promise<Store> {
    return createMongoStore(target, {
      keys,
      legacy: [expressSessionReader({
        token: new CookieToken(),
        secrets: [SECRET],
        load: importedSessions(target, { keys, from: "connect-mongo" }).load,
      })],
    });
  }

  async function timed<T>(what: string, work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    const result = await work();
    times[`${what}, ms`] = Math.round(performance.now() - started);
    return result;
  }
});

describe("the import of connect-mongo", () => {
  it("counts what it cannot read and what has ended, says why, and copies the rest", async () => {
    const soon = new Date(Date.now() + 60_000);
    const odd = db.collection<{ _id: unknown; [field: string]: unknown }>("odd");
    await odd.insertMany([
      { _id: "good", session: '{"cookie":{},"n":1}', expires: soon },
      { _id: "object", session: { cookie: {}, n: 2 }, expires: soon },
      { _id: "endless", session: '{"cookie":{},"n":3}' },
      { _id: "over", session: '{"cookie":{},"n":4}', expires: new Date(Date.now() - 1) },
      { _id: "broken", session: "{oops a secret", expires: soon },
      { _id: new ObjectId(), user: "not a session at all" },
      { _id: "large", session: JSON.stringify({ text: "x".repeat(300_000) }), expires: soon },
    ]);
    const result = await run(
      ["import", "connect-mongo", `--db=${db.databaseName}`, "--source-collection=odd"].concat(
        "--collection=odd_v2",
        "--json",
        "--max-age=600",
      ),
      environment(),
    );
    const { reasons, ...counts } = countsOf(result);
    assert.equal(result.code, 1);
    assert.deepEqual(counts, { seen: 7, added: 3, present: 0, ended: 1, refused: 3 });
    assert.equal(Object.keys(reasons).length, 3);
    assert.ok(!`${result.out}${result.err}`.includes("oops"));
    const { load } = importedSessions(db.collection("odd_v2"), { keys, from: "connect-mongo" });
    const { signal } = new AbortController();
    const endless = await load("endless", { sessionName: "session", now: 0, signal });
    assert.deepEqual(endless?.values, { n: 3 });
    const left = (endless?.expires ?? 0) - Date.now();
    assert.ok(left > 500_000 && left <= 601_000, `it ends in ${left} ms`);
  });

  it("refuses to copy a collection into itself", async () => {
    const args = ["import", "connect-mongo", `--db=${db.databaseName}`, "--json"];
    const { code, out } = await run(args, environment());
    assert.equal(code, 2);
    assert.match(out, /source and target are one collection/);
  });
});

describe("the import of kidstuff/mongostore", () => {
  const [hashKey, blockKey] = ["secret-key of the Go service", "0123456789abcdef"];
  const name = "session-key";

  it("brings sessions that load by the cookies of Go", async () => {
    const raw = securecookie(hashKey, blockKey, { serializer: rawValue });
    const bytes = (values: object) => new TextEncoder().encode(JSON.stringify(values));
    const documents = await Promise.all(Array.from({ length: 25 }, async (_, i) => ({
      _id: new ObjectId(),
      data: await raw.encode(name, bytes({ userId: i })),
      modified: new Date(Date.now() - (i === 24 ? 7_200_000 : 0)),
    })));
    await db.collection("test_session").insertMany(documents);
    const args = ["import", "kidstuff", `--db=${db.databaseName}`, "--collection=from_go"].concat(
      "--source-collection=test_session",
      `--cookie=${name}`,
      "--source-max-age=3600",
      "--subject=userId",
      "--json",
    );
    const env = environment({ OLD_KEYS: `${hashKey},base64:${btoa(blockKey)}` });
    const result = await run(args, env);
    const { reasons: _, ...counts } = countsOf(result);
    assert.deepEqual(counts, { seen: 25, added: 24, present: 0, ended: 1, refused: 0 });
    await db.collection("test_session").drop();

    const target = db.collection("from_go");
    const store = await createMongoStore(target, {
      keys,
      legacy: [gorillaReader({
        token: new CookieToken(),
        cookie: name,
        keyPairs: [hashKey, blockKey],
        collection: importedSessions(target, { keys, from: "kidstuff" }).load,
        maxAge: 3600,
      })],
    });
    const cookies = securecookie(hashKey, blockKey, { serializer: gobString });
    for (const [i, { _id }] of documents.entries()) {
      const cookie = await cookies.encode(name, _id.toHexString());
      const session = await store.get(visit(`${name}=${cookie}`));
      assert.deepEqual(session.values, i === 24 ? {} : { userId: i });
      assert.equal(session.subject, i === 24 ? undefined : String(i));
    }
    await store.close();
  });

  it("says which other keys, or whose gob, it cannot read", async () => {
    const raw = securecookie(hashKey, blockKey, { serializer: rawValue });
    await db.collection("gobs").insertOne({
      data: await raw.encode(name, Uint8Array.of(13, 127, 4)),
      modified: new Date(),
    });
    const args = ["import", "kidstuff", `--db=${db.databaseName}`, "--collection=from_gobs"].concat(
      "--source-collection=gobs",
      `--cookie=${name}`,
      "--json",
    );
    const right = await run(args, environment({ OLD_KEYS: `${hashKey},${blockKey}` }));
    assert.equal(right.code, 1);
    assert.match(Object.keys(countsOf(right).reasons).join(), /a gob map of Go is not read/);
    const wrong = await run(args, environment({ OLD_KEYS: "another key" }));
    assert.match(Object.keys(countsOf(wrong).reasons).join(), /does not open/);
    assert.equal((await run(args, environment())).code, 2);
  });
});

function visit(cookie: string): Request {
  return new Request("https://shop.example/", { headers: { cookie } });
}

/** Runs `work` for 0, 1, … up to `count`, several at a time. */
async function concurrently(count: number, work: (i: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const caller = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
}
