import assert from "node:assert/strict";
import test from "node:test";
import { type RandomBytes, systemRandom } from "../../src/clock.ts";
import type { DataCodec } from "../../src/codec/codec.ts";
import { sealedData, type SealedDataOptions } from "../../src/codec/sealed.ts";
import { signedToken } from "../../src/codec/signed.ts";
import { dataCodecContract } from "../contract/data-codec.ts";
import { countingProvider, ringOf, secret } from "./keys.ts";
import { nodeProvider } from "./node-provider.ts";

const binding = { name: "sid", key: new Uint8Array(20), created: 1_700_000_000_000 };
const UNOPENED = { ok: false };

dataCodecContract("sealed data", {
  codec: (...keys) => sealedData(ringOf(keys)),
  secret,
  authentic: true,
  readable: false,
});
dataCodecContract("sealed data on a synchronous provider", {
  codec: (...keys) => sealedData(ringOf(keys, nodeProvider)),
  secret,
  authentic: true,
  readable: false,
});

async function seal(codec: DataCodec, text = "{}"): Promise<Uint8Array<ArrayBuffer>> {
  const data = await codec.protect(text, binding);
  assert.ok(typeof data !== "string");
  return data;
}

async function salts(codec: DataCodec, count: number): Promise<string[]> {
  const found: string[] = [];
  for (let i = 0; i < count; i++) found.push((await seal(codec)).slice(5, 21).join());
  return found;
}

test("sealed data: version, the first key's id, salt, nonce, ciphertext and a tag of 16 bytes", async () => {
  const ring = ringOf([2, 1]);
  const data = await seal(sealedData(ring), "12345");
  assert.equal(data.length, 33 + 5 + 16);
  assert.equal(data[0], 1);
  assert.equal(new DataView(data.buffer).getUint32(1), ring.first.id);
});

test("sealed data: a nonce for each message, 12 bytes from the random source", async () => {
  const asked: number[] = [];
  const random: RandomBytes = (length) => {
    asked.push(length);
    return systemRandom(length);
  };
  const codec = sealedData(ringOf([1]), { random });
  const nonces = new Set<string>();
  for (let i = 0; i < 50; i++) nonces.add((await seal(codec)).slice(21, 33).join());
  assert.equal(nonces.size, 50);
  assert.deepEqual(asked, [16, ...Array.from({ length: 50 }, () => 12)]);
});

test("sealed data: another version is refused", async () => {
  const codec = sealedData(ringOf([1]));
  const data = await seal(codec);
  for (const version of [0, 2, 255]) {
    data[0] = version;
    assert.deepEqual(await codec.open(data, binding), UNOPENED);
  }
});

test("sealed data: bytes that are a view into others open", async () => {
  const codec = sealedData(ringOf([1]));
  const data = await seal(codec);
  const around = new Uint8Array(data.length + 20).fill(9);
  around.set(data, 11);
  const view = around.subarray(11, 11 + data.length);
  assert.equal((await codec.open(view, binding)).ok, true);
  assert.equal((await codec.open(Buffer.from(around.buffer, 11, data.length), binding)).ok, true);
});

test("sealed data: a short tag is refused", async () => {
  const codec = sealedData(ringOf([1]));
  const data = await seal(codec, "");
  for (const length of [4, 8, 12, 13, 14, 15]) {
    assert.deepEqual(await codec.open(data.slice(0, 33 + length), binding), UNOPENED);
  }
});

test("sealed data: a token is no data, and data no token", async () => {
  const ring = ringOf([1]);
  const token = await signedToken(ring).encode("sid", new Uint8Array(24), 0);
  const codec = sealedData(ring);
  assert.deepEqual(await codec.open(token, binding), UNOPENED);
  assert.deepEqual(
    await codec.open(new Uint8Array(Buffer.from(token, "base64url")), binding),
    UNOPENED,
  );
  const data = await seal(codec, "x".repeat(17));
  assert.equal(data.length, 66);
  const text = Buffer.from(data).toString("base64url");
  assert.deepEqual(await signedToken(ring).decode("sid", text, 1e15), {
    ok: false,
    reason: "invalid",
  });
});

test("sealed data: a new epoch after so many messages", async () => {
  const codec = sealedData(ringOf([1]), { epochMessages: 3 });
  const found = await salts(codec, 7);
  assert.deepEqual(found.map((salt) => found.indexOf(salt)), [0, 0, 0, 3, 3, 3, 6]);
});

test("sealed data: messages that wait together are counted too", async () => {
  const codec = sealedData(ringOf([1]), { epochMessages: 3 });
  const all = await Promise.all(Array.from({ length: 9 }, () => seal(codec)));
  const uses = new Map<string, number>();
  for (const data of all) {
    const salt = data.slice(5, 21).join();
    uses.set(salt, (uses.get(salt) ?? 0) + 1);
  }
  assert.deepEqual([...uses.values()], [3, 3, 3]);
});

