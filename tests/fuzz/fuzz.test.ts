import assert from "node:assert/strict";
import test from "node:test";
import { TARGETS } from "./targets.ts";

// The same inputs every time: `npm run fuzz` looks further.
const SEED = 20_260_731;

for (const { name, reaches, search } of TARGETS) {
  test(`fuzz: ${name}`, async () => {
    const { failure, ends } = await search({ seed: SEED });
    assert.equal(failure?.report, undefined);
    assert.deepEqual(reaches.filter((end) => !ends.has(end)), [], "ends that no input came to");
  });
}

test("fuzz: each target has a name of its own", () => {
  assert.equal(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length);
});
