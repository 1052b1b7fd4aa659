import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { decodeGobString, encodeGobString } from "../../src/codec/gob.ts";
import {
  codecsFromPairs,
  type CookieSerializer,
  decodeMulti,
  encodeMulti,
  gobString,
  rawValue,
  securecookie,
  type SecureCookieFlaw,
} from "../../src/codec/securecookie.ts";
import { assertNoSecret, rejection } from "../support/secrets.ts";

// The first half follows what gorilla/securecookie's own tests ask of it.

const NOW = 1_795_440_424_000;
const HASH_KEY = "12345";
const BLOCK_KEY = "1234567890123456";

function refused(reason: SecureCookieFlaw): object {
  return { ok: false, reason };
}

function b64(text: string | Uint8Array): string {
  const raw = Buffer.from(text).toString("base64url");
  return raw + "=".repeat(-raw.length & 3);
}

/** A text whose MAC is true, whatever stands in it. */
async function forged(
  name: string,
  signed: string,
  { key = HASH_KEY, tail = "" } = {},
): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const raw = await crypto.subtle.importKey("raw", Buffer.from(key), algorithm, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", raw, Buffer.from(`${name}|${signed}`));
  const parts = [Buffer.from(`${signed}|`), Buffer.from(mac), Buffer.from(tail)];
  return b64(Buffer.concat(parts));
}

test("securecookie: a value comes back under its keys, and is a decode failure under others", async () => {
  const ours = securecookie(HASH_KEY, BLOCK_KEY);
  const theirs = securecookie("54321", "6543210987654321");
  const value = { foo: "bar", baz: 128 };
  for (let i = 0; i < 50; i++) {
    const text = await ours.encode("sid", value);
    assert.deepEqual(await ours.decode("sid", text), { ok: true, value });
    assert.deepEqual(await theirs.decode("sid", text), refused("not-authentic"));
  }
});

test("securecookie: the hash key decides, whatever the block key", async () => {
  const text = await securecookie(HASH_KEY, BLOCK_KEY).encode("sid", "value");
  assert.deepEqual(await securecookie(HASH_KEY).decode("sid", text), refused("unreadable"));
  const other = securecookie(HASH_KEY, "6543210987654321");
  assert.deepEqual(await other.decode("sid", text), refused("unreadable"));
});

test("securecookie: a hash key that is missing or empty is misuse", () => {
  const missing: unknown[] = [undefined, null, "", new Uint8Array(0), 5, {}, ["12345"]];
  for (const key of missing) {
    assert.throws(() => Reflect.apply(securecookie, undefined, [key]), TypeError);
    assert.throws(() => Reflect.apply(codecsFromPairs, undefined, [[key]]), TypeError);
  }
});

test("securecookie: a hash key of any length is accepted, a block key of 16, 24 or 32 bytes", async () => {
  for (const length of [1, 10, 32, 64, 65, 200]) {
    const cookie = securecookie("k".repeat(length));
    assert.deepEqual(await cookie.decode("a", await cookie.encode("a", 1)), { ok: true, value: 1 });
  }
  for (const length of [0, 1, 15, 17, 31, 33, 64]) {
    assert.throws(() => securecookie(HASH_KEY, "k".repeat(length)), RangeError);
  }
});

test("securecookie: options that are no times or lengths are misuse", () => {
  for (const bad of [-1, NaN, Infinity, 1.5]) {
    for (const option of ["maxAge", "minAge", "maxLength"]) {
      assert.throws(() => securecookie(HASH_KEY, undefined, { [option]: bad }), RangeError);
    }
    assert.throws(() => securecookie(HASH_KEY).maxAge(bad), RangeError);
  }
  assert.throws(
    () => Reflect.apply(securecookie, undefined, [HASH_KEY, undefined, { hash: "md5" }]),
    RangeError,
  );
});

