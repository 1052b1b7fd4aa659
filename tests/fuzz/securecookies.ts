import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import * as fc from "fast-check";
import { decodeGobString, encodeGobString } from "../../src/codec/gob.ts";
import {
  type CookieSerializer,
  decodeMulti,
  gobString,
  jsonValue,
  rawValue,
  type SecureCookie,
  securecookie,
  type SecureCookieFlaw,
} from "../../src/codec/securecookie.ts";
import { editBytes, edits, editText, mostly, rareEdits } from "./edits.ts";
import { canonicalPadded, padded } from "./reference.ts";
import { type Target, target } from "./target.ts";

const NOW = 1_795_440_424_000;
const MAX_AGE = 3600;
const MIN_AGE = 5;
const MAX_LENGTH = 600;

/** How a Go service is set up. */
interface Setup {
  readonly hashKey: string;
  readonly blockKey: string | undefined;
  readonly hash: "sha256" | "sha512";
  readonly kind: "json" | "raw" | "gob";
}

type Opened =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly reason: SecureCookieFlaw };

const setup: fc.Arbitrary<Setup> = fc.record({
  hashKey: fc.constantFrom("the hash key of the tests", "1"),
  blockKey: fc.constantFrom(undefined, "1234567890123456", "1".repeat(24), "2".repeat(32)),
  hash: fc.constantFrom("sha256", "sha512"),
  kind: fc.constantFrom("json", "raw", "gob"),
});

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What the bytes mean; throws for what they cannot mean. */
const READ: Record<Setup["kind"], (bytes: Buffer) => unknown> = {
  raw: (bytes) => new Uint8Array(bytes),
  json(bytes) {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    if (hasProto(value)) throw new TypeError("a key named __proto__");
    return value;
  },
  gob(bytes) {
    for (let at = 0; at <= bytes.length && at < 16; at++) {
      if (goString(bytes.subarray(at)).equals(bytes)) return utf8.decode(bytes.subarray(at));
    }
    throw new TypeError("no gob of one string");
  },
};

function hasProto(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  return Object.hasOwn(value, "__proto__") || Object.values(value).some(hasProto);
}

/** A string as encoding/gob writes it: https://pkg.go.dev/encoding/gob. */
function goString(text: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from([0x0c, 0]), goUint(text.length), text]);
  return Buffer.concat([goUint(body.length), body]);
}

function goUint(value: number): Buffer {
  if (value < 128) return Buffer.from([value]);
  const bytes = Buffer.from(value.toString(16).padStart(8, "0"), "hex");
  const needed = bytes.subarray(bytes.findIndex((byte) => byte > 0));
  return Buffer.concat([Buffer.from([256 - needed.length]), needed]);
}

/** gorilla/securecookie's Decode, and the two rules that we add to it. */
function open(
  { hashKey, blockKey, hash, kind }: Setup,
  [name, text, now]: readonly [string, string, number],
): Opened {
  const flaw = (reason: SecureCookieFlaw): Opened => ({ ok: false, reason });
  if (text.length > MAX_LENGTH) return flaw("too-long");
  const bytes = canonicalPadded(text);
  if (!bytes) return flaw("not-base64");
  const [timestamp = "", value = "", ...rest] = bytes.toString("latin1").split("|");
  const sent = Buffer.from(rest.join("|"), "latin1");
  const message = Buffer.concat([
    Buffer.from(`${name}|`),
    Buffer.from(`${timestamp}|${value}`, "latin1"),
  ]);
  const mac = createHmac(hash, hashKey).update(message).digest();
  if (rest.length === 0 || !mac.equals(sent)) return flaw("not-authentic");
  const time = Number(timestamp);
  if (timestamp !== `${time}` || !Number.isInteger(time) || time < 0 || time >= 1e15) {
    return flaw("bad-timestamp");
  }
  const age = Math.floor(now / 1000) - time;
  if (!(age >= -60)) return flaw("future");
  if (age < MIN_AGE) return flaw("too-new");
  if (age > MAX_AGE) return flaw("expired");
  let inner = canonicalPadded(value);
  if (!inner) return flaw("unreadable");
  if (blockKey !== undefined) {
    if (inner.length <= 16) return flaw("not-encrypted");
    const algorithm = `aes-${blockKey.length * 8}-ctr`;
    inner = createDecipheriv(algorithm, blockKey, inner.subarray(0, 16)).update(inner.subarray(16));
  }
  try {
    return { ok: true, value: READ[kind](inner) };
  } catch {
    return flaw("unreadable");
  }
}

const made = new Map<string, SecureCookie<unknown>>();

