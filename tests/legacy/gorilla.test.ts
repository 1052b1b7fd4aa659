import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { type Collection, type Document, ObjectId } from "mongodb";
import { gobString, rawValue, securecookie } from "../../src/codec/securecookie.ts";
import { CorruptRecordError } from "../../src/errors.ts";
import { type GorillaOptions, gorillaReader } from "../../src/legacy/gorilla.ts";
import { type Database, openDatabase } from "../support/mongo.ts";
import { rejection } from "../support/secrets.ts";
import { callAt, collectionOf, NOW, openFirst, token, visit } from "./readers.ts";

const HASH_KEY = "secret-key of the Go service";
const BLOCK_KEY = "0123456789abcdef";
const ID = "d5621744765448bbfb14fd31";
const NAME = "session-key";
const VALUES = { userId: "42", cart: ["a"], nested: { n: 1 } };
/** A gob of map[interface{}]interface{}{"user": "ann"}, as Go writes it. */
const GOB_MAP = Buffer.from(
  "0d7f040102ff800001100110000021ff80000106737472696e670c0600047573657206737472696e670c050003616e6e",
  "hex",
);

const raw = securecookie(HASH_KEY, BLOCK_KEY, { serializer: rawValue });

/** What Go puts into `data` for these bytes. */
function dataOf(bytes: Uint8Array | string, now: number = NOW): Promise<string> {
  return raw.encode(NAME, typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes, now);
}

function cookieOf(id: string = ID, now: number = NOW): Promise<string> {
  return securecookie(HASH_KEY, BLOCK_KEY, { serializer: gobString }).encode(NAME, id, now);
}

async function recordOf(change: object = {}): Promise<object> {
  return { data: await dataOf(JSON.stringify(VALUES)), modified: new Date(NOW), ...change };
}

function readerOf(
  record: object | null,
  options: Partial<GorillaOptions> = {},
  asked: object[] = [],
) {
  return gorillaReader({
    token,
    cookie: NAME,
    keyPairs: [HASH_KEY, BLOCK_KEY],
    collection: collectionOf(record, asked),
    maxAge: 3600,
    ...options,
  });
}

let database: Database;
let collection: Collection;
before(async () => {
  database = await openDatabase();
  collection = database.collection();
});
after(() => database.close());

test("gorilla: a session in the database opens, under an ObjectId, through the index on _id", async () => {
  const _id = new ObjectId(ID);
  const record: Document = { _id, ...await recordOf() };
  await collection.insertMany([record, { _id: new ObjectId(), data: "", modified: new Date(NOW) }]);
  const stored = await collection.find().toArray();
  const session = await openFirst(readerOf(null, { collection }), [`${NAME}=${await cookieOf()}`]);
  assert.deepEqual(session, { values: VALUES, subject: undefined, expires: NOW + 3_600_000 });
  assert.deepEqual(await collection.find().toArray(), stored, "nothing was changed");
  const asked: object[] = [];
  await openFirst(readerOf(null, {}, asked), [`${NAME}=${await cookieOf()}`]);
  const plan = await collection.find(asked[0] ?? {}).explain("executionStats");
  const { totalDocsExamined } = plan["executionStats"];
  assert.equal(totalDocsExamined, 1);
  const other = await cookieOf("000000000000000000000000");
  assert.equal(await openFirst(readerOf(null, { collection }), [`${NAME}=${other}`]), undefined);
});

test("gorilla: an id as gob or as JSON", async () => {
  const asked: object[] = [];
  const reader = readerOf(await recordOf(), {}, asked);
  assert.ok(await reader.open(await cookieOf(), callAt()));
  assert.ok(await reader.open(await dataOf(`"${ID}"\n`), callAt()));
  const expected = { $expr: { $eq: ["$_id", { $toObjectId: ID }] } };
  assert.deepEqual(asked, [expected, expected]);
});

test("gorilla: an id that is no ObjectId is not looked up, however authentic", async () => {
  const asked: object[] = [];
  const reader = readerOf(await recordOf(), {}, asked);
  for (const id of ["", "x", ID.toUpperCase(), `${ID}0`, `${ID}\n`, ID.slice(1), "$ne"]) {
    assert.equal(await reader.open(await cookieOf(id), callAt()), undefined);
  }
  for (const json of [`{"$ne":"${ID}"}`, "5", "null", `["${ID}"]`, `"${ID}"x`]) {
    assert.equal(await reader.open(await dataOf(json), callAt()), undefined);
  }
  assert.deepEqual(asked, []);
});