test("securecookie: invalid cookies are decode failures in both alphabets", async () => {
  const cookie = securecookie(HASH_KEY);
  for (const text of ["", " ", "\n", "||", "|||", "cookie", "1|2|3", "|".repeat(100), "ÿ|ÿ|ÿ"]) {
    assert.deepEqual(await cookie.decode("name", b64(text)), refused("not-authentic"));
    const standard = Buffer.from(text).toString("base64");
    assert.equal((await cookie.decode("name", standard)).ok, false);
  }
  for (const text of ["a", "=", "====", "a===", "+/==", "YR==", "YQ", "YQ==\n", " YQ=", "é==="]) {
    assert.deepEqual(await cookie.decode("name", text), refused("not-base64"));
  }
});

test("securecookie: several codecs tell why each failed", async () => {
  const codecs = codecsFromPairs(["one", undefined, "two", BLOCK_KEY], { maxLength: 10 });
  assert.equal(codecs.length, 2);
  const error = await rejection(() => encodeMulti("sid", "tell nobody", codecs), AggregateError, {
    value: "tell nobody",
    key: BLOCK_KEY,
  });
  assert.equal(error.errors.length, 2);
  for (const each of error.errors) assert.ok(each instanceof RangeError);
  const long = await encodeMulti("sid", "tell nobody", codecsFromPairs(["one"]));
  assert.deepEqual(await decodeMulti("sid", long, codecs), {
    ok: false,
    reasons: ["too-long", "too-long"],
  });
  assert.deepEqual(await decodeMulti("sid", long, codecsFromPairs(["two", undefined, "three"])), {
    ok: false,
    reasons: ["not-authentic", "not-authentic"],
  });
});

test("securecookie: no codec at all is misuse", async () => {
  await rejection(() => encodeMulti("foo", "bar", []), TypeError);
  await rejection(() => decodeMulti("foo", "bar", []), TypeError);
});

test("securecookie: keys rotate: the first pair writes, every pair opens, a dropped one does not", async () => {
  const old = codecsFromPairs(["old hash", BLOCK_KEY], { serializer: gobString });
  const both = codecsFromPairs(["new hash", undefined, "old hash", BLOCK_KEY], {
    serializer: gobString,
  });
  const fresh = codecsFromPairs(["new hash"], { serializer: gobString });
  const before = await encodeMulti("sid", "42", old);
  assert.deepEqual(await decodeMulti("sid", before, both), { ok: true, value: "42" });
  const after = await encodeMulti("sid", "43", both);
  assert.deepEqual(await decodeMulti("sid", after, fresh), { ok: true, value: "43" });
  assert.deepEqual(await decodeMulti("sid", before, fresh), {
    ok: false,
    reasons: ["not-authentic"],
  });
});

test("securecookie: a serializer of one's own", async () => {
  const day: CookieSerializer<Date> = {
    serialize: (value) => Buffer.from(value.toISOString()),
    deserialize: (bytes) => {
      const date = new Date(new TextDecoder().decode(bytes));
      if (Number.isNaN(date.getTime())) throw new RangeError("no date: the secret");
      return date;
    },
  };
  const cookie = securecookie(HASH_KEY, BLOCK_KEY, { serializer: day });
  const value = new Date(NOW);
  assert.deepEqual(await cookie.decode("at", await cookie.encode("at", value)), {
    ok: true,
    value,
  });
  const error = await rejection(() => cookie.encode("at", new Date(NaN)), TypeError);
  assert.ok(error.cause instanceof RangeError);
  const text = await securecookie(HASH_KEY, BLOCK_KEY).encode("at", "the secret");
  assert.deepEqual(await cookie.decode("at", text), refused("unreadable"));
});

