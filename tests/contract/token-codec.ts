import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import type { TokenCodec } from "../../src/codec/codec.ts";

/** What the contract needs to know of an implementation. */
export interface TokenCodecSubject {
  /** A new codec on these keys, newest first; a key is named by a number of the suite's choice. */
  codec(...keys: readonly number[]): TokenCodec;
  /** The texts of the keys, for the search for secrets. */
  secret(key: number): string;
}

const NOW = 1_700_000_000_000;
const INVALID = { ok: false, reason: "invalid" };
const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Proves what every {@linkcode TokenCodec} promises. */
export function tokenCodecContract(what: string, subject: TokenCodecSubject): void {
  const id = Uint8Array.from({ length: 24 }, (_, i) => 200 - i);
  const codec = subject.codec(1);

  test(`${what}: a token gives its id back`, async () => {
    const token = await codec.encode("sid", id, NOW);
    assert.equal(codec.recognizes(token), true);
    assert.deepEqual(await codec.decode("sid", token, NOW), { ok: true, id, stale: false });
    assert.match(token, /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/, "fits a cookie's value");
  });

  test(`${what}: an id comes back on bytes of its own`, async () => {
    const given = new Uint8Array(64).subarray(7, 31);
    given.set(id);
    const opened = await codec.decode("sid", await codec.encode("sid", given, NOW), NOW);
    assert.ok(opened.ok);
    assert.deepEqual(opened.id, id);
    assert.equal(opened.id.buffer.byteLength, 24);
  });

  test(`${what}: a token is bound to its name`, async () => {
    const token = await codec.encode("sid", id, NOW);
    for (const name of ["", "si", "sid2", "SID", "session"]) {
      assert.deepEqual(await codec.decode(name, token, NOW), INVALID);
    }
  });

  test(`${what}: every other character in every place is refused`, async () => {
    const token = await codec.encode("sid", id, NOW);
    const altered: string[] = [];
    for (let i = 0; i < token.length; i++) {
      const sextet = BASE64URL.indexOf(token.charAt(i));
      for (let bit = 1; bit < 64; bit *= 2) {
        altered.push(token.slice(0, i) + BASE64URL.charAt(sextet ^ bit) + token.slice(i + 1));
      }
      for (const character of ["=", " ", "+", "/", "\n", "\0", "é", "\u{10041}"]) {
        altered.push(token.slice(0, i) + character + token.slice(i + 1));
      }
    }
    for (const character of BASE64URL) {
      if (character !== token.at(-1)) altered.push(token.slice(0, -1) + character);
    }
    const opened = await Promise.all(
      altered.map(async (text) => await codec.decode("sid", text, NOW)),
    );
    assert.ok(altered.length > 1000);
    for (const result of opened) assert.deepEqual(result, INVALID);
  });

  test(`${what}: every truncation and every extension is refused`, async () => {
    const token = await codec.encode("sid", id, NOW);
    const texts: string[] = [];
    for (let i = 0; i < token.length; i++) texts.push(token.slice(0, i), token.slice(i + 1));
    for (let i = 0; i < 256; i++) {
      texts.push(token + String.fromCharCode(i), String.fromCharCode(i) + token);
    }
    texts.push(token + token, `${token}==`, `"${token}"`);
    for (const text of texts) assert.deepEqual(await codec.decode("sid", text, NOW), INVALID);
  });

  test(`${what}: it never throws and recognizes no other shape`, async () => {
    const texts = ["", " ", "=", "null", "[object Object]", "é".repeat(88), "A".repeat(1_000_000)];
    for (const text of texts) {
      assert.equal(codec.recognizes(text), false);
      assert.deepEqual(await codec.decode("sid", text, NOW), INVALID);
    }
  });

  test(`${what}: the first key signs, every key opens, a dropped key does not`, async () => {
    const old = await subject.codec(1).encode("sid", id, NOW);
    const rotated = subject.codec(2, 1);
    assert.deepEqual(await rotated.decode("sid", old, NOW), { ok: true, id, stale: true });
    const fresh = await rotated.encode("sid", id, NOW);
    assert.deepEqual(await rotated.decode("sid", fresh, NOW), { ok: true, id, stale: false });
    assert.deepEqual(await subject.codec(2).decode("sid", fresh, NOW), {
      ok: true,
      id,
      stale: false,
    });
    assert.deepEqual(await subject.codec(1).decode("sid", fresh, NOW), INVALID);
    assert.deepEqual(await subject.codec(2).decode("sid", old, NOW), INVALID);
  });

  test(`${what}: a token older than maxAge is expired, and a forged one is invalid`, async () => {
    const aging = subject.codec(1);
    aging.maxAge(60);
    const token = await aging.encode("sid", id, NOW);
    const forged = (token.startsWith("A") ? "B" : "A") + token.slice(1);
    const tail = token.slice(0, -2) + (token.endsWith("AA") ? "BA" : "AA");
    assert.equal((await aging.decode("sid", token, NOW + 60_000)).ok, true);
    for (const later of [61_000, 3_600_000, 1e15]) {
      const opened = await aging.decode("sid", token, NOW + later);
      assert.deepEqual(opened, { ok: false, reason: "expired" });
      assert.deepEqual(await aging.decode("sid", forged, NOW + later), INVALID);
      assert.deepEqual(await aging.decode("sid", tail, NOW + later), INVALID);
      assert.deepEqual(await aging.decode("other", token, NOW + later), INVALID);
    }
  });

  test(`${what}: a token from more than 60 s in the future is invalid`, async () => {
    const token = await codec.encode("sid", id, NOW);
    assert.equal((await codec.decode("sid", token, NOW - 60_000)).ok, true);
    for (const earlier of [61_000, 3_600_000, NOW]) {
      assert.deepEqual(await codec.decode("sid", token, NOW - earlier), INVALID);
    }
    assert.deepEqual(await codec.decode("sid", token, NaN), INVALID);
  });

  test(`${what}: maxAge refuses what is no age`, () => {
    for (const seconds of [NaN, Infinity, -Infinity, -1]) {
      assert.throws(() => subject.codec(1).maxAge(seconds), RangeError);
    }
  });

  test(`${what}: printing it shows no key`, async () => {
    await codec.encode("sid", id, NOW);
    const shown = inspect(codec, { depth: 20, showHidden: true }) + JSON.stringify(codec);
    assert.equal(shown.includes(subject.secret(1)), false);
  });
}
