import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import type { DataBinding, DataCodec } from "../../src/codec/codec.ts";

/** What the contract needs to know of an implementation. */
export interface DataCodecSubject {
  /** A new codec on these keys, newest first; a key is named by a number of the suite's choice. */
  codec(...keys: readonly number[]): DataCodec;
  /** The texts of the keys, for the search for secrets. */
  secret(key: number): string;
  /** Whether altered and swapped data is refused. */
  readonly authentic: boolean;
  /** Whether the text can be read in what is stored. */
  readonly readable: boolean;
}

type Data = Uint8Array<ArrayBuffer> | string;

const binding: DataBinding = {
  name: "sid",
  key: Uint8Array.from({ length: 20 }, (_, i) => i),
  created: 1_700_000_000_999,
};
const TEXT = '{"values":{"userId":"forty-two","cart":["✓","🛒"]}}';
const UNOPENED = { ok: false };

/** Proves what every {@linkcode DataCodec} promises. */
export function dataCodecContract(what: string, subject: DataCodecSubject): void {
  const codec = subject.codec(1);

  test(`${what}: text comes back`, async () => {
    for (const text of [TEXT, "", "{}", "\ufeff{}", "\0", "x".repeat(300_000)]) {
      const data = await codec.protect(text, binding);
      assert.deepEqual(await codec.open(data, binding), { ok: true, text, stale: false });
    }
  });

  test(`${what}: what is stored is ${subject.readable ? "readable" : "not readable"}`, async () => {
    assert.equal(textOf(await codec.protect(TEXT, binding)).includes("forty"), subject.readable);
  });

  test(`${what}: data of another shape does not open, and nothing throws`, async () => {
    const data = await codec.protect(TEXT, binding);
    const other = typeof data === "string" ? new TextEncoder().encode(data) : textOf(data);
    assert.deepEqual(await codec.open(other, binding), UNOPENED);
    assert.deepEqual(await codec.open(new Uint8Array(0), binding), UNOPENED);
    assert.deepEqual(await codec.open(new Uint8Array(1000), binding), UNOPENED);
    for (const created of [NaN, Infinity, 0.5, -1, 2 ** 60]) {
      assert.equal((await codec.open(data, { ...binding, created })).ok, !subject.authentic);
    }
  });

  test(`${what}: printing it shows no key and no text`, async () => {
    await codec.open(await codec.protect(TEXT, binding), binding);
    const shown = inspect(codec, { depth: 20, showHidden: true }) + JSON.stringify(codec);
    for (const secret of [subject.secret(1), "forty-two"]) {
      assert.equal(shown.includes(secret), false);
    }
  });

  if (!subject.authentic) return;

  test(`${what}: data of one record does not open in another`, async () => {
    const data = await codec.protect(TEXT, binding);
    const key = Uint8Array.from(binding.key);
    key[19] = 0;
    const elsewhere: DataBinding[] = [
      { ...binding, name: "sid2" },
      { ...binding, name: "si" },
      { ...binding, name: "" },
      { ...binding, key },
      { ...binding, created: binding.created + 1 },
      { ...binding, created: binding.created - 2 ** 32 },
      { ...binding, created: -binding.created },
    ];
    for (const place of elsewhere) assert.deepEqual(await codec.open(data, place), UNOPENED);
  });

  test(`${what}: every bit flipped is refused`, async () => {
    const data = await codec.protect(TEXT, binding);
    const altered = typeof data === "string" ? flipText(data) : flipBytes(data);
    const opened = await Promise.all(
      altered.map(async (other) => await codec.open(other, binding)),
    );
    assert.ok(opened.length >= data.length * 6);
    for (const result of opened) assert.deepEqual(result, UNOPENED);
  });

  test(`${what}: every truncation and extension is refused`, async () => {
    const data = await codec.protect(TEXT, binding);
    for (let i = 0; i < data.length; i++) {
      assert.deepEqual(await codec.open(data.slice(0, i), binding), UNOPENED);
      assert.deepEqual(await codec.open(data.slice(i + 1), binding), UNOPENED);
    }
    for (const longer of extensions(data)) {
      assert.deepEqual(await codec.open(longer, binding), UNOPENED);
    }
  });

  test(`${what}: the first key protects, every key opens, a dropped key does not`, async () => {
    const old = await subject.codec(1).protect(TEXT, binding);
    const rotated = subject.codec(2, 1);
    assert.deepEqual(await rotated.open(old, binding), { ok: true, text: TEXT, stale: true });
    const fresh = await rotated.protect(TEXT, binding);
    assert.deepEqual(await rotated.open(fresh, binding), { ok: true, text: TEXT, stale: false });
    assert.deepEqual(await subject.codec(2).open(fresh, binding), {
      ok: true,
      text: TEXT,
      stale: false,
    });
    assert.deepEqual(await subject.codec(1).open(fresh, binding), UNOPENED);
    assert.deepEqual(await subject.codec(2).open(old, binding), UNOPENED);
  });

  test(`${what}: a creation time that is no whole number is refused`, () => {
    for (const created of [NaN, Infinity, 0.5]) {
      assert.throws(() => codec.protect(TEXT, { ...binding, created }), RangeError);
    }
  });
}

function textOf(data: Data): string {
  return typeof data === "string" ? data : new TextDecoder().decode(data);
}

function flipBytes(data: Uint8Array<ArrayBuffer>): Data[] {
  const altered: Data[] = [];
  for (const [i, byte] of data.entries()) {
    for (let bit = 1; bit < 256; bit *= 2) {
      const other = data.slice();
      other[i] = byte ^ bit;
      altered.push(other);
    }
  }
  return altered;
}

function flipText(data: string): Data[] {
  const altered: Data[] = [];
  for (let i = 0; i < data.length; i++) {
    for (let bit = 1; bit < 128; bit *= 2) {
      const unit = String.fromCharCode(data.charCodeAt(i) ^ bit);
      altered.push(data.slice(0, i) + unit + data.slice(i + 1));
    }
  }
  return altered;
}

function extensions(data: Data): Data[] {
  if (typeof data === "string") return [`${data} `, ` ${data}`, data + data, `${data}\0`];
  return [[...data, 0], [0, ...data], [...data, ...data]].map((bytes) => Uint8Array.from(bytes));
}