test("securecookie: times", async () => {
  const cookie = securecookie(HASH_KEY, undefined, { maxAge: 60, minAge: 10 });
  const text = await cookie.encode("sid", 1, NOW);
  const at = async (seconds: number) => await cookie.decode("sid", text, NOW + seconds * 1000);
  assert.deepEqual(await at(-61), refused("future"));
  assert.deepEqual(await at(-60), refused("too-new"));
  assert.deepEqual(await at(9), refused("too-new"));
  assert.deepEqual(await at(10), { ok: true, value: 1 });
  assert.deepEqual(await at(60), { ok: true, value: 1 });
  assert.deepEqual(await at(61), refused("expired"));
  assert.deepEqual(await at(NaN), refused("future"));
  cookie.maxAge(0);
  assert.deepEqual(await at(1e9), { ok: true, value: 1 });
  const plain = securecookie(HASH_KEY);
  assert.deepEqual(await plain.decode("sid", text, NOW - 60_000), { ok: true, value: 1 });
  assert.deepEqual(await plain.decode("sid", text, NOW - 61_000), refused("future"));
  assert.deepEqual(await plain.decode("sid", text, NOW + 2_592_001_000), refused("expired"));
  for (const now of [-1, NaN, Infinity, 1e19]) {
    await rejection(() => cookie.encode("sid", 1, now), RangeError);
  }
});

test("securecookie: a time that is authentic and no time", async () => {
  const cookie = securecookie(HASH_KEY, undefined, { maxAge: 0 });
  const times = ["", "+1", "-1", "01", "1 ", "1e3", "0x1", "1.0", "9".repeat(16), "١"];
  for (const time of times) {
    const text = await forged("sid", `${time}|${b64("1\n")}`);
    assert.deepEqual(await cookie.decode("sid", text, NOW), refused("bad-timestamp"));
  }
  const zero = await forged("sid", `0|${b64("1\n")}`);
  assert.deepEqual(await cookie.decode("sid", zero, NOW), { ok: true, value: 1 });
});

test("securecookie: a value that is authentic and not readable", async () => {
  const time = NOW / 1000;
  const json = securecookie(HASH_KEY);
  const texts = [
    "",
    "{",
    "1 2",
    "\ufeff1",
    '{"__proto__":{"admin":true}}',
    '[{"a":{"__proto__":1}}]',
  ];
  for (const text of texts) {
    const value = await forged("sid", `${time}|${b64(text)}`);
    assert.deepEqual(await json.decode("sid", value, NOW), refused("unreadable"));
  }
  for (const value of ["MQ", "M===", "MR==", "M Q=", "é", "+/+/"]) {
    const text = await forged("sid", `${time}|${value}`);
    assert.deepEqual(await json.decode("sid", text, NOW), refused("unreadable"));
  }
  const broken = await forged("sid", `${time}|${b64(Uint8Array.of(0x22, 0xff, 0x22))}`);
  assert.deepEqual(await json.decode("sid", broken, NOW), refused("unreadable"));
  const sealed = securecookie(HASH_KEY, BLOCK_KEY);
  for (const length of [0, 1, 15, 16]) {
    const text = await forged("sid", `${time}|${b64(new Uint8Array(length))}`);
    assert.deepEqual(await sealed.decode("sid", text, NOW), refused("not-encrypted"));
  }
  const tail = await forged("sid", `${time}|${b64("1")}`, { tail: "\0" });
  assert.deepEqual(await json.decode("sid", tail, NOW), refused("not-authentic"));
});

test("securecookie: a MAC that holds a | or several opens", async () => {
  const cookie = securecookie(HASH_KEY, undefined, { serializer: rawValue });
  let found = 0;
  for (let i = 0; i < 400 && found < 5; i++) {
    const value = Uint8Array.of(i >> 8, i);
    const text = await cookie.encode("sid", value, NOW);
    if (Buffer.from(text, "base64url").toString("latin1").split("|").length === 3) continue;
    found++;
    assert.deepEqual(await cookie.decode("sid", text, NOW), { ok: true, value });
  }
  assert.equal(found, 5);
});

