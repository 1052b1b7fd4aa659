import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { StoreUnavailableError } from "../src/errors.ts";
import { Lanes } from "../src/lanes.ts";
import { ManualClock, settled } from "./support/clock.ts";

/** A piece of work that ends when the test says so. */
function gate(): { work: () => Promise<void>; open: () => void } {
  let open: () => void = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { work: () => opened, open };
}

describe("lanes", () => {
  it("let the callers of one key go one after the other, first come first served", async () => {
    const lanes = new Lanes<string, number>(new ManualClock(), 100);
    const log: string[] = [];
    let inside = 0;
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        lanes.run("key", { deadline: 1000 }, async () => {
          assert.equal(++inside, 1);
          await settled();
          inside--;
          log.push(`${i}`);
        })),
    );
    assert.deepEqual(log, Array.from({ length: 50 }, (_, i) => `${i}`));
  });

  it("let the callers of other keys go at once", async () => {
    const lanes = new Lanes<string, number>(new ManualClock(), 0);
    const { work, open } = gate();
    const first = lanes.run("a", { deadline: 1000 }, work);
    assert.equal(await lanes.run("b", { deadline: 1000 }, () => Promise.resolve(2)), 2);
    open();
    await first;
  });

  it("hand each caller what the one before it left, and nothing to one that finds the lane free", async () => {
    const lanes = new Lanes<string, number>(new ManualClock(), 100);
    const seen = await Promise.all(
      [1, 2, 3].map((left) =>
        lanes.run("key", { deadline: 1000 }, async (turn) => {
          await settled();
          const before = turn.latest;
          turn.latest = left;
          return before;
        })
      ),
    );
    assert.deepEqual(seen, [undefined, 1, 2]);
    assert.equal(
      await lanes.run("key", { deadline: 1000 }, (turn) => Promise.resolve(turn.latest)),
      undefined,
    );
  });

  it("go on past work that rejects or throws", async () => {
    const lanes = new Lanes<string, number>(new ManualClock(), 100);
    const failure = new RangeError("no");
    const outcomes = await Promise.allSettled([
      lanes.run("key", { deadline: 1000 }, () => Promise.reject(failure)),
      lanes.run("key", { deadline: 1000 }, () => {
        throw failure;
      }),
      lanes.run("key", { deadline: 1000 }, () => Promise.resolve("done")),
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status), ["rejected", "rejected", "fulfilled"]);
  });

  it("refuse at the deadline, with the work never run, and let the rest go on", async () => {
    const clock = new ManualClock();
    const lanes = new Lanes<string, number>(clock, 100);
    const { work, open } = gate();
    const holding = lanes.run("key", { deadline: 10_000 }, work);
    let ran = false;
    const late = lanes.run("key", { deadline: 100 }, () => {
      ran = true;
      return Promise.resolve();
    });
    const patient = lanes.run("key", { deadline: 10_000 }, () => Promise.resolve("done"));
    const refused = assert.rejects(
      late,
      (error) => error instanceof StoreUnavailableError && error.outcome === "not-applied",
    );
    clock.advance(100);
    await refused;
    open();
    await holding;
    assert.deepEqual([await patient, ran], ["done", false]);
  });

  it("refuse at once beyond the bound, over all lanes, and take callers again when some have gone", async () => {
    const lanes = new Lanes<string, number>(new ManualClock(), 2);
    const { work, open } = gate();
    const running = ["a", "b"].map((key) => lanes.run(key, { deadline: 1000 }, work));
    const waiting = ["a", "b"].map((key) =>
      lanes.run(key, { deadline: 1000 }, () => Promise.resolve())
    );
    await assert.rejects(
      lanes.run("a", { deadline: 1000 }, () => Promise.resolve()),
      StoreUnavailableError,
    );
    open();
    await Promise.all([...running, ...waiting]);
    const again = gate();
    const holding = lanes.run("a", { deadline: 1000 }, again.work);
    const queued = lanes.run("a", { deadline: 1000 }, () => Promise.resolve("done"));
    again.open();
    await holding;
    assert.equal(await queued, "done");
  });

  it("refuse when the signal aborts, at once where it already has, and keep its reason as the cause", async () => {
    const lanes = new Lanes<string, number>(new ManualClock(), 100);
    const { work, open } = gate();
    const holding = lanes.run("key", { deadline: 1000 }, work);
    const controller = new AbortController();
    const call = { deadline: 1000, signal: controller.signal };
    const refusal = (error: unknown) =>
      error instanceof StoreUnavailableError && error.cause === "gone home";
    const waiting = assert.rejects(lanes.run("key", call, () => Promise.resolve()), refusal);
    controller.abort("gone home");
    await waiting;
    await assert.rejects(lanes.run("key", call, () => Promise.resolve()), refusal);
    open();
    await holding;
    assert.equal(await lanes.run("key", { deadline: 1000 }, () => Promise.resolve("done")), "done");
  });

  it("leave no timer behind: time that goes by later refuses nobody", async () => {
    const clock = new ManualClock();
    const lanes = new Lanes<string, number>(clock, 100);
    const first = lanes.run("key", { deadline: 100 }, () => settled());
    const second = gate();
    const started = lanes.run("key", { deadline: 100 }, second.work);
    await first;
    await settled();
    clock.advance(1000);
    second.open();
    await started;
  });
});
