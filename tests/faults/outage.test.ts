import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Collection, MongoClient } from "mongodb";
import type { Backend, Call, Outcome, Write } from "../../src/backend/backend.ts";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { StoreUnavailableError, type WriteCertainty } from "../../src/errors.ts";
import { callFor, type Stored } from "../backend/mongo.ts";
import { newInsert, newKey, statuses, updateOf } from "../contract/backend.ts";
import { Lair, Mongod } from "../support/mongod-process.ts";
import { Rejections } from "./rejections.ts";

const DEADLINE = 1_000;
/** 100 ms are promised; a busy machine gets some more before the test fails. */
const NOISE = 600;

/** Runs until its deadline, and fails with one of these outcomes. Gives by how much it was late, in milliseconds. */
async function expectLate(
  run: (call: Call) => Promise<unknown>,
  ...outcomes: WriteCertainty[]
): Promise<number> {
  const start = performance.now();
  await assert.rejects(run({ deadline: start + DEADLINE }), (error) => {
    assert.ok(error instanceof StoreUnavailableError, String(error));
    assert.ok(outcomes.includes(error.outcome), error.outcome);
    return true;
  });
  const late = performance.now() - start - DEADLINE;
  assert.ok(late < NOISE, `${late} ms late`);
  return late;
}

/** Writes, and throws what the only outcome failed with. */
async function writeOne(backend: Backend, write: Write, call: Call): Promise<Outcome> {
  const [outcome] = await backend.write([write], call);
  assert.ok(outcome);
  if (outcome.status === "failed") throw outcome.error;
  return outcome;
}

/** Loads until the database answers again. */
async function untilBack(backend: Backend): Promise<void> {
  for (const start = performance.now(); performance.now() - start < 60_000;) {
    try {
      await backend.load([newKey()], callFor(DEADLINE));
      return;
    } catch (error) {
      assert.ok(error instanceof StoreUnavailableError);
    }
  }
  assert.fail("the database did not come back");
}

describe("an outage", { timeout: 240_000 }, () => {
  let lair: Lair;
  let mongod: Mongod;
  let client: MongoClient;
  let collection: Collection<Stored>;
  let backend: Backend;
  const rejections = new Rejections();
  before(async () => {
    lair = new Lair();
    mongod = await Mongod.create(lair);
    client = await mongod.connect({ maxPoolSize: 10 });
    collection = client.db("faults").collection<Stored>("sessions");
    backend = mongodbBackend(collection);
  });
  after(async () => {
    mongod?.resume();
    await client?.close();
    await mongod?.kill();
    await lair?.dispose();
    rejections.dispose();
  });

  it("of a stopped server: everything settles by its deadline, and goes on when it is back", async (context) => {
    const insert = newInsert(await backend.now(callFor()), { subject: "ann" });
    await writeOne(backend, insert, callFor());
    const update = updateOf(insert);

    await mongod.stop();
    const { key } = insert;
    const { created } = insert;
    const late = [
      // This one finds an open connection and is sent; those after it may find none, and then know that they were not.
      await expectLate((call) => writeOne(backend, update, call), "unknown"),
      ...await Promise.all([
        expectLate((call) => backend.load([key], call), "not-applied"),
        expectLate((call) => backend.load([key, newKey()], call), "not-applied"),
        expectLate((call) => backend.list("ann", 9, call), "not-applied"),
        expectLate((call) => writeOne(backend, newInsert(created), call), "unknown", "not-applied"),
        expectLate((call) => backend.remove({ subject: "ben" }, call), "unknown", "not-applied"),
      ]),
    ];
    const soon = performance.now();
    assert.equal(typeof backend.now(callFor()), "number");
    assert.ok(performance.now() - soon < 50);
    context.diagnostic(`at most ${Math.max(...late).toFixed(1)} ms late`);

    mongod.resume();
    await untilBack(backend);
    // The update was sent. Whether it landed in the end is the server's business; it did wholly or not at all.
    const [loaded] = await backend.load([key], callFor());
    assert.ok(loaded?.status === "found");
    const { rev, data } = loaded.record;
    const landed = Buffer.from(rev).equals(update.rev);
    assert.deepEqual([rev, data], landed ? [update.rev, update.data] : [insert.rev, insert.data]);
    context.diagnostic(landed ? "the update landed later" : "the update never landed");
    assert.equal((await writeOne(backend, { kind: "remove", key }, callFor())).status, "done");
  });

  it("of a stopped server with more callers than connections: none hangs, and none of the pool is lost", async (context) => {
    await mongod.stop();
    const late = await Promise.all(Array.from(
      { length: 200 },
      () => expectLate((call) => backend.load([newKey()], call), "not-applied"),
    ));
    context.diagnostic(`at most ${Math.max(...late).toFixed(1)} ms late`);
    mongod.resume();
    await untilBack(backend);
    const loads = Array.from({ length: 200 }, () => backend.load([newKey()], callFor()));
    assert.equal((await Promise.all(loads)).length, 200);
  });

  it("of a killed server: not-applied as soon as nothing can be sent, and goes on when it is back", async () => {
    const insert = newInsert(await backend.now(callFor()));
    await writeOne(backend, insert, callFor());
    await mongod.kill();
    await assert.rejects(backend.load([insert.key], callFor(DEADLINE)), StoreUnavailableError);
    for (const write of [updateOf(insert), newInsert(insert.created)]) {
      for (let tries = 0;; tries++) {
        const start = performance.now();
        const [outcome] = await backend.write([write], callFor(DEADLINE));
        assert.ok(performance.now() - start < DEADLINE + NOISE);
        assert.ok(outcome?.status === "failed");
        if (outcome.error.outcome === "not-applied") break;
        assert.ok(tries < 20, "the driver has noticed by now");
      }
    }
    await mongod.start();
    await untilBack(backend);
    assert.equal((await writeOne(backend, updateOf(insert), callFor())).status, "done");
  });

  it("a kill of a standalone server amid writes loses nothing that was acknowledged", async (context) => {
    let acknowledged = 0;
    let unanswered = 0;
    for (let round = 0; round < 20; round++) {
      await untilBack(backend);
      const at = await backend.now(callFor());
      const writers = Array.from({ length: 8 }, () => newInsert(at));
      assert.ok(statuses(await backend.write(writers, callFor())).every((one) => one === "done"));
      const state = { isOver: false };
      const last = writers.map(async (insert) => {
        let current: Parameters<typeof updateOf>[0] = insert;
        while (!state.isOver) {
          const update = updateOf(current);
          const [outcome] = await backend.write([update], callFor(300));
          if (outcome?.status !== "done") return { current, attempted: update };
          current = update;
          acknowledged++;
        }
        return { current, attempted: undefined };
      });
      await sleep(60 + 7 * round);
      await mongod.kill();
      state.isOver = true;
      const ends = await Promise.all(last);
      await mongod.start();
      await untilBack(backend);
      for (const { current, attempted } of ends) {
        const [loaded] = await backend.load([current.key], callFor());
        assert.ok(loaded?.status === "found", "the record is there");
        const { rev } = loaded.record;
        const isLast = Buffer.from(rev).equals(current.rev);
        if (!isLast) {
          unanswered++;
          assert.deepEqual(rev, attempted?.rev, "the last acknowledged write, or the one after it");
        }
      }
    }
    assert.ok(acknowledged > 100);
    context.diagnostic(`${acknowledged} acknowledged, ${unanswered} landed without an answer`);
  });

  it("leaves no rejection unheard", () => {
    assert.deepEqual(rejections.seen, []);
  });
});
