import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertCaught, runOn } from "./harness.ts";
import { ALL_TESTS, PROTECTION_MUTANTS, TESTS } from "./protection.ts";

describe("the tests of what protects notice that", { concurrency: 2 }, () => {
  it("nothing is wrong in the source as it is", async () => {
    const { code, output } = await runOn([], ALL_TESTS);
    assert.equal(code, 0, output);
    // A test that was renamed would be passed over.
    assert.equal(output.match(/^ *ok \d+ - (?!.*# SKIP)(?!.*\.ts$)/gm)?.length, TESTS, output);
  });
  for (const mutant of PROTECTION_MUTANTS) it(mutant.name, () => assertCaught(mutant));
});
