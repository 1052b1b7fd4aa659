import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import type { DataBinding, DataCodec } from "../../src/codec/codec.ts";
import { plainData } from "../../src/codec/plain.ts";
import { sealedData } from "../../src/codec/sealed.ts";
import { signedData } from "../../src/codec/signed.ts";
import { ringOf, secret } from "../codec/keys.ts";
import { nodeProvider } from "../codec/node-provider.ts";
import { editBytes, edits, editText, mostly } from "./edits.ts";
import {
  bound,
  keysOf,
  mac,
  openSealed,
  openSigned,
  placeOf,
  seal,
  signedMessage,
} from "./reference.ts";
import { type Target, target } from "./target.ts";

type Data = Uint8Array<ArrayBuffer> | string;

const KEYS = { 1: keysOf(secret(1)), 2: keysOf(secret(2)), 3: keysOf(secret(3)) };
const RING = [KEYS[2], KEYS[1]];
const SEALED = [sealedData(ringOf([2, 1], nodeProvider)), sealedData(ringOf([2, 1]))];
const SIGNED = [signedData(ringOf([2, 1], nodeProvider)), signedData(ringOf([2, 1]))];

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((array) => Uint8Array.from(array));
const binding: fc.Arbitrary<DataBinding> = fc.record({
  name: fc.oneof(fc.constantFrom("sid", "sid2", ""), fc.string({ unit: "binary" })),
  key: bytes(20),
  created: fc.oneof(fc.constant(1_700_000_000_000), fc.maxSafeInteger()),
});
const text = fc.oneof(fc.json(), fc.string({ unit: "binary" }), fc.constant(""));
const keyed = {
  version: mostly(fc.constant(1), fc.constantFrom(0, 2)),
  keeper: fc.constantFrom(1, 2, 2, 2, 3),
  claimed: mostly(fc.constant(0), fc.constantFrom(1, 2, 3)),
  binding,
  text,
  changes: edits,
  /** Where the data is found: mostly where it belongs. */
  move: mostly(fc.constant(""), fc.constantFrom("name", "key", "created", "not a time")),
};

const sealedInput = fc.record({
  ...keyed,
  salt: fc.oneof(fc.constant(new Uint8Array(16)), bytes(16)),
  nonce: bytes(12),
  tag: mostly(fc.constant(16), fc.constantFrom(4, 8, 12, 15)),
  covers: mostly(
    fc.constant("all"),
    fc.constantFrom("no _id", "no created", "no name", "no label", "nothing"),
  ),
  around: fc.nat({ max: 9 }),
});

function moved(from: DataBinding, how: string): DataBinding {
  const key = Uint8Array.from(from.key, (byte, i) => i === 19 ? byte ^ 1 : byte);
  if (how === "name") return { ...from, name: `${from.name}x` };
  if (how === "key") return { ...from, key };
  if (how === "created") return { ...from, created: -from.created || 1 };
  if (how === "not a time") return { ...from, created: from.created % 2 ? NaN : 0.5 };
  return from;
}

/** Opens twice on both providers, and gives what all of them said. */
async function open(codecs: readonly DataCodec[], data: Data, place: DataBinding) {
  const opened = [];
  for (const codec of [...codecs, ...codecs]) opened.push(await codec.open(data, place));
  for (const one of opened) assert.deepEqual(one, opened[0]);
  assert.ok(opened[0]);
  return opened[0];
}

