import assert from "node:assert/strict";
import test from "node:test";
import { decodeBase64Url, encodeBase64Url } from "../../src/base64url.ts";
import { binder } from "../../src/codec/bind.ts";
import { signedData, signedToken } from "../../src/codec/signed.ts";
import { dataCodecContract } from "../contract/data-codec.ts";
import { tokenCodecContract } from "../contract/token-codec.ts";
import { ringOf, secret } from "./keys.ts";
import { nodeProvider } from "./node-provider.ts";

const NOW = 1_700_000_000_000;
const INVALID = { ok: false, reason: "invalid" };
const id = Uint8Array.from({ length: 24 }, (_, i) => i);
const binding = { name: "sid", key: new Uint8Array(20), created: NOW };

tokenCodecContract("signed token", { codec: (...keys) => signedToken(ringOf(keys)), secret });
tokenCodecContract("signed token on a synchronous provider", {
  codec: (...keys) => signedToken(ringOf(keys, nodeProvider)),
  secret,
});
dataCodecContract("signed data", {
  codec: (...keys) => signedData(ringOf(keys)),
  secret,
  authentic: true,
  readable: true,
});
dataCodecContract("signed data on a synchronous provider", {
  codec: (...keys) => signedData(ringOf(keys, nodeProvider)),
  secret,
  authentic: true,
  readable: true,
});

test("signed token: 66 bytes, with the first key's id", async () => {
  const ring = ringOf([2, 1]);
  const token = decodeBase64Url(await signedToken(ring).encode("sid", id, NOW));
  assert.ok(token);
  assert.equal(token.length, 66);
  assert.equal(token[0], 1);
  assert.equal(new DataView(token.buffer).getUint32(1), ring.first.id);
  assert.deepEqual(token.slice(10, 34), id);
});

test("signed token: it recognizes 88 characters of the alphabet and nothing else", () => {
  const codec = signedToken(ringOf([1]));
  assert.equal(codec.recognizes("_".repeat(88)), true);
  for (
    const text of ["_".repeat(87), "_".repeat(89), `${"_".repeat(87)}=`, `${"_".repeat(87)}\n`]
  ) {
    assert.equal(codec.recognizes(text), false);
  }
});

test("signed token: another version is refused, even with a true MAC", async () => {
  const ring = ringOf([1]);
  const codec = signedToken(ring);
  const text = await codec.encode("sid", id, NOW);
  for (const version of [0, 1, 2, 255]) {
    const token = decodeBase64Url(text);
    assert.ok(token);
    token[0] = version;
    const mac = await ring.first.token.sign(
      binder("mongostore/v1/token")("sid", token.subarray(0, 34)),
    );
    token.set(mac, 34);
    const opened = await codec.decode("sid", encodeBase64Url(token), NOW);
    if (version === 1) assert.equal(opened.ok, true);
    else assert.deepEqual(opened, INVALID);
  }
});

test("signed token: an unknown key id asks for no MAC at all", async () => {
  let verified = 0;
  const ring = ringOf([1], {
    async derive(bytes) {
      const keys = await nodeProvider.derive(bytes);
      const verify: typeof keys.token.verify = (mac, message) => {
        verified++;
        return keys.token.verify(mac, message);
      };
      return { ...keys, token: { sign: (message) => keys.token.sign(message), verify } };
    },
  });
  const codec = signedToken(ring);
  const foreign = await signedToken(ringOf([2])).encode("sid", id, NOW);
  assert.deepEqual(await codec.decode("sid", foreign, NOW), INVALID);
  assert.equal(verified, 0);
  await codec.decode("sid", await codec.encode("sid", id, NOW), NOW);
  assert.equal(verified, 1);
});

test("signed token: the time of issue has five bytes", async () => {
  const codec = signedToken(ringOf([1]));
  for (const now of [0, 999, 2 ** 32 * 1000, 2 ** 40 * 1000 - 1]) {
    const token = await codec.encode("sid", id, now);
    assert.equal((await codec.decode("sid", token, now)).ok, true);
    assert.deepEqual(await codec.decode("sid", token, now - 61_000), INVALID);
  }
  for (const now of [-1, NaN, Infinity, 2 ** 40 * 1000]) {
    assert.throws(() => codec.encode("sid", id, now), RangeError);
  }
});

