// SECURITY.md section 1, guessing and forging. scripts/forge.mjs does the same with a million.
import assert from "node:assert/strict";
import { it } from "node:test";
import { presentForgeries } from "./forgeries.ts";

const COUNT = 50_000;

it("forged tokens by the ten thousand, mutated and random: all refused, the database never asked", async (context) => {
  const { count, kinds, ...outcome } = await presentForgeries(COUNT, 1);
  context.diagnostic?.(`${count} forged tokens refused`);
  assert.equal(count, COUNT);
  assert.deepEqual(outcome, { accepted: 0, loads: 0, rejects: COUNT });
  assert.equal(kinds.size, 9);
  for (const [kind, number] of kinds) assert.ok(number > COUNT / 10, kind);
});
