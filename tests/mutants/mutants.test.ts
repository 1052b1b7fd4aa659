import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertCaught, runOn } from "./harness.ts";
import { MUTANTS, SCHEDULES, SIMULATION } from "./simulation.ts";

describe("the simulation notices that", { concurrency: 2 }, () => {
  it(`nothing is wrong in ${SCHEDULES} schedules of the source as it is`, async () => {
    const { code, output } = await runOn([], SIMULATION);
    assert.equal(code, 0, output);
  });
  for (const mutant of MUTANTS) it(mutant.name, () => assertCaught(mutant));
});
