import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { memoryBackend } from "../../src/backend/memory.ts";
import type { Call, RecordKey } from "../../src/backend/backend.ts";
import type { Clock } from "../../src/clock.ts";
import { backendContract, newInsert, newKey, statuses } from "../contract/backend.ts";

/** A clock that stands until it is moved. */
class HandClock implements Clock {
  time = Date.UTC(2026, 0, 1, 12);
  now(): number {
    return this.time;
  }
  monotonic(): number {
    return this.time;
  }
  after(): () => void {
    return () => {};
  }
}

/** Expires a record by moving the clock past it and back: only a memory backend's expiry can be moved so. */
function fixture() {
  const clock = new HandClock();
  const backend = memoryBackend({ clock });
  const call = (ms = 5_000): Call => ({ deadline: clock.time + ms });
  const expire = async (key: RecordKey) => {
    const start = clock.time;
    clock.time += 3_600_000; // to the millisecond at which it expires
    const [loaded] = await backend.load([key], call());
    assert.equal(loaded?.status, "absent");
    clock.time = start;
  };
  return { backend, expire, call };
}

backendContract("memory", fixture);

describe("the memory backend", () => {
  const call: Call = { deadline: Infinity };

  it("expires at the millisecond", async () => {
    const clock = new HandClock();
    const backend = memoryBackend({ clock });
    const insert = newInsert(clock.time);
    await backend.write([insert], call);
    clock.time += 3_599_999;
    assert.equal((await backend.load([insert.key], call))[0]?.status, "found");
    clock.time += 1;
    assert.equal((await backend.load([insert.key], call))[0]?.status, "absent");
  });

  it("refuses inserts beyond its bound, and only inserts, until something has expired", async () => {
    const clock = new HandClock();
    const backend = memoryBackend({ clock, maxRecords: 3 });
    const short = newInsert(clock.time, { expiry: { idle: 1_000, until: clock.time + 1_000 } });
    const writes = [short, ...Array.from({ length: 3 }, () => newInsert(clock.time))];
    const outcomes = await backend.write(writes, call);
    assert.deepEqual(statuses(outcomes), ["done", "done", "done", "failed"]);
    const [, , , last] = outcomes;
    assert.ok(last?.status === "failed" && last.error.outcome === "not-applied");

    clock.time += 1_000;
    const late = newInsert(clock.time);
    assert.deepEqual(statuses(await backend.write([late], call)), ["done"]);
    assert.deepEqual(statuses(await backend.write([newInsert(clock.time)], call)), ["failed"]);
    assert.deepEqual(
      statuses(await backend.write([{ kind: "remove", key: late.key }], call)),
      ["done"],
    );
    assert.deepEqual(statuses(await backend.write([newInsert(clock.time)], call)), ["done"]);
  });

  it("forgets what has expired, without being asked for it", async () => {
    const clock = new HandClock();
    const backend = memoryBackend({ clock, maxRecords: 10_000 });
    for (let i = 0; i < 100_000; i++) {
      clock.time += 1_000;
      const outcome = await backend.write([newInsert(clock.time)], call);
      assert.equal(outcome[0]?.status, "done");
    }
  });

  it("takes only a whole number of records for a bound", () => {
    for (const maxRecords of [0, -1, 1.5, NaN, Infinity]) {
      assert.throws(() => memoryBackend({ maxRecords }), RangeError);
    }
  });

  it("shares no outcome and no record between keys", async () => {
    const backend = memoryBackend();
    assert.deepEqual(await backend.load([newKey(), newKey()], call), [
      { status: "absent" },
      { status: "absent" },
    ]);
  });
});
