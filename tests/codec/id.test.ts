import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import test from "node:test";
import { systemRandom } from "../../src/clock.ts";
import {
  newSessionId,
  RECORD_KEY_BYTES,
  recordKeyBytes,
  SESSION_ID_BYTES,
} from "../../src/codec/id.ts";

test("id: 4 bytes of time and 20 random ones", () => {
  const asked: number[] = [];
  const id = newSessionId(1_700_000_000_999, (length) => {
    asked.push(length);
    return new Uint8Array(length).fill(7);
  });
  assert.deepEqual(asked, [20]);
  assert.equal(id.length, SESSION_ID_BYTES);
  assert.equal(Buffer.from(id).toString("hex"), "6553f100" + "07".repeat(20));
});

test("id: ten thousand ids of one second are all different", () => {
  const ids = Array.from({ length: 10_000 }, () => newSessionId(0, systemRandom).join());
  assert.equal(new Set(ids).size, 10_000);
});

test("id: a record's key is the time and a hash of name and id", () => {
  const id = newSessionId(1_700_000_000_999, (length) => new Uint8Array(length).fill(7));
  const key = recordKeyBytes("sid", id);
  const hash = createHash("sha256").update("mongostore/v1/id\0\0\x03sid").update(id).digest();
  assert.equal(key.length, RECORD_KEY_BYTES);
  assert.deepEqual([...key], [...id.subarray(0, 4), ...hash.subarray(0, 16)]);
});

test("id: keys differ by name and by id, and grow with time", () => {
  const early = newSessionId(1_000_000, systemRandom);
  const late = newSessionId(2_000_000, systemRandom);
  assert.notDeepEqual(recordKeyBytes("a", early), recordKeyBytes("b", early));
  assert.notDeepEqual(recordKeyBytes("a", early), recordKeyBytes("a", late));
  assert.ok(Buffer.compare(recordKeyBytes("a", early), recordKeyBytes("a", late)) < 0);
});

test("id: a name too long for its length field is refused", () => {
  const id = newSessionId(0, systemRandom);
  assert.equal(recordKeyBytes("a".repeat(65_535), id).length, 20);
  assert.throws(() => recordKeyBytes("a".repeat(65_536), id), RangeError);
});
