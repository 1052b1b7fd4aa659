import assert from "node:assert/strict";
import test from "node:test";
import { plainData } from "../../src/codec/plain.ts";
import { dataCodecContract } from "../contract/data-codec.ts";
import { secret } from "./keys.ts";

dataCodecContract("plain data", { codec: plainData, secret, authentic: false, readable: true });

test("plain data: text is stored as it is, without a promise", () => {
  const binding = { name: "sid", key: new Uint8Array(20), created: 0 };
  assert.equal(plainData().protect("{}", binding), "{}");
  assert.deepEqual(plainData().open("{}", binding), { ok: true, text: "{}", stale: false });
});
