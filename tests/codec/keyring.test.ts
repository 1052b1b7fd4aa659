import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import { decodeBase64Url } from "../../src/base64url.ts";
import { generateKey, Keyring } from "../../src/codec/keyring.ts";
import { webCrypto } from "../../src/codec/webcrypto.ts";
import { WeakKeyError } from "../../src/errors.ts";
import { nodeProvider } from "./node-provider.ts";
import { secret } from "./keys.ts";

const COLLIDING = [48589, 63138].map((n) => `mongostore test: a key id that collides, ${n}`);

test("keyring: weak keys are refused at construction, by their place and never by their text", () => {
  const good = secret(1);
  const short = "thirty-one bytes are not enough";
  const cases: [readonly (string | Uint8Array)[], RegExp][] = [
    [[], /^keys is empty/],
    [[""], /^keys\[0\] has 0 bytes/],
    [[short], /^keys\[0\] has 31 bytes/],
    [[good, "é".repeat(15)], /^keys\[1\] has 30 bytes/],
    [[good, "a".repeat(64)], /^keys\[1\] is one repeated byte/],
    [[new Uint8Array(32)], /^keys\[0\] is one repeated byte/],
    [[good, secret(2), good], /^keys\[2\] is the same as keys\[0\]/],
    [[good, new TextEncoder().encode(good)], /^keys\[1\] is the same as keys\[0\]/],
  ];
  for (const [keys, message] of cases) {
    assert.throws(() => new Keyring(keys), (error) => {
      assert.ok(error instanceof WeakKeyError);
      assert.equal(error.code, "WEAK_KEY");
      assert.match(error.message, message);
      const shown = inspect(error, { depth: 20, showHidden: true });
      assert.equal(shown.includes(good) || shown.includes(short), false);
      return true;
    });
  }
});

test("keyring: what is no list of keys is a TypeError", () => {
  const unset: string | undefined = undefined;
  for (
    const keys of [undefined, null, secret(1), [unset], [null], [42], [{}], [new ArrayBuffer(32)]]
  ) {
    assert.throws(() => Reflect.construct(Keyring, [keys]), TypeError);
  }
  assert.throws(() => Reflect.construct(Keyring, [[secret(1), unset]]), {
    message: "keys[1] is neither text nor bytes but undefined",
  });
});

test("keyring: 32 bytes of text or bytes are enough, and bytes are copied", async () => {
  const bytes = new TextEncoder().encode(secret(1));
  const fromBytes = new Keyring([bytes]);
  bytes.fill(0);
  const fromText = new Keyring([secret(1)]);
  await Promise.all([fromBytes.ready(), fromText.ready()]);
  assert.equal(fromBytes.first.id, fromText.first.id);
  assert.ok(new Keyring(["é".repeat(16)]));
});

test("keyring: it is not ready before it is, and then all is synchronous", async () => {
  const ring = new Keyring([secret(1), secret(2)]);
  assert.throws(() => ring.first, TypeError);
  assert.equal(ring.byId(0), undefined);
  await ring.ready();
  const second = new Keyring([secret(2)]);
  await second.ready();
  assert.equal(ring.byId(ring.first.id), ring.first);
  assert.equal(ring.byId(second.first.id)?.id, second.first.id);
  assert.notEqual(ring.first.id, second.first.id);
  assert.equal(ring.byId(ring.first.id + 1), undefined);
  assert.equal(ring.derive(), undefined);
});

test("keyring: keys are derived once, however many wait", async () => {
  let derived = 0;
  const ring = new Keyring([secret(1), secret(2)], {
    derive(bytes) {
      derived++;
      return webCrypto.derive(bytes);
    },
  });
  await Promise.all([ring.ready(), ring.ready(), ring.ready()]);
  await ring.ready();
  assert.equal(derived, 2);
});

test("keyring: two keys of one id are refused when they are derived", async () => {
  const ring = new Keyring(COLLIDING);
  for (let i = 0; i < 2; i++) {
    await assert.rejects(ring.ready(), (error) => {
      assert.ok(error instanceof WeakKeyError);
      assert.equal(error.message, "keys[1] has the key id of keys[0]; generate another");
      return true;
    });
  }
  assert.throws(() => new Keyring(COLLIDING, nodeProvider).derive(), WeakKeyError);
});

test("keyring: nothing shows a key", async () => {
  const ring = new Keyring([secret(1), new TextEncoder().encode(secret(2))]);
  const views = () => {
    const shown = [inspect(ring, { depth: 20, showHidden: true }), JSON.stringify(ring)];
    const deno: unknown = Reflect.get(globalThis, "Deno");
    if (deno && typeof deno === "object") {
      const show: unknown = Reflect.get(deno, "inspect");
      if (typeof show === "function") shown.push(String(show(ring, { depth: 20 })));
    }
    return shown.join("\n");
  };
  const before = views();
  await ring.ready();
  for (const shown of [before, views(), inspect(ring.first, { depth: 20, showHidden: true })]) {
    assert.equal(shown.includes("of the tests"), false);
    assert.equal(/107,?\s+101,?\s+121/.test(shown), false, "the bytes of a key");
  }
  assert.deepEqual(Reflect.ownKeys(ring), []);
});

test("keyring: derived keys cannot be exported", async () => {
  // The fourth argument of both says whether the key can be exported.
  const imported: unknown[] = [];
  const names = ["importKey", "deriveKey"];
  for (const name of names) {
    const original: unknown = Reflect.get(crypto.subtle, name);
    assert.ok(typeof original === "function");
    const spy = (...args: unknown[]): unknown => {
      imported.push(args[3]);
      return Reflect.apply(original, crypto.subtle, args);
    };
    Object.defineProperty(crypto.subtle, name, { value: spy, configurable: true });
  }
  try {
    const keys = await webCrypto.derive(new TextEncoder().encode(secret(1)));
    await keys.sealedData(new Uint8Array(16));
  } finally {
    for (const name of names) Reflect.deleteProperty(crypto.subtle, name);
  }
  assert.deepEqual(imported, [false, false, false, false, false]);
});

test("generateKey: 32 random bytes as base64url that a key ring takes", () => {
  const keys = Array.from({ length: 1000 }, generateKey);
  assert.equal(new Set(keys).size, 1000);
  for (const key of keys) assert.equal(decodeBase64Url(key)?.length, 32);
  assert.ok(new Keyring(keys.slice(0, 3)));
});
