import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";
import test from "node:test";
import { fastSha256 } from "../../src/codec/nodecrypto.ts";
import { hmacSha256, sha256 } from "../../src/codec/sha256.ts";
import { Random } from "../simulation/random.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const random = new Random(1);
const bytesOf = (length: number) => Uint8Array.from({ length }, () => random.below(256));

test("SHA-256: the examples of FIPS 180-4", () => {
  const encoder = new TextEncoder();
  const examples = {
    "": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    abc: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq:
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ["a".repeat(1_000_000)]: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  };
  for (const [text, digest] of Object.entries(examples)) {
    assert.equal(hex(sha256(encoder.encode(text))), digest);
  }
});

test("SHA-256 and HMAC-SHA-256 agree with node:crypto at every length about a block", () => {
  const fast = fastSha256();
  for (let length = 0; length <= 260; length++) {
    const message = bytesOf(length);
    const digest = createHash("sha256").update(message).digest("hex");
    assert.equal(hex(sha256(message)), digest);
    assert.equal(hex(fast(message)), digest);
    const key = bytesOf(length);
    const mac = createHmac("sha256", key).update(message).digest("hex");
    assert.equal(hex(hmacSha256(key)(message)), mac);
  }
});

test("SHA-256: a digest stays as it was when the next is made", () => {
  const first = sha256(bytesOf(100));
  const copy = first.slice();
  sha256(bytesOf(200));
  assert.deepEqual(first, copy);
});
