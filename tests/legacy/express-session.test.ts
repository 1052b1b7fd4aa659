import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { CorruptRecordError } from "../../src/errors.ts";
import { connectMongoLoader } from "../../src/legacy/connect-mongo.ts";
import {
  type ExpressSessionOptions,
  expressSessionReader,
} from "../../src/legacy/express-session.ts";
import { rejection } from "../support/secrets.ts";
import { callAt, collectionOf, expressCookie, NOW, openFirst, token, visit } from "./readers.ts";

const SECRET = "keyboard cat of the tests";
const ID = "q3Zl8xHv_-0123456789abcdefghijkl";

/** A reader over one session, which notes the ids that were asked for. */
function readerOf(options: Partial<ExpressSessionOptions> = {}, asked: string[] = []) {
  return expressSessionReader({
    token,
    secrets: [SECRET],
    load: (id) => {
      asked.push(id);
      return Promise.resolve({ values: { cookie: { path: "/" }, userId: "42", cart: ["a"] } });
    },
    ...options,
  });
}

test("express-session: a signed cookie opens, without express-session's own key", async () => {
  const asked: string[] = [];
  const cookie = `connect.sid=${expressCookie(ID, SECRET)}`;
  const session = await openFirst(readerOf({}, asked), [cookie]);
  assert.deepEqual(session?.values, { userId: "42", cart: ["a"] });
  assert.deepEqual(asked, [ID]);
});

test("express-session: the signature is the one that cookie-signature documents", async () => {
  const reader = readerOf({ secrets: ["tobiiscool"] });
  const [found] = reader.read(
    visit("connect.sid=s%3Ahello.DGDUkGlIkCzPz%2BC0B064FNgHdEjox7ch8tOBGslZ5QI"),
    "session",
  );
  assert.ok(found);
  assert.ok(await reader.open(found, callAt()));
});

test("express-session: any id that was signed, raw or percent-encoded", async () => {
  await fc.assert(fc.asyncProperty(fc.string({ unit: "grapheme", minLength: 1 }), async (id) => {
    const asked: string[] = [];
    const encoded = expressCookie(id, SECRET);
    assert.ok(await readerOf({}, asked).open(encoded, callAt()));
    assert.deepEqual(asked, [id]);
    const raw = decodeURIComponent(encoded);
    if (!raw.includes("%")) assert.ok(await readerOf().open(raw, callAt()));
  }));
});

test("express-session: each of the secrets opens, another does not", async () => {
  const cookie = `connect.sid=${expressCookie(ID, "the old secret")}`;
  assert.equal(await openFirst(readerOf(), [cookie]), undefined);
  const both = readerOf({ secrets: [SECRET, new TextEncoder().encode("the old secret")] });
  assert.ok(await openFirst(both, [cookie]));
});

test("express-session: no alteration of a cookie opens or is looked up", async () => {
  const asked: string[] = [];
  const reader = readerOf({}, asked);
  const good = decodeURIComponent(expressCookie(ID, SECRET));
  const texts = [
    `s:.${good.split(".")[1]}`,
    `s:${ID}.`,
    `s:${ID}`,
    "s:",
    "s:.",
    "j:{}",
    "%",
    "s%3",
    "s%3A%",
    `${good}=`,
    `${good}A`,
    ` ${good}`,
    good.slice(1),
    good.replaceAll("+", "-"),
    "s:%E0%A4%A",
  ];
  for (let at = 0; at < good.length; at++) {
    for (let bit = 1; bit < 128; bit *= 2) {
      texts.push(
        good.slice(0, at) + String.fromCharCode(good.charCodeAt(at) ^ bit) + good.slice(at + 1),
      );
    }
    texts.push(good.slice(0, at));
  }
  for (const text of texts) {
    if (text === good) continue;
    assert.equal(await reader.open(text, callAt()), undefined, text);
    assert.equal(await reader.open(encodeURIComponent(text), callAt()), undefined, text);
  }
  assert.deepEqual(asked, []);
});

test("express-session: nothing that a client sends makes it throw", async () => {
  const asked: string[] = [];
  const reader = readerOf({}, asked);
  const text = fc.oneof(
    fc.string(),
    fc.string().map((s) => `s:${s}.${"A".repeat(43)}`),
    fc.string().map((s) => `s%3A${s}`),
  );
  await fc.assert(fc.asyncProperty(text, async (value) => {
    assert.equal(await reader.open(value, callAt()), undefined);
  }));
  assert.deepEqual(asked, []);
});

test("express-session: the cookie is found by its name, and only in its shape", () => {
  const reader = readerOf({ cookie: "old.sid" });
  const value = expressCookie(ID, SECRET);
  assert.deepEqual(reader.read(visit(`old.sid=${value}`, `connect.sid=${value}`), "session"), [
    value,
  ]);
  const others = ["A".repeat(88), "", "s", "%73%3A1.2", "j:1", "Fe26.2*1"];
  for (const other of others) {
    assert.deepEqual(reader.read(visit(`old.sid=${other}`), "session"), []);
  }
});