test("signed token: without a lifetime age is no reason; with one it is, to the second", async () => {
  const token = await signedToken(ringOf([1])).encode("sid", id, NOW + 999);
  const year = 31_536_000_000;
  assert.equal((await signedToken(ringOf([1])).decode("sid", token, NOW + 100 * year)).ok, true);
  const codec = signedToken(ringOf([1]), { lifetime: 10 });
  assert.equal((await codec.decode("sid", token, NOW + 10_999)).ok, true);
  assert.deepEqual(await codec.decode("sid", token, NOW + 11_000), {
    ok: false,
    reason: "expired",
  });
  for (const lifetime of [0, -1, NaN, Infinity]) {
    assert.throws(() => signedToken(ringOf([1]), { lifetime }), RangeError);
  }
});

test("signed token: an id of another length is refused", () => {
  const codec = signedToken(ringOf([1]));
  for (const length of [0, 20, 23, 25]) {
    assert.throws(() => codec.encode("sid", new Uint8Array(length), NOW), RangeError);
  }
});

test("signed token: names do not run into what follows them", async () => {
  const codec = signedToken(ringOf([1]));
  const token = await codec.encode("a", id, NOW);
  for (const name of ["a\0", "\0a", "a\x01", `a${String.fromCharCode(1)}`]) {
    assert.deepEqual(await codec.decode(name, token, NOW), INVALID);
  }
});

test("a MAC made for one purpose is none for another", async () => {
  const ring = ringOf([1]);
  const token = await signedToken(ring).encode("sid", id, NOW);
  const data = await signedData(ring).protect(token, binding);
  assert.ok(typeof data === "string");
  // The token as data, and the seal of data as a token.
  assert.deepEqual(await signedData(ring).open(token, binding), { ok: false });
  assert.deepEqual(await signedData(ring).open(`${token.slice(0, 50)}.${token}`, binding), {
    ok: false,
  });
  assert.deepEqual(await signedToken(ring).decode("sid", data.slice(0, 88), NOW), INVALID);
  // The same message under the other purpose's key.
  const seal = decodeBase64Url(data.slice(0, 50));
  assert.ok(seal);
  const created = new Uint8Array(8);
  new DataView(created.buffer).setBigInt64(0, BigInt(NOW));
  const message = binder("mongostore/v1/signed-data")(
    "sid",
    binding.key,
    created,
    new TextEncoder().encode("{}"),
  );
  for (const [key, ok] of [[ring.first.signedData, true], [ring.first.token, false]] as const) {
    seal.set(await key.sign(message), 5);
    assert.equal((await signedData(ring).open(`${encodeBase64Url(seal)}.{}`, binding)).ok, ok);
  }
});

test("signed data: the text stands readable behind a seal of 50 characters", async () => {
  const data = await signedData(ringOf([1])).protect('{"a":1}', binding);
  assert.match(String(data), /^AQ|^A[A-Za-z0-9_-]{49}\.\{"a":1\}$/);
  assert.equal(String(data).slice(50), '.{"a":1}');
});

test("signed data: the seal has one spelling", async () => {
  const codec = signedData(ringOf([1]));
  const data = String(await codec.protect("{}", binding));
  const opened: boolean[] = [];
  for (const last of "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
    opened.push((await codec.open(data.slice(0, 49) + last + data.slice(50), binding)).ok);
  }
  assert.equal(opened.filter(Boolean).length, 1);
});

test("codecs on a synchronous provider give values and no promises", () => {
  const ring = ringOf([1], nodeProvider);
  const token = signedToken(ring).encode("sid", id, NOW);
  assert.ok(typeof token === "string");
  assert.deepEqual(signedToken(ring).decode("sid", token, NOW), { ok: true, id, stale: false });
  const data = signedData(ring).protect("{}", binding);
  assert.ok(typeof data === "string");
  assert.deepEqual(signedData(ring).open(data, binding), { ok: true, text: "{}", stale: false });
});
