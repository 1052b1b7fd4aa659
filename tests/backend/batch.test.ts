import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type {
  Backend,
  Call,
  Loaded,
  Outcome,
  RecordKey,
  StoredRecord,
  Write,
} from "../../src/backend/backend.ts";
import { batched } from "../../src/backend/batch.ts";
import type { Batch, BatchOptions } from "../../src/backend/batch.ts";
import { memoryBackend } from "../../src/backend/memory.ts";
import { StoreUnavailableError } from "../../src/errors.ts";
import { backendContract, newInsert, newKey, newRev, statuses } from "../contract/backend.ts";
import { ManualClock, settled } from "../support/clock.ts";

const HOUR = 3_600_000;

backendContract("batched", () => {
  const clock = new ManualClock();
  const backend = batched(memoryBackend({ clock }), { clock });
  const call = (ms = 5_000): Call => ({ deadline: clock.monotonic() + ms });
  const expire = async (key: RecordKey) => {
    clock.advance(HOUR);
    const [loaded] = await backend.load([key], call());
    assert.equal(loaded?.status, "absent");
    clock.advance(-HOUR);
  };
  return { backend, expire, call };
});

/** One call that reached the backend and waits for its answer. */
interface Trip {
  readonly keys: readonly string[];
  readonly writes: readonly Write[];
  readonly call: Call;
  /** Answers: that every write is done, that every record is absent. */
  readonly answer: () => void;
  readonly answerWith: (outcomes: readonly Outcome[]) => void;
  readonly fail: (error: unknown) => void;
}

/** A backend that answers when it is told to. */
class HeldBackend implements Backend {
  /** The trips that wait for an answer, oldest first. */
  readonly trips: Trip[] = [];
  isClosed = false;

  load(keys: readonly RecordKey[], call: Call): Promise<readonly Loaded[]> {
    return new Promise((resolve, reject) => {
      const answer = () => resolve(keys.map(() => ({ status: "absent" })));
      const texts = keys.map(({ text }) => text);
      this.trips.push({ keys: texts, writes: [], call, answer, answerWith: answer, fail: reject });
    });
  }

  write(writes: readonly Write[], call: Call): Promise<readonly Outcome[]> {
    return new Promise((resolve, reject) => {
      const answer = () => resolve(writes.map(() => ({ status: "done" })));
      const keys = writes.map(({ key }) => key.text);
      this.trips.push({ keys, writes, call, answer, answerWith: resolve, fail: reject });
    });
  }

  list(): Promise<readonly StoredRecord[]> {
    return Promise.resolve([]);
  }

  scan(): Promise<readonly StoredRecord[]> {
    return Promise.resolve([]);
  }

  remove(): Promise<number> {
    return Promise.resolve(7);
  }

  now(): number {
    return 42;
  }

  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }

  /** Takes the oldest trip. */
  next(): Trip {
    const trip = this.trips.shift();
    assert.ok(trip, "a batch is under way");
    return trip;
  }

  /** Answers everything until nothing comes any more; gives the trips. */
  async drain(): Promise<Trip[]> {
    const taken: Trip[] = [];
    for (await settled(); this.trips.length > 0; await settled()) {
      for (const trip of this.trips.splice(0)) {
        taken.push(trip);
        trip.answer();
      }
    }
    return taken;
  }
}

function setUp(options: BatchOptions = {}) {
  const clock = new ManualClock();
  const inner = new HeldBackend();
  const backend = batched(inner, { clock, ...options });
  const call = (ms = 5_000, signal?: AbortSignal): Call => ({
    deadline: clock.monotonic() + ms,
    signal,
  });
  /** Writes one, and gives what comes of it. */
  const write = async (one: Write = newWrite(), within: Call = call()): Promise<Outcome> => {
    const [outcome] = await backend.write([one], within);
    assert.ok(outcome);
    return outcome;
  };
  const load = async (key: RecordKey = newKey(), within: Call = call()): Promise<Loaded> => {
    const [loaded] = await backend.load([key], within);
    assert.ok(loaded);
    return loaded;
  };
  return { clock, inner, backend, call, write, load };
}

function newWrite(key: RecordKey = newKey(), data: string = ""): Write {
  return newInsert(0, { key, data });
}