test("express-session: what `load` gives beside values is kept, and a subject is derived", async () => {
  const cookie = `connect.sid=${expressCookie(ID, SECRET)}`;
  const meta = { device: "phone" };
  const load = () =>
    Promise.resolve({ values: { userId: "42" }, subject: "1", expires: NOW + 1, meta });
  const given = await openFirst(readerOf({ load }), [cookie]);
  assert.deepEqual(given, { values: { userId: "42" }, subject: "1", expires: NOW + 1, meta });
  const subject = (values: Readonly<Record<string, unknown>>) => String(values["userId"]);
  assert.equal((await openFirst(readerOf({ load, subject }), [cookie]))?.subject, "42");
  const none = readerOf({ load: () => Promise.resolve(undefined) });
  assert.equal(await openFirst(none, [cookie]), undefined);
});

test("express-session: from `until` on nothing is asked", async () => {
  const asked: string[] = [];
  const reader = readerOf({ until: new Date(NOW) }, asked);
  const cookie = `connect.sid=${expressCookie(ID, SECRET)}`;
  assert.equal(await openFirst(reader, [cookie], callAt(NOW)), undefined);
  assert.deepEqual(asked, []);
  assert.ok(await openFirst(reader, [cookie], callAt(NOW - 1)));
});

test("express-session: misuse", () => {
  assert.throws(() => readerOf({ secrets: [] }), TypeError);
  assert.throws(() => readerOf({ secrets: ["a", ""] }), TypeError);
  assert.throws(() => readerOf({ cookie: "a b" }), TypeError);
  assert.throws(() => readerOf({ path: "x" }), TypeError);
  assert.throws(() => readerOf({ until: new Date(NaN) }), RangeError);
  const shown = inspect(readerOf(), { depth: 20, showHidden: true });
  assert.equal(shown.includes("keyboard"), false);
});

test("connect-mongo: a session as text, as an object, and what has no JSON", async () => {
  const held = { cookie: { path: "/" }, userId: "42", at: new Date(5), list: [1, null] };
  const text = connectMongoLoader(collectionOf({ _id: ID, session: JSON.stringify(held) }));
  assert.deepEqual((await text(ID, callAt()))?.values, {
    userId: "42",
    at: "1970-01-01T00:00:00.005Z",
    list: [1, null],
  });
  const odd = {
    ...held,
    id: { toJSON: () => "65a1" },
    fn: () => 1,
    long: { toBigInt: () => 2n ** 60n },
    bytes: Buffer.from([1, 2]),
  };
  const found = await connectMongoLoader(collectionOf({ _id: ID, session: odd }))(ID, callAt());
  assert.deepEqual(found?.values, {
    userId: "42",
    at: new Date(5),
    list: [1, null],
    id: "65a1",
    long: 2n ** 60n,
    bytes: Uint8Array.of(1, 2),
  });
});

test("connect-mongo: a session past its time is none", async () => {
  const at = (expires: unknown) =>
    connectMongoLoader(collectionOf({ expires, session: "{}" }))(ID, callAt());
  assert.equal(await at(new Date(NOW)), undefined);
  assert.equal(await at(new Date(NaN)), undefined);
  assert.equal((await at(new Date(NOW + 1)))?.expires, NOW + 1);
  assert.equal((await at(undefined))?.expires, undefined);
  assert.equal(await connectMongoLoader(collectionOf(null))(ID, callAt()), undefined);
});

test("connect-mongo: ids are text in the query, transformed where asked for", async () => {
  const asked: object[] = [];
  const collection = collectionOf({ session: "{}" }, asked);
  await connectMongoLoader(collection)("$ne", callAt());
  await connectMongoLoader(collection, { transformId: (id) => `sess:${id}` })("1", callAt());
  assert.deepEqual(asked, [{ _id: "$ne" }, { _id: "sess:1" }]);
});

test("connect-mongo: what is no session is a CorruptRecordError without its text", async () => {
  let deep: object = {};
  for (let i = 0; i < 200; i++) deep = { deep };
  const helds = ["{whisper", '"whisper"', "[1]", "null", 5, null, undefined, ["whisper"], deep];
  for (const session of helds) {
    const load = connectMongoLoader(collectionOf({ session }));
    await rejection(() => load(ID, callAt()), CorruptRecordError, { value: "whisper" });
  }
});

test("connect-mongo: an encrypted session goes through decrypt", async () => {
  const collection = collectionOf({ session: "sealed" });
  const plain = JSON.stringify({ cookie: {}, userId: "42" });
  for (const text of [plain, JSON.stringify(plain)]) {
    const load = connectMongoLoader(collection, { decrypt: () => Promise.resolve(text) });
    assert.deepEqual((await load(ID, callAt()))?.values, { userId: "42" });
  }
  const failing = connectMongoLoader(collection, {
    decrypt: () => Promise.reject(new Error("the whisper")),
  });
  await rejection(() => failing(ID, callAt()), CorruptRecordError, { value: "whisper" });
});

test("connect-mongo: no key of a session reaches a prototype", async () => {
  const session = '{"__proto__":{"admin":true},"a":{"__proto__":{"admin":true}},"constructor":1}';
  const found = await connectMongoLoader(collectionOf({ session }))(ID, callAt());
  assert.deepEqual(found?.values, { a: {}, constructor: 1 });
  assert.equal(Reflect.get(found?.values ?? {}, "admin"), undefined);
});
