import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SessionCollection } from "../../src/backend/mongodb.ts";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { ServerClock } from "../../src/backend/server-clock.ts";
import type { Clock } from "../../src/clock.ts";
import { newKey } from "../contract/backend.ts";

/** A process whose wall clock is wrong by an hour; only its monotonic clock counts. */
class Machine implements Clock {
  mono = 1_000;
  now(): number {
    return 3_600_000 + this.mono;
  }
  monotonic(): number {
    return this.mono;
  }
  after(): () => void {
    return () => {};
  }
}

describe("the database's clock", () => {
  it("is unknown before the first sample", () => {
    const server = new ServerClock(new Machine());
    assert.equal(server.now(), undefined);
    assert.ok(server.isStale);
  });

  it("is the middle of sending and receiving, and goes on from there", () => {
    const machine = new Machine();
    const server = new ServerClock(machine);
    server.sample(1_000, 1_010, 500_000);
    machine.mono = 1_010;
    assert.equal(server.now(), 500_005);
    machine.mono = 6_010;
    assert.equal(server.now(), 505_005);
    assert.ok(!server.isStale);
  });

  it("keeps the tightest sample", () => {
    const machine = new Machine();
    const server = new ServerClock(machine);
    server.sample(1_000, 1_010, 500_005);
    server.sample(1_010, 1_210, 500_080); // wide, and in agreement
    machine.mono = 1_210;
    assert.equal(server.now(), 500_210);
    server.sample(1_210, 1_212, 500_209); // tighter
    machine.mono = 1_212;
    assert.equal(server.now(), 500_210);
  });

  it("takes any sample when the best is old", () => {
    const machine = new Machine();
    const server = new ServerClock(machine);
    server.sample(1_000, 1_002, 500_001);
    machine.mono = 31_003;
    assert.ok(server.isStale);
    server.sample(31_003, 31_203, 530_080);
    machine.mono = 31_203;
    assert.equal(server.now(), 530_180);
    assert.ok(!server.isStale);
  });

  it("follows a clock that was set, or another server, at once", () => {
    const machine = new Machine();
    const server = new ServerClock(machine);
    server.sample(1_000, 1_002, 500_001);
    server.sample(1_002, 1_302, 440_000);
    machine.mono = 1_302;
    assert.equal(server.now(), 440_150);
  });
});

const unused = (): Promise<never> => Promise.reject(new Error("not used"));

/** A database whose clock is `ahead` of the machine's monotonic one, and which may be silent. */
function make(machine: Machine) {
  const state = { ahead: 500_000, asked: 0, fails: false, silent: false };
  const answer = async (): Promise<object[]> => {
    state.asked++;
    if (state.silent) return await new Promise<never>(() => {});
    if (state.fails) throw Object.assign(new Error("closed"), { name: "MongoNetworkError" });
    return [{ now: new Date(machine.mono + state.ahead) }];
  };
  const collection: SessionCollection = {
    collectionName: "sessions",
    aggregate: () => ({ toArray: answer }),
    find: () => ({ toArray: answer }),
    findOne: async () => (await answer())[0] ?? null,
    listIndexes: () => ({ toArray: answer }),
    insertOne: unused,
    updateOne: unused,
    deleteOne: unused,
    deleteMany: unused,
    bulkWrite: unused,
    createIndex: unused,
  };
  const backend = mongodbBackend(collection, { clock: machine });
  return { state, backend, now: () => backend.now({ deadline: machine.mono + 100 }) };
}
/** Lets what is under way in memory go on. */
async function settle(): Promise<void> {
  for (let i = 0; i < 30; i++) await Promise.resolve();
}

describe("the backend's time", () => {
  it("is asked for once and then known", async () => {
    const machine = new Machine();
    const { state, now } = make(machine);
    assert.equal(await now(), 501_000);
    machine.mono += 20_000;
    assert.equal(now(), 521_000);
    assert.equal(state.asked, 1);
  });

  it("comes with every load", async () => {
    const machine = new Machine();
    const { state, backend, now } = make(machine);
    await backend.load([newKey()], { deadline: machine.mono + 100 });
    assert.equal(now(), 501_000);
    state.ahead += 60_000;
    await backend.load([newKey()], { deadline: machine.mono + 100 });
    assert.equal(now(), 561_000);
    assert.equal(state.asked, 2);
  });

  it("is asked again behind the caller's back when it is old, one question at a time", async () => {
    const machine = new Machine();
    const { state, now } = make(machine);
    await now();
    machine.mono += 31_000;
    state.ahead += 5;
    assert.equal(now(), 532_000);
    assert.equal(now(), 532_000);
    await settle();
    assert.equal(state.asked, 2);
    assert.equal(now(), 532_005);
  });

  it("never fails because of that", async () => {
    const machine = new Machine();
    const { state, now } = make(machine);
    await now();
    machine.mono += 31_000;
    state.fails = true;
    assert.equal(now(), 532_000);
    await settle();
    state.fails = false;
    state.silent = true;
    assert.equal(now(), 532_000);
    await settle();
    assert.equal(now(), 532_000);
    assert.equal(state.asked, 4); // twice in vain, once without an answer, and no more meanwhile
  });
});
