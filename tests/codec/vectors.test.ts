import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import type { RandomBytes } from "../../src/clock.ts";
import { foreignKeyBytes, newSessionId, recordKeyBytes } from "../../src/codec/id.ts";
import { Keyring } from "../../src/codec/keyring.ts";
import type { CryptoProvider } from "../../src/codec/provider.ts";
import { sealedData } from "../../src/codec/sealed.ts";
import { signedData, signedToken } from "../../src/codec/signed.ts";
import { webCrypto } from "../../src/codec/webcrypto.ts";
import { nodeProvider } from "./node-provider.ts";

// tests/vectors/check.py computes the same files from their inputs, in Python.

interface TokenVector {
  key: string;
  name: string;
  id: string;
  now: number;
  keyId: string;
  token: string;
}
interface IdVector {
  name: string;
  now: number;
  random: string;
  id: string;
  recordKey: string;
}
interface ForeignVector {
  name: string;
  id: string;
  recordKey: string;
}
interface DataVector {
  key: string;
  name: string;
  recordKey: string;
  created: number;
  text: string;
  salt: string;
  nonce: string;
  signed: string;
  sealed: string;
}

const tokens: TokenVector[] = read("token.json");
const ids: IdVector[] = read("id.json");
const foreigns: ForeignVector[] = read("sid.json");
const datas: DataVector[] = read("data.json");
const providers: [string, CryptoProvider][] = [
  ["Web Crypto", webCrypto],
  ["node:crypto", nodeProvider],
];

function read<T>(file: string): T[] {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8"));
}

function bytes(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

test("vectors: session ids and record keys", () => {
  assert.equal(ids.length, 5);
  for (const v of ids) {
    const id = newSessionId(v.now, () => bytes(v.random));
    assert.deepEqual(id, bytes(v.id));
    assert.deepEqual(recordKeyBytes(v.name, id), bytes(v.recordKey));
  }
});

test("vectors: record keys of ids that another library made", () => {
  assert.equal(foreigns.length, 3);
  for (const v of foreigns) assert.deepEqual(foreignKeyBytes(v.name, v.id), bytes(v.recordKey));
});

for (const [what, provider] of providers) {
  test(`vectors: tokens with ${what}`, async () => {
    assert.equal(tokens.length, 5);
    for (const v of tokens) {
      const ring = new Keyring([v.key], provider);
      const codec = signedToken(ring);
      assert.equal(await codec.encode(v.name, bytes(v.id), v.now), v.token);
      const opened = { ok: true, id: bytes(v.id), stale: false };
      assert.deepEqual(await codec.decode(v.name, v.token, v.now), opened);
      assert.equal(ring.first.id, Number.parseInt(v.keyId, 16));
    }
  });

  test(`vectors: data with ${what}`, async () => {
    assert.equal(datas.length, 5);
    for (const v of datas) {
      const ring = new Keyring([v.key], provider);
      const random: RandomBytes = (length) => bytes(length === 16 ? v.salt : v.nonce);
      const binding = { name: v.name, key: bytes(v.recordKey), created: v.created };
      const opened = { ok: true, text: v.text, stale: false };
      const sealed = sealedData(ring, { random });
      assert.deepEqual(await sealed.protect(v.text, binding), bytes(v.sealed));
      assert.deepEqual(await sealed.open(bytes(v.sealed), binding), opened);
      const signed = signedData(ring);
      assert.equal(await signed.protect(v.text, binding), v.signed);
      assert.deepEqual(await signed.open(v.signed, binding), opened);
    }
  });
}
