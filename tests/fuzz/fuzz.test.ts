import assert from "node:assert/strict";
import test from "node:test";
import { TARGETS } from "./targets.ts";

// The same inputs every time: `npm run fuzz` looks further.
const SEED = 20_260_731;

for (const { name, search } of TARGETS) {
  test(`fuzz: ${name}`, async () => {
    const { failure, runs } = await search({ seed: SEED });
    assert.equal(failure?.report, undefined);
    assert.ok(runs > 0);
  });
}

test("fuzz: each target has a name of its own", () => {
  assert.equal(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length);
});