test("securecookie: the counter runs over all 128 bits", async () => {
  const iv = Uint8Array.from({ length: 16 }, () => 255);
  const options = { random: () => iv, serializer: rawValue };
  const cookie = securecookie(HASH_KEY, BLOCK_KEY, options);
  const value = new Uint8Array(48);
  const text = await cookie.encode("sid", value, NOW);
  // The second block is that of the counter 0, the third that of 1: of AES-128 under the key of ASCII digits.
  const key = await crypto.subtle.importKey("raw", Buffer.from(BLOCK_KEY), "AES-CBC", false, [
    "encrypt",
  ]);
  const zero = new Uint8Array(16);
  const block = await crypto.subtle.encrypt({ name: "AES-CBC", iv: zero }, key, zero);
  const inner = Buffer.from(text, "base64url").toString("latin1").split("|")[1] ?? "";
  assert.deepEqual(
    Buffer.from(inner, "base64url").subarray(32, 48),
    Buffer.from(block).subarray(0, 16),
  );
  assert.deepEqual(await cookie.decode("sid", text, NOW), { ok: true, value });
});

test("securecookie: the length is measured before anything else", async () => {
  const cookie = securecookie(HASH_KEY);
  assert.deepEqual(await cookie.decode("sid", "é".repeat(4097)), refused("too-long"));
  assert.deepEqual(await cookie.decode("sid", "A".repeat(4096)), refused("not-authentic"));
  const error = await rejection(() => cookie.encode("sid", "x".repeat(4000)), RangeError);
  assert.match(error.message, /4096/);
  const long = securecookie(HASH_KEY, undefined, { maxLength: 0 });
  const value = "x".repeat(100_000);
  const text = await long.encode("sid", value);
  assert.deepEqual(await long.decode("sid", text), { ok: true, value });
  const tight = securecookie(HASH_KEY, undefined, { maxLength: text.length });
  assert.equal((await tight.decode("sid", text)).ok, true);
});

test("securecookie: what would not open again is not written", async () => {
  const sealed = securecookie(HASH_KEY, BLOCK_KEY, { serializer: rawValue });
  await rejection(() => sealed.encode("sid", new Uint8Array(0)), RangeError);
  const json = securecookie(HASH_KEY);
  const circle: { self?: object } = {};
  circle.self = circle;
  for (const value of [undefined, () => 1, Symbol("s"), 1n, circle]) {
    await rejection(() => json.encode("sid", value), TypeError);
  }
  const gob = securecookie(HASH_KEY, undefined, { serializer: gobString });
  await rejection(() => gob.encode("sid", "\ud800"), TypeError);
  for (const cookie of [gob, sealed]) {
    const wrong: unknown = Reflect.get(cookie, "encode");
    assert.ok(typeof wrong === "function");
    await rejection(() => Reflect.apply(wrong, cookie, ["sid", 5]), TypeError);
  }
});

test("securecookie: keys given as bytes are copied, and nothing shows them", async () => {
  const key = new TextEncoder().encode("the hash key of the tests");
  const cookie = securecookie(key, BLOCK_KEY);
  key.fill(0);
  const text = await securecookie("the hash key of the tests", BLOCK_KEY).encode("sid", 1);
  assert.deepEqual(await cookie.decode("sid", text), { ok: true, value: 1 });
  const shown = inspect(cookie, { depth: 20, showHidden: true }) + JSON.stringify(cookie);
  assert.equal(shown.includes("hash key"), false);
  assert.equal(shown.includes(BLOCK_KEY), false);
  const error = await rejection(() => cookie.encode("sid", () => "the secret"), TypeError);
  assertNoSecret(error, { value: "the secret", key: BLOCK_KEY });
});

