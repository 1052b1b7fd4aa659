import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import {
  gobString,
  rawValue,
  type SecureCookie,
  securecookie,
  type SecureCookieOptions,
} from "../../src/codec/securecookie.ts";
import { ManualClock } from "../support/clock.ts";

// tests/vectors/securecookie-go.json was written by gorilla/securecookie v1.1.2 itself.

interface Vector {
  Name: string;
  Serializer: "json" | "nop" | "gob-string";
  Hash: "sha256" | "sha512";
  HashKey: string;
  BlockKey: string;
  ValueJSON: string;
  ValueHex: string;
  Encoded: string;
  IssuedAt: number;
}

const file: { vectors: Vector[] } = JSON.parse(
  readFileSync(new URL("../vectors/securecookie-go.json", import.meta.url), "utf8"),
);
const { vectors } = file;

function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** The IV that Go drew for this vector. */
function ivOf(vector: Vector): Uint8Array<ArrayBuffer> {
  const value = Buffer.from(vector.Encoded, "base64url").toString("latin1").split("|")[1] ?? "";
  return Uint8Array.from(Buffer.from(value, "base64url").subarray(0, 16));
}

/** Opens a vector, and writes its value again with the same time and IV. */
async function check<T>(cookie: SecureCookie<T>, value: T, vector: Vector): Promise<void> {
  const { Name: name, Encoded: text } = vector;
  assert.deepEqual(await cookie.decode(name, text), { ok: true, value });
  assert.equal(await cookie.encode(name, value), text);
  assert.deepEqual(await cookie.decode(`${name}x`, text), { ok: false, reason: "not-authentic" });
}

async function roundTrip(vector: Vector): Promise<void> {
  const hashKey = bytes(vector.HashKey);
  const blockKey = vector.BlockKey === "" ? undefined : bytes(vector.BlockKey);
  const clock = new ManualClock(vector.IssuedAt * 1000);
  const options: SecureCookieOptions = { hash: vector.Hash, clock, random: () => ivOf(vector) };
  if (vector.Serializer === "json") {
    const value: unknown = JSON.parse(vector.ValueJSON);
    await check(securecookie(hashKey, blockKey, options), value, vector);
  } else if (vector.Serializer === "nop") {
    const cookie = securecookie(hashKey, blockKey, { ...options, serializer: rawValue });
    await check(cookie, bytes(vector.ValueHex), vector);
  } else {
    const cookie = securecookie(hashKey, blockKey, { ...options, serializer: gobString });
    await check(cookie, JSON.parse(vector.ValueJSON), vector);
  }
}

test("securecookie: there are 72 values that Go wrote", () => assert.equal(vectors.length, 72));

for (const [i, vector] of vectors.entries()) {
  const block = vector.BlockKey === "" ? "readable" : `AES-${vector.BlockKey.length * 4}`;
  test(`securecookie: Go's value ${i} (${vector.Serializer}, ${vector.Hash}, ${block}) opens and is written alike`, async () => {
    await roundTrip(vector);
  });
}

test("securecookie: every bit of Go's values flipped is refused", async () => {
  for (const vector of [vectors[0], vectors[5], vectors[32], vectors[70]]) {
    assert.ok(vector);
    const block = vector.BlockKey === "" ? undefined : bytes(vector.BlockKey);
    const cookie = securecookie(bytes(vector.HashKey), block, {
      hash: vector.Hash,
      serializer: rawValue,
    });
    const now = vector.IssuedAt * 1000;
    assert.equal((await cookie.decode(vector.Name, vector.Encoded, now)).ok, true);
    const raw = Buffer.from(vector.Encoded, "base64url");
    for (let bit = 0; bit < raw.length * 8; bit++) {
      const altered = Buffer.from(raw);
      altered[bit >> 3] = (altered[bit >> 3] ?? 0) ^ 1 << (bit & 7);
      const padded = altered.toString("base64url").padEnd(vector.Encoded.length, "=");
      assert.deepEqual(await cookie.decode(vector.Name, padded, now), {
        ok: false,
        reason: "not-authentic",
      });
    }
    for (let at = 0; at < vector.Encoded.length; at++) {
      for (let bit = 1; bit < 128; bit *= 2) {
        const code = vector.Encoded.charCodeAt(at) ^ bit;
        const text: string = vector.Encoded.slice(0, at) + String.fromCharCode(code) +
          vector.Encoded.slice(at + 1);
        assert.equal((await cookie.decode(vector.Name, text, now)).ok, false);
      }
    }
  }
});
