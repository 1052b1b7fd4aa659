import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { outputOf, type Ran } from "../support/output.ts";
import { describeFailure, explore } from "./explore.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";
import { simulate } from "./world.ts";

/** Other runtimes only have to agree with Node. */
const isNode = !("bun" in process.versions) && !("deno" in process.versions);
const MANY = 20_000;
const FEW = isNode ? 1_000 : 2_000;

/** Schedules far from the first ones that once looked broken. */
const ONCE_FAILED = [
  50_125_543, // a revokeAll that was given up reached the server two seconds later
];

/** What the schedules have to contain to be worth anything. */
const EXERCISED = [
  "event merge",
  "event touch",
  "increment done",
  "increment unknown",
  "increment nothing",
  "flashes taken",
  "regenerate done",
  "regenerate unknown",
  "destroy done",
  "destroy unknown",
  "revoke done",
  "close done",
  "loads of nothing",
  "outcome insert failed",
  "outcome update conflict",
  "outcome update gone",
  "outcome touch conflict",
  "outcome remove conflict",
];

describe("a simulated cluster of stores on one collection", () => {
  // Not within the runner: on Node it watches every promise, which takes as long again.
  it(`keeps every guarantee over ${MANY} schedules of faults`, { skip: !isNode }, async () => {
    const { code, output } = await soak(MANY);
    assert.equal(code, 0, output);
  });

  it("keeps every guarantee on this runtime, and exercises them all", async () => {
    const { failed, tally } = await explore(1, FEW);
    assert.ok(!failed, failed && describeFailure(failed));
    assert.deepEqual(EXERCISED.filter((what) => !tally.has(what)), []);
  });

  it("keeps every guarantee in the schedules that once looked broken", async () => {
    for (const seed of ONCE_FAILED) {
      const { failed } = await explore(seed, 1);
      assert.ok(!failed, failed && describeFailure(failed));
    }
  });

  it("does the same thing for the same seed", async () => {
    for (const seed of [1, 2, 3, 5, 8, 13, 21, 34, 55, 89]) {
      const [first, again] = [await simulate(seed, true), await simulate(seed, true)];
      assert.ok(first.trace.length > 10);
      assert.deepEqual(again.trace, first.trace);
    }
  });

  it("does something else for another seed", async () => {
    const [one, other] = [await simulate(1, true), await simulate(2, true)];
    assert.notDeepEqual(one.trace, other.trace);
  });
});

describe("the simulation's scheduler", () => {
  it("runs events in the order of their times, and none that is cancelled", async () => {
    const scheduler = new Scheduler(new Random(1));
    const seen: number[] = [];
    for (const at of [30, 10, 20, 25, 5]) scheduler.after(at, () => seen.push(at));
    scheduler.after(15, () => seen.push(15))();
    scheduler.after(10, () => void scheduler.after(2, () => seen.push(scheduler.now)));
    await scheduler.run(100);
    assert.deepEqual(seen, [5, 10, 12, 20, 25, 30]);
    assert.equal(scheduler.now, 30);
  });

  it("lets every promise settle before time goes on", async () => {
    const scheduler = new Scheduler(new Random(1));
    const seen: string[] = [];
    const work = async () => {
      for (let i = 0; i < 1_000; i++) await Promise.resolve();
      seen.push("a thousand turns");
    };
    scheduler.after(1, () => void work());
    scheduler.after(1.001, () => seen.push("the next event"));
    await scheduler.run(100);
    assert.deepEqual(seen, ["a thousand turns", "the next event"]);
  });

  it("gives up what has no end", async () => {
    const scheduler = new Scheduler(new Random(1));
    const again = () => void scheduler.after(1, again);
    again();
    await assert.rejects(scheduler.run(100), /no end/);
  });

  it("shows machines their own wall clocks over one time", async () => {
    const scheduler = new Scheduler(new Random(1));
    const [one, other] = [scheduler.clock(1_000, 5), scheduler.clock(-60_000, 7)];
    await scheduler.run(1);
    scheduler.after(10, () => {});
    await scheduler.run(1);
    assert.deepEqual([one.now(), other.now()], [1_010, -59_990]);
    assert.deepEqual([one.monotonic(), other.monotonic()], [15, 17]);
  });
});

/** Runs the schedules of the first seeds in processes of their own. */
function soak(runs: number): Promise<Ran> {
  const script = fileURLToPath(new URL("../../scripts/soak.mjs", import.meta.url));
  const child = spawn(process.execPath, [script, `--runs=${runs}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  return outputOf(child);
}