export const dataTargets: readonly Target[] = [
  target(
    { name: "sealed data", runs: 500, reaches: ["opens", "opens stale", "refused"] },
    sealedInput,
    async (input) => {
      const { salt, nonce, covers, move, changes } = input;
      const keys = KEYS[input.keeper];
      const keyId = input.claimed === 0 ? keys.id : KEYS[input.claimed].id;
      const [key, created] = placeOf(input.binding);
      const label = "mongostore/v1/data";
      const aad = {
        "all": bound(label, input.binding.name, key, created),
        "no _id": bound(label, input.binding.name, created),
        "no created": bound(label, input.binding.name, key),
        "no name": bound(label, "", key, created),
        "no label": bound("", input.binding.name, key, created),
        "nothing": Buffer.alloc(0),
      }[covers];
      const genuine = seal(
        keys,
        [input.version, keyId],
        [salt, nonce],
        aad,
        Buffer.from(input.text),
        input.tag,
      );
      const altered = editBytes(genuine, changes);
      // The driver gives views of its buffers.
      const around = new Uint8Array(altered.length + 2 * input.around);
      const data = around.subarray(input.around, input.around + altered.length);
      data.set(altered);
      const place = moved(input.binding, move);
      const opened = await open(SEALED, data, place);
      assert.deepEqual(opened, openSealed(RING, data, place));
      if (!opened.ok) return "refused";
      assert.deepEqual(altered, genuine, "changed data opens");
      assert.equal(opened.text, input.text);
      assert.equal(move, "");
      return opened.stale ? "opens stale" : "opens";
    },
  ),

  target(
    { name: "signed data", runs: 400, reaches: ["opens", "opens stale", "refused"] },
    fc.record({
      ...keyed,
      covers: mostly(fc.constant("all"), fc.constantFrom("no _id", "text only")),
    }),
    async (input) => {
      const { version, covers, move, changes } = input;
      const keys = KEYS[input.keeper];
      const keyId = input.claimed === 0 ? keys.id : KEYS[input.claimed].id;
      const [, created] = placeOf(input.binding);
      const label = "mongostore/v1/signed-data";
      const message = {
        "all": signedMessage(input.text, input.binding),
        "no _id": bound(label, input.binding.name, created, Buffer.from(input.text)),
        "text only": Buffer.from(input.text),
      }[covers];
      const head = Buffer.alloc(5);
      head.writeUInt8(version, 0);
      head.writeUInt32BE(keyId, 1);
      const sealed = Buffer.concat([head, mac(keys.signedData, message)]).toString("base64url");
      const genuine = `${sealed}.${input.text}`;
      const data = editText(genuine, changes);
      const place = moved(input.binding, move);
      const opened = await open(SIGNED, data, place);
      assert.deepEqual(opened, openSigned(RING, data, place));
      if (!opened.ok) return "refused";
      // As they are stored: UTF-8 has no lone surrogates.
      assert.deepEqual(Buffer.from(data), Buffer.from(genuine), "changed data opens");
      assert.equal(move, "");
      return opened.stale ? "opens stale" : "opens";
    },
  ),

  target(
    { name: "data of any kind", runs: 300, reaches: ["text", "bytes"] },
    fc.record({ data: fc.oneof(text, fc.uint8Array({ maxLength: 200 })), binding }),
    async (input) => {
      const data = typeof input.data === "string" ? input.data : Uint8Array.from(input.data);
      assert.deepEqual(await open(SEALED, data, input.binding), { ok: false });
      assert.deepEqual(await open(SIGNED, data, input.binding), { ok: false });
      const plain = await open([plainData()], data, input.binding);
      const read = typeof data === "string"
        ? { ok: true, text: data, stale: false }
        : { ok: false };
      assert.deepEqual(plain, read);
      return read.ok ? "text" : "bytes";
    },
  ),

  target(
    { name: "data comes back", runs: 200, reaches: ["back"] },
    fc.record({ text, binding }),
    async ({ text: own, binding: place }) => {
      for (const [codecs, reference] of [[SEALED, openSealed], [SIGNED, openSigned]] as const) {
        for (const codec of codecs) {
          const data = await codec.protect(own, place);
          const expected = { ok: true, text: own, stale: false };
          assert.deepEqual(await open(codecs, data, place), expected);
          assert.deepEqual(reference(RING, data, place), expected);
        }
      }
      return "back";
    },
  ),
];