/** Whether a promise has settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  const note = () => void (done = true);
  promise.then(note, note);
  await settled();
  return done;
}

function assertRefused(outcome: Outcome | undefined, certainty: "not-applied" | "unknown"): void {
  assert.equal(outcome?.status, "failed");
  assert.ok(outcome.error instanceof StoreUnavailableError);
  assert.equal(outcome.error.outcome, certainty);
}

describe("group commit", () => {
  it("sends at once, in the same turn, when nothing is under way", async () => {
    const { inner, write, load } = setUp();
    const writing = write();
    const loading = load();
    await Promise.resolve();
    assert.equal(inner.trips.length, 2);
    await inner.drain();
    assert.deepEqual([(await writing).status, (await loading).status], ["done", "absent"]);
  });

  it("sends together what is asked in one turn", async () => {
    const { inner, write } = setUp();
    const writing = Promise.all([write(), write(), write()]);
    await settled();
    assert.deepEqual(inner.trips.map(({ keys }) => keys.length), [3]);
    await inner.drain();
    assert.deepEqual(statuses(await writing), ["done", "done", "done"]);
  });

  it("lets what arrives meanwhile wait and go together, with two batches under way at most", async () => {
    const { inner, write } = setUp();
    const writing: Promise<Outcome>[] = [];
    for (let i = 0; i < 12; i++) {
      writing.push(write());
      await settled();
    }
    assert.ok(inner.trips.length <= 2);
    const under = inner.trips.flatMap(({ keys }) => keys).length;
    inner.next().answer();
    await settled();
    assert.ok(inner.trips.length <= 2);
    const trips = await inner.drain();
    assert.equal(Math.max(...trips.map(({ keys }) => keys.length)), 12 - under);
    assert.ok((await Promise.all(writing)).every(({ status }) => status === "done"));
  });

  it("answers each caller of one batch with its own outcome, in the order that it asked", async () => {
    const { inner, backend, call } = setUp();
    const [a, b, c] = [newWrite(), newWrite(), newWrite()];
    const first = backend.write([a, b], call());
    const second = backend.write([c], call());
    await settled();
    const trip = inner.next();
    assert.deepEqual(trip.keys, [a, b, c].map(({ key }) => key.text));
    trip.answerWith([{ status: "conflict" }, { status: "done" }, { status: "gone" }]);
    assert.deepEqual(statuses(await first), ["conflict", "done"]);
    assert.deepEqual(statuses(await second), ["gone"]);
  });

  it("never lets two writes of one record share a batch, and sends them in their order", async () => {
    const { inner, write } = setUp();
    const key = newKey();
    const writes = ["1", "2", "3", "4"].map((data) => newWrite(key, data));
    const writing = writes.map((one) => write(one));
    for (let i = 0; i < 5; i++) writing.push(write());
    const trips = await inner.drain();
    for (const { keys } of trips) assert.equal(new Set(keys).size, keys.length);
    const sent = trips.flatMap((trip) => trip.writes).filter((one) => one.key.text === key.text);
    assert.deepEqual(sent, writes);
    assert.ok((await Promise.all(writing)).every(({ status }) => status === "done"));
  });

  it("lets a record that many write delay no other", async () => {
    const { inner, write } = setUp();
    const hot = newKey();
    const writing = Array.from({ length: 50 }, () => write(newWrite(hot)));
    const other = newWrite();
    writing.push(write(other));
    await settled();
    const first = inner.trips.flatMap(({ keys }) => keys);
    assert.ok(first.includes(other.key.text), "it goes with the first batches");
    assert.equal(first.filter((text) => text === hot.text).length, inner.trips.length);
    await inner.drain();
    await Promise.all(writing);
  });

  it("sends the oldest first", async () => {
    const { inner, write } = setUp({ maxBatch: 4 });
    const writes = Array.from({ length: 30 }, () => newWrite());
    const writing = writes.map((one) => write(one));
    const sent = (await inner.drain()).flatMap(({ keys }) => keys);
    assert.deepEqual(sent, writes.map(({ key }) => key.text));
    await Promise.all(writing);
  });

  it("answers two loads of one record by one question", async () => {
    const { inner, load } = setUp();
    const key = newKey();
    const loading = Promise.all([load(key), load(), load(key), load(key)]);
    await settled();
    const trip = inner.next();
    assert.equal(trip.keys.length, 2);
    trip.answer();
    assert.deepEqual((await loading).map(({ status }) => status), Array(4).fill("absent"));
  });

  it("does not answer a load by a question that was asked before it", async () => {
    const { inner, load } = setUp();
    const key = newKey();
    const first = load(key);
    await settled();
    const second = load(key);
    await settled();
    inner.next().answer();
    assert.equal((await first).status, "absent");
    assert.equal(await isSettled(second), false);
    await inner.drain();
    await second;
  });

  it("keeps to the most operations and bytes of a batch; one that is larger goes alone", async () => {
    const { inner, write } = setUp({ maxBatch: 3, maxBatchBytes: 100 });
    const sizes = [10, 10, 10, 10, 60, 60, 500, 10, 90, 1];
    const writing = sizes.map((size) => write(newWrite(newKey(), "x".repeat(size))));
    const trips = await inner.drain();
    for (const { writes } of trips) {
      const bytes = writes.reduce((sum, one) => sum + ("data" in one ? one.data.length : 0), 0);
      assert.ok(writes.length === 1 || (writes.length <= 3 && bytes <= 100), `${bytes} bytes`);
    }
    assert.equal(trips.flatMap(({ keys }) => keys).length, sizes.length);
    await Promise.all(writing);
  });

  it("tells of each batch that was answered", async () => {
    const batches: Batch[] = [];
    const { inner, clock, write, load } = setUp({ onBatch: (batch) => batches.push(batch) });
    const working: Promise<unknown>[] = [
      write(newWrite(newKey(), "four")),
      write(newWrite(newKey(), "seven.")),
    ];
    await settled();
    clock.advance(12);
    inner.next().answer();
    await settled();
    working.push(load());
    await settled();
    inner.next().answer();
    await Promise.all(working);
    assert.deepEqual(batches, [
      { operation: "write", size: 2, bytes: 10, ms: 12 },
      { operation: "load", size: 1, bytes: 0, ms: 0 },
    ]);
  });

  it("goes on when the observer throws", async () => {
    const onBatch = () => {
      throw new Error("an observer's own fault");
    };
    const { inner, backend, call, write } = setUp({ onBatch, maxBatch: 1 });
    const writing = Promise.all([write(), write(), write(), write()]);
    await inner.drain();
    assert.deepEqual(statuses(await writing), Array(4).fill("done"));
    await backend.close(call());
  });

  it("passes on what it does not group", async () => {
    const { backend, call } = setUp();
    assert.deepEqual(await backend.list("ann", 1, call()), []);
    assert.equal(await backend.remove({ subject: "ann" }, call()), 7);
    assert.equal(backend.now(call()), 42);
  });
});

describe("group commit, when something fails", () => {
  it("fails the neighbours of an operation that cannot be sent no more than itself", async () => {
    const { inner, write } = setUp();
    const bad = newWrite();
    const writing = Promise.all([write(), write(bad), write()]);
    await settled();
    inner.next().fail(new RangeError("that one has no rev"));
    await settled();
    assert.equal(inner.trips.length, 3);
    for (const trip of inner.trips.splice(0)) {
      if (trip.keys[0] === bad.key.text) trip.fail(new RangeError("this one has no rev"));
      else trip.answer();
    }
    const outcomes = await writing;
    assert.deepEqual(statuses(outcomes), ["done", "failed", "done"]);
    assertRefused(outcomes[1], "unknown");
  });

  it("fails every operation of a batch in an outage, and goes on with the next", async () => {
    const { inner, write } = setUp();
    const writing = Promise.all([write(), write()]);
    await settled();
    inner.next().fail(new StoreUnavailableError("no primary", { outcome: "unknown" }));
    for (const outcome of await writing) assertRefused(outcome, "unknown");
    const again = write();
    await inner.drain();
    assert.equal((await again).status, "done");
  });

  it("fails every load of a batch that fails, with the error, and goes on with the next", async () => {
    const { inner, load } = setUp();
    const loading = [load(), load()];
    await settled();
    const error = new StoreUnavailableError("no primary", { outcome: "not-applied" });
    inner.next().fail(error);
    for (const one of loading) await assert.rejects(one, error);
    const again = load();
    await inner.drain();
    assert.equal((await again).status, "absent");
  });

  it("says not-applied of any load that fails", async () => {
    const { inner, load } = setUp();
    const refused = load();
    await settled();
    inner.next().fail(new RangeError("no such key"));
    await assert.rejects(refused, { name: "StoreUnavailableError", outcome: "not-applied" });
  });

  it("does not leave an operation without an answer when the backend forgets it", async () => {
    const { inner, write } = setUp();
    const writing = Promise.all([write(), write()]);
    await settled();
    inner.next().answerWith([{ status: "done" }]);
    const [first, second] = await writing;
    assert.equal(first?.status, "done");
    assertRefused(second, "unknown");
  });
});

describe("group commit, by the clock", () => {
  it("answers each operation within 75 ms of its own deadline, whatever the backend does", async () => {
    const { inner, clock, call, write, load } = setUp();
    const [soon, late] = [write(newWrite(), call(1_000)), write(newWrite(), call(3_000))];
    const loading = load(newKey(), call(1_000));
    const refused = assert.rejects(loading, { outcome: "not-applied" });
    await settled();
    for (let time = 0; time < 1_000; time += 50) clock.advance(50);
    assert.equal(await isSettled(soon), false);
    clock.advance(50);
    assert.equal(await isSettled(soon), true);
    assert.equal(await isSettled(late), false);
    assertRefused(await soon, "unknown");
    await refused;
    inner.next().answer();
    assert.equal((await late).status, "done");
  });

  it("gives a batch until the last of its deadlines", async () => {
    const { inner, call, write } = setUp();
    const writing = [write(newWrite(), call(1_000)), write(newWrite(), call(3_000))];
    await settled();
    assert.equal(inner.trips[0]?.call.deadline, 3_000);
    await inner.drain();
    await Promise.all(writing);
  });

  it("says not-applied of what still waited at its deadline, and never sends it", async () => {
    const { inner, clock, call, write } = setUp({ maxBatch: 1 });
    const ahead = [write(), write()];
    await settled();
    assert.equal(inner.trips.length, 2);
    const late = newWrite();
    const waiting = write(late, call(100));
    await settled();
    clock.advance(50);
    clock.advance(50);
    assertRefused(await waiting, "not-applied");
    const sent = (await inner.drain()).flatMap(({ keys }) => keys);
    assert.equal(sent.includes(late.key.text), false);
    assert.deepEqual(statuses(await Promise.all(ahead)), ["done", "done"]);
  });

  it("lets go at an abort: not-applied where it waited, unknown where it was under way", async () => {
    const { inner, call, write, load } = setUp({ maxBatch: 1 });
    const controllers = [new AbortController(), new AbortController(), new AbortController()];
    const [first, second, third] = controllers.map(({ signal }) =>
      write(newWrite(), call(5_000, signal))
    );
    const controller = new AbortController();
    const loading = load(newKey(), call(5_000, controller.signal));
    const refused = assert.rejects(loading, { outcome: "not-applied", cause: "enough" });
    await settled();
    controllers[0]?.abort("enough");
    controllers[2]?.abort("enough");
    controller.abort("enough");
    assertRefused(await first, "unknown");
    assertRefused(await third, "not-applied");
    await refused;
    const sent = (await inner.drain()).flatMap(({ writes }) => writes);
    assert.equal(sent.length, 2);
    assert.equal((await second)?.status, "done");
  });

  it("does not begin what was aborted before", async () => {
    const { inner, call, write } = setUp();
    assertRefused(await write(newWrite(), call(5_000, AbortSignal.abort())), "not-applied");
    assert.equal(inner.trips.length, 0);
  });

  it("at the deadline believes a backend that knows it never sent what it has", async () => {
    const { inner, clock, call, write } = setUp();
    const writing = write(newWrite(), call(100));
    await settled();
    clock.advance(50);
    clock.advance(50);
    const error = new StoreUnavailableError("no server was there", { outcome: "not-applied" });
    inner.next().fail(error);
    assertRefused(await writing, "not-applied");
  });

  it("ignores an answer that comes after the deadline, and goes on", async () => {
    const { inner, clock, call, write } = setUp();
    const writing = write(newWrite(), call(100));
    await settled();
    for (let time = 0; time < 150; time += 50) clock.advance(50);
    assertRefused(await writing, "unknown");
    inner.next().answer();
    const again = write();
    await inner.drain();
    assert.equal((await again).status, "done");
  });
});

describe("group commit, under too much load", () => {
  it("refuses what is beyond the most operations that wait, at once", async () => {
    const { inner, write } = setUp({ maxQueue: 5 });
    const ahead = [write()];
    await settled();
    ahead.push(write());
    await settled();
    const waiting = Array.from({ length: 5 }, () => write());
    const refused = await Promise.all(Array.from({ length: 3 }, () => write()));
    for (const outcome of refused) assertRefused(outcome, "not-applied");
    await inner.drain();
    const rest = await Promise.all([...ahead, ...waiting]);
    assert.ok(rest.every(({ status }) => status === "done"));
  });

  it("refuses what is beyond the most bytes that wait; one alone may have more", async () => {
    const { inner, write } = setUp({ maxQueueBytes: 100 });
    const large = write(newWrite(newKey(), "x".repeat(500)));
    const refused = await write(newWrite(newKey(), "x"));
    assertRefused(refused, "not-applied");
    await inner.drain();
    assert.equal((await large).status, "done");
    const again = write(newWrite(newKey(), "x".repeat(100)));
    await inner.drain();
    assert.equal((await again).status, "done");
  });

  it("holds 20,000 writes at once within its bounds, and recovers from them", async () => {
    const { inner, write } = setUp();
    const ahead = [write()];
    await settled();
    const outcomes = new Map<string, number>();
    const note = async (one: Promise<Outcome>) => {
      const { status } = await one;
      outcomes.set(status, (outcomes.get(status) ?? 0) + 1);
    };
    const writing = Array.from({ length: 20_000 }, () => note(write()));
    await settled();
    const waited = 20_000 - (outcomes.get("failed") ?? 0);
    assert.equal(waited, 10_000, "the rest was refused while the backend had not answered");
    assert.ok(inner.trips.length <= 2);
    const sent = (await inner.drain()).flatMap(({ keys }) => keys);
    await Promise.all([...writing, ...ahead]);
    assert.equal(sent.length, waited + 1);
    assert.deepEqual(outcomes, new Map([["failed", 20_000 - waited], ["done", waited]]));
    const again = [write(), write()];
    await inner.drain();
    assert.deepEqual(statuses(await Promise.all(again)), ["done", "done"]);
  });

  it("frees the bytes of what gave up while it waited", async () => {
    const { inner, clock, call, write } = setUp({ maxQueueBytes: 100, maxBatch: 1 });
    const ahead = [write(), write()];
    await settled();
    const waiting = write(newWrite(newKey(), "x".repeat(100)), call(50));
    await settled();
    clock.advance(50);
    assertRefused(await waiting, "not-applied");
    await inner.drain();
    await Promise.all(ahead);
    const again = write(newWrite(newKey(), "x".repeat(100)));
    await inner.drain();
    assert.equal((await again).status, "done");
  });
});

describe("group commit, closing", () => {
  it("waits for what waits and what is under way, then closes the backend, and refuses the rest", async () => {
    const { inner, backend, call, write, load } = setUp({ maxBatch: 1 });
    const working = [write(), write(), write(), load()];
    await settled();
    const closing = backend.close(call());
    assert.equal(await isSettled(closing), false);
    assertRefused(await write(), "not-applied");
    await assert.rejects(load(), { outcome: "not-applied" });
    assert.equal(inner.isClosed, false);
    await inner.drain();
    await closing;
    assert.equal(inner.isClosed, true);
    const answers = await Promise.all(working);
    assert.deepEqual(answers.map(({ status }) => status), ["done", "done", "done", "absent"]);
  });

  it("gives up at its deadline, and says so", async () => {
    const { clock, backend, call, write } = setUp();
    const writing = write(newWrite(), call(60_000));
    await settled();
    const closing = backend.close(call(1_000));
    const refused = assert.rejects(closing, { name: "StoreUnavailableError" });
    clock.advance(1_000);
    await refused;
    clock.advance(60_000);
    assertRefused(await writing, "unknown");
  });

  it("closes at once where nothing is under way", async () => {
    const { inner, backend, call } = setUp();
    await backend.close(call());
    assert.equal(inner.isClosed, true);
  });

  it("gives a touch and a remove no bytes", async () => {
    const batches: Batch[] = [];
    const { inner, backend, call } = setUp({ onBatch: (batch) => batches.push(batch) });
    const expected = newRev();
    const expiry = { idle: HOUR, until: HOUR };
    const writing = backend.write([
      { kind: "touch", key: newKey(), expected, expiry },
      { kind: "remove", key: newKey() },
    ], call());
    await inner.drain();
    await writing;
    assert.deepEqual(batches.map(({ size, bytes }) => [size, bytes]), [[2, 0]]);
  });
});