test("securecookie: any JSON comes back, under its own name only", async () => {
  const codecs = [
    securecookie(HASH_KEY, undefined, { maxLength: 0 }),
    securecookie(HASH_KEY, BLOCK_KEY, { maxLength: 0, hash: "sha512" }),
  ];
  await fc.assert(
    fc.asyncProperty(fc.json(), fc.string(), fc.string(), async (json, name, other) => {
      fc.pre(!json.includes("__proto__") && name !== other);
      const value: unknown = JSON.parse(json);
      for (const cookie of codecs) {
        const text = await cookie.encode(name, value, NOW);
        assert.match(text, /^[A-Za-z0-9_-]+={0,2}$/);
        assert.deepEqual(await cookie.decode(name, text, NOW), {
          ok: true,
          value: JSON.parse(JSON.stringify(value)),
        });
        assert.deepEqual(await cookie.decode(other, text, NOW), refused("not-authentic"));
      }
    }),
  );
});

test("securecookie: any bytes and any text come back", async () => {
  const raw = securecookie(HASH_KEY, undefined, { serializer: rawValue, maxLength: 0 });
  const gob = securecookie(HASH_KEY, BLOCK_KEY, { serializer: gobString, maxLength: 0 });
  await fc.assert(fc.asyncProperty(
    fc.uint8Array({ maxLength: 400 }),
    fc.string({ unit: "binary", maxLength: 400 }),
    async (bytes, text) => {
      const value = new Uint8Array(bytes);
      assert.deepEqual(await raw.decode("a", await raw.encode("a", bytes, NOW), NOW), {
        ok: true,
        value,
      });
      assert.deepEqual(await gob.decode("a", await gob.encode("a", text, NOW), NOW), {
        ok: true,
        value: text,
      });
    },
  ));
});

test("securecookie: no text makes it throw, and none opens", async () => {
  const cookie = securecookie(HASH_KEY, BLOCK_KEY);
  const outer = fc.tuple(fc.string(), fc.string(), fc.uint8Array()).map(([time, value, mac]) =>
    b64(Buffer.concat([Buffer.from(`${time}|${value}|`), mac]))
  );
  await fc.assert(
    fc.asyncProperty(
      fc.string(),
      fc.oneof(fc.string(), fc.base64String(), outer),
      async (name, text) => {
        assert.equal((await cookie.decode(name, text)).ok, false);
      },
    ),
  );
});

test("gob: a string of any length has one spelling", () => {
  for (const length of [0, 1, 24, 124, 125, 127, 128, 255, 256, 65_535, 65_536, 300_000]) {
    const text = "x".repeat(length);
    const gob = encodeGobString(text);
    assert.equal(decodeGobString(gob), text);
    for (const altered of [gob.subarray(1), gob.subarray(0, -1), Uint8Array.from([...gob, 0])]) {
      assert.equal(decodeGobString(altered), undefined);
    }
  }
  assert.equal(Buffer.from(encodeGobString("")).toString("hex"), "030c0000");
  assert.equal(Buffer.from(encodeGobString("abc")).toString("hex"), "060c0003616263");
  assert.equal(
    Buffer.from(encodeGobString("x".repeat(200))).toString("hex").slice(0, 12),
    "ffcc0c00ffc8",
  );
});

test("gob: other spellings, other types and broken text are refused", () => {
  const refusedGobs = {
    "nothing": "",
    "a long length": "ff060c0003616263",
    "a long text length": "070c00ff03616263",
    "a longer count": "fe00060c0003616263",
    "a count of 8 bytes": "f8ffffffffffffffff0c00",
    "a length of nothing": "06",
    "bytes": "060a0003616263",
    "a delta": "060c0103616263",
    "two strings": "060c0003616263060c0003616263",
    "broken UTF-8": "060c0003ff6263",
    "an integer": "0304000a",
    "a map": "0dff81040102ff82000110011000000aff8200010161066",
  };
  for (const [what, hex] of Object.entries(refusedGobs)) {
    assert.equal(decodeGobString(Buffer.from(hex, "hex")), undefined, what);
  }
  assert.equal(decodeGobString(encodeGobString("\ufeffa")), "\ufeffa");
});

test("gob: no bytes make it throw, and what opens is written alike", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
    const text = decodeGobString(bytes);
    if (text !== undefined) assert.deepEqual(encodeGobString(text), new Uint8Array(bytes));
  }));
});
