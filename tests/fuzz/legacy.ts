import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createCipheriv, createHmac, pbkdf2Sync } from "node:crypto";
import * as fc from "fast-check";
import { CorruptRecordError } from "../../src/errors.ts";
import { connectMongoLoader } from "../../src/legacy/connect-mongo.ts";
import { expressSessionReader } from "../../src/legacy/express-session.ts";
import { gorillaReader } from "../../src/legacy/gorilla.ts";
import { ironSessionReader } from "../../src/legacy/iron-session.ts";
import type { LegacyReader, LegacySession } from "../../src/legacy/legacy.ts";
import { encodePayload } from "../../src/payload.ts";
import { callAt, NOW, token } from "../legacy/readers.ts";
import { edits, editText, mostly } from "./edits.ts";
import { bsonValue } from "./records.ts";
import { padded } from "./reference.ts";
import { type Target, target } from "./target.ts";

const SECRET = "keyboard cat of the tests";
const PASSWORD = "a password of the tests, which is long enough";
const HASH_KEY = "the hash key of the tests";
const OURS = /^[\w-]{88}$/;

/** The session; `corrupt` for the one error that a reader may have. */
type Told = LegacySession | "corrupt" | undefined;

async function told(work: () => Promise<LegacySession | undefined>): Promise<Told> {
  try {
    const session = await work();
    if (session) assertStorable(session);
    return session;
  } catch (error) {
    if (!(error instanceof CorruptRecordError)) throw error;
    assert.equal(error.cause, undefined, "the cause may quote the session");
    return "corrupt";
  }
}

/** Opens the token twice, and through a request where a request can carry it. */
async function open(reader: LegacyReader, cookie: string, text: string): Promise<Told> {
  const first = await told(() => reader.open(text, callAt()));
  assert.deepEqual(await told(() => reader.open(text, callAt())), first);
  const url = "https://app.example/";
  const request = { url, headers: { get: () => `${cookie}=${text}` } };
  const found = reader.read(request, "session");
  assert.ok(found.every((one) => text.includes(one) && !OURS.test(one)));
  if (OURS.test(text)) assert.deepEqual([found, first], [[], undefined]);
  return first;
}

/** What is taken over can be saved: plain data without a `__proto__`. */
function assertStorable({ values }: LegacySession): void {
  encodePayload({ values, flashes: [], meta: undefined, maxAge: undefined });
}

const hex64 = fc.uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString("hex"));
const content = fc.oneof(
  { weight: 2, arbitrary: fc.json() },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '{"userId":"42"}',
      '{"cookie":{"path":"/"},"a":{"__proto__":{"admin":true}}}',
      '{"__proto__":{"admin":true}}',
      "[]",
      "null",
      "{",
      '{"a":"\\ud800"}',
      nested(98),
      nested(103),
    ),
  },
);

/** The JSON of an object of so many levels. */
function nested(levels: number): string {
  return `${'{"a":'.repeat(levels - 1)}{}${"}".repeat(levels - 1)}`;
}

const expressInput = fc.record({
  id: fc.oneof(fc.stringMatching(/^[\w-]{32}$/), fc.string({ unit: "binary", maxLength: 40 })),
  signed: mostly(fc.constant("true"), fc.constantFrom("another secret", "another id", "hex")),
  encoding: fc.constantFrom("percent", "percent", "raw", "twice"),
  changes: edits,
});

const ironInput = fc.record({
  id: mostly(fc.constant("1"), fc.constantFrom("2", "x", "")),
  salt: hex64,
  macSalt: hex64,
  iv: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  content,
  ends: mostly(fc.constantFrom(0, NOW + 1, NOW + 60_000), fc.constantFrom(NOW, NOW - 1)),
  signed: mostly(fc.constant("true"), fc.constantFrom("without the time", "another password")),
  changes: edits,
});

const gorillaInput = fc.record({
  id: mostly(
    fc.constant("0123456789abcdef01234567"),
    fc.constantFrom("0123456789ABCDEF01234567", "", '{"$ne":null}'),
  ),
  gob: fc.boolean(),
  age: mostly(fc.constantFrom(0, 10), fc.constantFrom(4000, -100)),
  changes: edits,
  data: fc.oneof(
    { weight: 3, arbitrary: content.map((text) => goCookie("session", text, 0)) },
    { weight: 1, arbitrary: bsonValue },
    { weight: 1, arbitrary: content.map((text) => goCookie("session", text, 4000)) },
    { weight: 1, arbitrary: content.map((text) => goCookie("other", text, 0)) },
  ),
  modified: fc.oneof(fc.constant(new Date(NOW - 1000)), bsonValue),
  isThere: mostly(fc.constant(true), fc.constant(false)),
});

/** A securecookie without a block key, `age` seconds old. */
function goCookie(name: string, value: string | Uint8Array, age: number): string {
  const signed = `${Math.floor(NOW / 1000) - age}|${padded(Buffer.from(value))}`;
  const mac = createHmac("sha256", HASH_KEY).update(`${name}|${signed}`).digest();
  return padded(Buffer.concat([Buffer.from(`${signed}|`), mac]));
}