function cookieOf({ hashKey, blockKey, hash, kind }: Setup): SecureCookie<unknown> {
  const key = [hashKey, blockKey, hash, kind].join();
  const serializers: Record<Setup["kind"], Pick<CookieSerializer<unknown>, "deserialize">> = {
    json: jsonValue,
    raw: rawValue,
    gob: gobString,
  };
  const serializer: CookieSerializer<unknown> = {
    serialize: jsonValue.serialize,
    deserialize: (bytes) => serializers[kind].deserialize(bytes),
  };
  const limits = { hash, maxAge: MAX_AGE, minAge: MIN_AGE, maxLength: MAX_LENGTH };
  const cookie = made.get(key) ?? securecookie(hashKey, blockKey, { ...limits, serializer });
  made.set(key, cookie);
  return cookie;
}

const json = fc.oneof(
  fc.json(),
  fc.constantFrom('{"__proto__":1}', '[{"a":{"\\u005f_proto__":[]}}]', "\ufeff1", "01", "1e999"),
);
const gob = fc.tuple(fc.string({ unit: "binary", maxLength: 200 }), edits)
  .map(([text, changes]) => Buffer.from(editBytes(goString(Buffer.from(text)), changes)));
const value = fc.oneof(
  json.map((text) => Buffer.from(text)),
  gob,
  mostly(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 200, maxLength: 400 }))
    .map((bytes) => Buffer.from(bytes)),
);
const timestamp = mostly(
  fc.integer({ min: -70, max: MAX_AGE + 70 }).map((age) => `${NOW / 1000 - age}`),
  fc.oneof(
    fc.constantFrom("", "0", "-1", "+1", "1.5", "1e9", "0x1", " 1", "01", "9".repeat(16)),
    fc.constantFrom(-61, -60, 4, 5, MAX_AGE, MAX_AGE + 1).map((age) => `${NOW / 1000 - age}`),
    fc.string(),
  ),
);
const crafted = fc.record({
  setup,
  name: fc.oneof(fc.constantFrom("sid", "", "a|1", "é"), fc.string()),
  timestamp,
  value,
  /** What is done to the value's own text under a true MAC. */
  spelling: rareEdits,
  tail: mostly(fc.constant(""), fc.constantFrom("\0", "|")),
  changes: edits,
  as: mostly(fc.constant(null), fc.constantFrom("sid", "x", "a")),
  other: mostly(fc.constant(null), setup),
});

export const cookieTargets: readonly Target[] = [
  target(
    {
      name: "securecookie",
      runs: 700,
      reaches: [
        "opens",
        "too-long",
        "not-base64",
        "not-authentic",
        "bad-timestamp",
        "future",
        "too-new",
        "expired",
        "not-encrypted",
        "unreadable",
      ],
    },
    crafted,
    async (input) => {
      const { hashKey, blockKey, hash } = input.setup;
      let inner: Buffer = input.value;
      if (blockKey !== undefined) {
        const iv = Buffer.alloc(16, 0xff);
        const cipher = createCipheriv(`aes-${blockKey.length * 8}-ctr`, blockKey, iv);
        inner = Buffer.concat([iv, cipher.update(inner)]);
      }
      const signed = Buffer.from(`${input.timestamp}|${editText(padded(inner), input.spelling)}`);
      const message = Buffer.concat([Buffer.from(`${input.name}|`), signed]);
      const mac = createHmac(hash, hashKey).update(message).digest();
      const parts = [signed, Buffer.from("|"), mac];
      const genuine = padded(Buffer.concat(parts));
      const sent = padded(Buffer.concat([...parts, Buffer.from(input.tail)]));
      const text = editText(sent, input.changes);
      const name = input.as ?? input.name;
      const reader = input.other ?? input.setup;
      const expected = open(reader, [name, text, NOW]);
      const cookie = cookieOf(reader);
      for (let again = 0; again < 2; again++) {
        assert.deepEqual(await cookie.decode(name, text, NOW), expected);
      }
      const both = await decodeMulti(
        name,
        text,
        [cookieOf({ ...reader, hashKey: "no" }), cookie],
        NOW,
      );
      const reasons = expected.ok
        ? []
        : [open({ ...reader, hashKey: "no" }, [name, text, NOW]), expected]
          .flatMap((one) => one.ok ? [] : [one.reason]);
      assert.deepEqual(both, expected.ok ? expected : { ok: false, reasons });
      if (!expected.ok) return expected.reason;
      assert.equal(text, genuine, "a changed cookie opens");
      return "opens";
    },
  ),

  target({ name: "gob", runs: 600, reaches: ["text", "none"] }, value, (bytes) => {
    const read = decodeGobString(new Uint8Array(bytes));
    let expected: unknown;
    try {
      expected = READ.gob(bytes);
    } catch {
      expected = undefined;
    }
    assert.equal(read, expected);
    if (read === undefined) return "none";
    assert.deepEqual(Buffer.from(encodeGobString(read)), bytes);
    return "text";
  }),
];