test("gorilla: keys rotate, and another key or name does not open", async () => {
  const record = await recordOf();
  const rotated = readerOf(record, { keyPairs: ["new key", undefined, HASH_KEY, BLOCK_KEY] });
  assert.ok(await rotated.open(await cookieOf(), callAt()));
  const dropped = readerOf(record, { keyPairs: ["new key"] });
  assert.equal(await dropped.open(await cookieOf(), callAt()), undefined);
  const renamed = readerOf(record, { cookie: "other" });
  assert.equal(await renamed.open(await cookieOf(), callAt()), undefined);
  const { cookie: _, ...options } = { ...base(record), cookie: NAME };
  assert.ok(await gorillaReader(options).open(await cookieOf(), callAt(NOW, NAME)));
});

function base(record: object): GorillaOptions {
  const keyPairs = [HASH_KEY, BLOCK_KEY];
  return { token, keyPairs, collection: collectionOf(record), maxAge: 3600 };
}

test("gorilla: what was last saved maxAge ago has ended", async () => {
  const hour = 3_600_000;
  const fresh = await cookieOf(ID, NOW);
  const at = async (modified: number, now: number) =>
    await readerOf(await recordOf({ modified: new Date(modified) })).open(fresh, callAt(now));
  assert.equal((await at(NOW, NOW + hour - 1))?.expires, NOW + hour);
  assert.equal(await at(NOW, NOW + hour), undefined);
  assert.equal(await at(NOW - hour, NOW), undefined);
  const stale = await recordOf({ data: await dataOf("{}", NOW - 2 * hour) });
  assert.equal(await readerOf(stale).open(fresh, callAt()), undefined);
  const endless = readerOf(stale, { maxAge: 0 });
  assert.deepEqual((await endless.open(fresh, callAt(NOW + 1e12)))?.values, {});
  assert.equal(await readerOf(null).open(fresh, callAt()), undefined);
});

test("gorilla: a gob map is a CorruptRecordError that says so", async () => {
  const reader = readerOf(await recordOf({ data: await dataOf(GOB_MAP) }));
  const secrets = { key: HASH_KEY, block: BLOCK_KEY, id: ID };
  const open = async () => await reader.open(await cookieOf(), callAt());
  const error = await rejection(open, CorruptRecordError, secrets);
  assert.match(error.message, /gob map/);
  const own = readerOf(await recordOf({ data: await dataOf(GOB_MAP) }), {
    deserialize: (bytes) => ({ length: bytes.length }),
  });
  assert.deepEqual((await own.open(await cookieOf(), callAt()))?.values, {
    length: GOB_MAP.length,
  });
});

test("gorilla: data that is not what it should be is a CorruptRecordError", async () => {
  const other = await securecookie("other key").encode(NAME, {});
  const moved = await raw.encode("other", new TextEncoder().encode("{}"), NOW);
  const broken = await Promise.all(
    ["{whisper", "[]", "null", '{"__proto__":1}'].map((text) => dataOf(text)),
  );
  for (const data of [undefined, null, 5, {}, "", "whisper", other, moved, ...broken]) {
    const reader = readerOf(await recordOf({ data }));
    await rejection(async () => await reader.open(await cookieOf(), callAt()), CorruptRecordError, {
      value: "whisper",
      key: HASH_KEY,
    });
  }
});

test("gorilla: the cookie is looked at only in its shape, which is never ours", async () => {
  const reader = readerOf(await recordOf());
  const cookie = await cookieOf();
  assert.deepEqual(reader.read(visit(`${NAME}=${cookie}`), "session"), [cookie]);
  for (
    const other of ["A".repeat(88), "_-".repeat(44), "abc", "s:1.2", "Fe26.2*", "A".repeat(5000)]
  ) {
    assert.deepEqual(reader.read(visit(`${NAME}=${other}`), "session"), []);
    assert.equal(await reader.open(other, callAt()), undefined);
  }
});

test("gorilla: nothing that a client sends makes it throw or reach the database", async () => {
  const asked: object[] = [];
  const reader = readerOf(await recordOf(), {}, asked);
  await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.base64String()), async (text) => {
    assert.equal(await reader.open(text, callAt()), undefined);
  }));
  const good = await cookieOf();
  for (let at = 0; at < good.length; at++) {
    const text = good.slice(0, at) + (good[at] === "A" ? "B" : "A") + good.slice(at + 1);
    assert.equal(await reader.open(text, callAt()), undefined);
  }
  assert.deepEqual(asked, []);
});

test("gorilla: misuse", () => {
  assert.throws(() => readerOf(null, { keyPairs: [] }), TypeError);
  assert.throws(() => readerOf(null, { keyPairs: [""] }), TypeError);
  assert.throws(() => readerOf(null, { keyPairs: ["a", "short"] }), RangeError);
  assert.throws(() => readerOf(null, { maxAge: -1 }), RangeError);
  const shown = inspect(readerOf(null), { depth: 20, showHidden: true });
  assert.equal(shown.includes("secret-key"), false);
});