function ironSeal(input: {
  readonly id: string;
  readonly salt: string;
  readonly macSalt: string;
  readonly iv: Uint8Array;
  readonly content: string;
  readonly ends: number;
  readonly signed: string;
}): string {
  const { id, salt, macSalt, iv, ends, signed } = input;
  const key = pbkdf2Sync(PASSWORD, salt, 1, 32, "sha1");
  const cipher = createCipheriv("aes-256-cbc", key, iv);
  const sealed = Buffer.concat([cipher.update(input.content), cipher.final()]);
  const [iv64, sealed64] = [Buffer.from(iv).toString("base64url"), sealed.toString("base64url")];
  const head = `Fe26.2*${id}*${salt}*${iv64}*${sealed64}`;
  const text = `${head}*${ends || ""}`;
  const password = signed === "another password" ? `${PASSWORD}!` : PASSWORD;
  const macKey = pbkdf2Sync(password, macSalt, 1, 32, "sha1");
  const covered = signed === "without the time" ? head : text;
  const mac = createHmac("sha256", macKey).update(covered).digest("base64url");
  return `${text}*${macSalt}*${mac}~2`;
}

/** Whether the JSON gives an object that a store can keep. */
function outcomeOf(text: string): "session" | "corrupt" {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) &&
        text !== nested(103)
      ? "session"
      : "corrupt";
  } catch {
    return "corrupt";
  }
}

function endOf(one: Told): "session" | "corrupt" | "nothing" {
  return typeof one === "object" ? "session" : one ?? "nothing";
}

const iron = ironSessionReader({ token, password: { 1: PASSWORD, 2: `${PASSWORD}?` } });

export const legacyTargets: readonly Target[] = [
  target(
    { name: "express-session", runs: 400, reaches: ["session", "nothing"] },
    expressInput,
    async ({ id, signed, encoding, changes }) => {
      const secret = signed === "another secret" ? "dog" : SECRET;
      const mac = createHmac("sha256", secret).update(signed === "another id" ? `${id}x` : id)
        .digest(signed === "hex" ? "hex" : "base64").replace(/=+$/, "");
      const raw = `s:${id}.${mac}`;
      const encode = (text: string) => encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, "?"));
      const written = { raw, percent: encode(raw), twice: encode(encode(raw)) }[encoding];
      const text = editText(written, changes);
      const asked: string[] = [];
      const reader = expressSessionReader({
        token,
        secrets: ["older", SECRET],
        load: (one) => {
          asked.push(one);
          return Promise.resolve({ values: { userId: "42" } });
        },
      });
      const session = await open(reader, "connect.sid", text);
      const read = decoded(text);
      const dot = read?.lastIndexOf(".") ?? -1;
      const found = read?.slice(2, dot) ?? "";
      const isSigned = read !== undefined && /^s(:|%3a)/i.test(text) && text.length < 4100 &&
        dot > 2 &&
        createHmac("sha256", SECRET).update(found).digest("base64") === `${read.slice(dot + 1)}=`;
      assert.equal(endOf(session), isSigned && text.startsWith("s") ? "session" : "nothing");
      assert.deepEqual(asked, session ? [found, found] : []);
      return endOf(session);
    },
  ),

  target(
    { name: "iron-session", runs: 250, reaches: ["session", "corrupt", "nothing"] },
    ironInput,
    async (input) => {
      const genuine = ironSeal(input);
      const text = editText(genuine, input.changes);
      const session = await open(iron, "session", text);
      const isTrue = text === genuine && input.signed === "true" && input.id === "1";
      const isAlive = input.ends === 0 || input.ends > NOW;
      assert.equal(endOf(session), isTrue && isAlive ? outcomeOf(input.content) : "nothing");
      return endOf(session);
    },
  ),

  target(
    { name: "gorilla", runs: 300, reaches: ["session", "corrupt", "nothing"] },
    gorillaInput,
    async (input) => {
      const { id, data, modified, isThere } = input;
      const gob = Buffer.concat([
        Buffer.from([id.length + 3, 0x0c, 0, id.length]),
        Buffer.from(id),
      ]);
      const genuine = goCookie("session", input.gob ? gob : JSON.stringify(id), input.age);
      const text = editText(genuine, input.changes);
      const asked: object[] = [];
      const collection = {
        findOne: (filter: object) => {
          asked.push(filter);
          return Promise.resolve(isThere ? { _id: 1, data, modified } : null);
        },
      };
      const reader = gorillaReader({ token, keyPairs: [HASH_KEY], collection, maxAge: 3600 });
      const session = await open(reader, "session", text);
      const isTrue = text === genuine && /^[0-9a-f]{24}$/.test(id) && [0, 10].includes(input.age);
      assert.equal(asked.length, isTrue ? 2 : 0);
      for (const filter of asked) {
        assert.deepEqual(filter, { $expr: { $eq: ["$_id", { $toObjectId: id }] } });
      }
      if (!isTrue || !isThere) assert.equal(session, undefined);
      return endOf(session);
    },
  ),

  target(
    { name: "connect-mongo", runs: 500, reaches: ["session", "corrupt", "nothing"] },
    fc.record({ session: fc.oneof(bsonValue, content, fc.object()), expires: bsonValue }),
    async (record) => {
      const load = connectMongoLoader({ findOne: () => Promise.resolve(record) });
      const session = await told(() => load("id", callAt()));
      assert.deepEqual(await told(() => load("id", callAt())), session);
      const { expires } = record;
      if (expires instanceof Date && !(expires.getTime() > NOW)) assert.equal(session, undefined);
      else assert.notEqual(session, undefined);
      return endOf(session);
    },
  ),

  target(
    { name: "older values", runs: 60, reaches: ["session", "corrupt"] },
    fc.integer({ min: 1, max: 110 }),
    async (levels) => {
      const held: unknown = JSON.parse(nested(levels));
      const load = connectMongoLoader({ findOne: () => Promise.resolve({ session: held }) });
      const session = await told(() => load("id", callAt()));
      assert.notEqual(session, undefined);
      return endOf(session);
    },
  ),
];

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