test("sealed data: a new epoch after an hour, and not before", async () => {
  let now = 5;
  const codec = sealedData(ringOf([1]), { clock: { monotonic: () => now } });
  const found = await salts(codec, 1);
  now += 3_599_999;
  found.push(...await salts(codec, 1));
  now += 1;
  found.push(...await salts(codec, 2));
  now += 3_600_000;
  found.push(...await salts(codec, 1));
  assert.deepEqual(found.map((salt) => found.indexOf(salt)), [0, 0, 2, 2, 4]);
});

test("sealed data: two processes have two epochs and open each other's data", async () => {
  const [a, b] = [sealedData(ringOf([1])), sealedData(ringOf([1]))];
  const [fromA, fromB] = [await seal(a), await seal(b)];
  assert.notDeepEqual(fromA.slice(5, 21), fromB.slice(5, 21));
  assert.equal((await a.open(fromB, binding)).ok, true);
  assert.equal((await b.open(fromA, binding)).ok, true);
});

/** A reader that counts its derivations, and a writer whose every message is an epoch of its own. */
function readerAndWriter(options: SealedDataOptions = {}) {
  const provider = countingProvider();
  return {
    reader: sealedData(ringOf([1], provider), options),
    writer: sealedData(ringOf([1]), { epochMessages: 1 }),
    count: provider.count,
  };
}

test("sealed data: concurrent opens of one unknown epoch derive its key once", async () => {
  const { reader, writer, count } = readerAndWriter();
  const data = await seal(writer);
  const opened = await Promise.all(
    Array.from({ length: 50 }, async () => await reader.open(data, binding)),
  );
  assert.ok(opened.every((result) => result.ok));
  assert.equal(count.epochs, 1);
  assert.equal((await reader.open(data, binding)).ok, true);
  assert.equal(count.epochs, 1);
});

test("sealed data: an altered message beside a true one of its epoch harms nothing", async () => {
  const { reader, writer, count } = readerAndWriter();
  const data = await seal(writer);
  const altered = data.slice();
  altered[33] = (altered[33] ?? 0) ^ 1;
  const opened = await Promise.all(
    [altered, data, altered].map(async (d) => await reader.open(d, binding)),
  );
  assert.deepEqual(opened.map((result) => result.ok), [false, true, false]);
  assert.equal((await reader.open(data, binding)).ok, true);
  assert.equal(count.epochs, 1);
});

test("sealed data: the keys of the epochs used last are kept, up to a limit", async () => {
  const { reader, writer, count } = readerAndWriter({ cachedEpochs: 3 });
  const [a, b, c, d] = [
    await seal(writer),
    await seal(writer),
    await seal(writer),
    await seal(writer),
  ];
  for (const data of [a, b, c, a, d]) assert.equal((await reader.open(data, binding)).ok, true);
  assert.equal(count.epochs, 4);
  for (const data of [a, c, d]) await reader.open(data, binding);
  assert.equal(count.epochs, 4, "a was used again and stayed");
  await reader.open(b, binding);
  assert.equal(count.epochs, 5, "b was used least recently and went");
});

test("sealed data: hostile salts cost one derivation each and push no true epoch out", async () => {
  const { reader, writer, count } = readerAndWriter({ cachedEpochs: 2 });
  const data = await seal(writer);
  await reader.open(data, binding);
  for (let i = 0; i < 100; i++) {
    const hostile = data.slice();
    hostile.set(systemRandom(16), 5);
    assert.deepEqual(await reader.open(hostile, binding), UNOPENED);
  }
  assert.equal(count.epochs, 101);
  assert.equal((await reader.open(data, binding)).ok, true);
  assert.equal(count.epochs, 101);
});

test("sealed data: a dropped key's epoch is not derived", async () => {
  const { reader, count } = readerAndWriter();
  assert.deepEqual(await reader.open(await seal(sealedData(ringOf([2]))), binding), UNOPENED);
  assert.equal(count.epochs, 0);
});

const fixed: RandomBytes = (length) => new Uint8Array(length).fill(3);

test("sealed data: one salt under two keys is two epochs", async () => {
  const old = await seal(sealedData(ringOf([1]), { random: fixed }), "old");
  const fresh = await seal(sealedData(ringOf([2]), { random: fixed }), "fresh");
  const reader = sealedData(ringOf([2, 1]));
  assert.deepEqual(await reader.open(fresh, binding), { ok: true, text: "fresh", stale: false });
  assert.deepEqual(await reader.open(old, binding), { ok: true, text: "old", stale: true });
});

test("sealed data: on a synchronous provider values and no promises", () => {
  const codec = sealedData(ringOf([1], nodeProvider));
  const data = codec.protect("{}", binding);
  assert.ok(data instanceof Uint8Array);
  assert.deepEqual(codec.open(data, binding), { ok: true, text: "{}", stale: false });
});
