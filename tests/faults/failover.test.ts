import assert from "node:assert/strict";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { createMongoStore, generateKey, mongodbBackend, Store } from "#mongostore";
import type { SessionCollection } from "#mongostore";
import { poll } from "../support/mongod-process.ts";
import { MongodSet } from "../support/mongod-set.ts";
import { type Account, type Marks, settleAccount } from "./ledger.ts";
import { Load } from "./load.ts";
import {
  assertInTime,
  failures,
  heapUsed,
  LoopLag,
  ms,
  percentile,
  type Sample,
  table,
} from "./measure.ts";
import { Rejections } from "./rejections.ts";

// The default of the library, and of MongoDB: users have these.
const TIMEOUT_MS = 5_000;
const WRITERS = 20;
const APP = "mongostore-failover";

/** After a kill the others wait for the election timeout of 10 seconds, and up to 15 percent more. */
const KILL_BOUND_MS = 15_000;
const STEP_DOWN_BOUND_MS = 3_000;
const PAUSE_MS = 8_000;
const RESUME_BOUND_MS = 3_000;
/** How many saves make a percentile. */
const ENOUGH = 500;

const LONG = process.env["MONGOSTORE_FAILOVER"] === "long";
const EVENTS = LONG
  ? "kill, step down, kill, step down, pause, kill, step down, kill, step down, pause, kill, step down"
    .split(", ")
  : ["kill", "step down", "kill"];

/** What was done to the set: writes must come back within `bound` ms of `from`. */
interface Disturbance {
  readonly from: number;
  readonly bound: number;
  readonly mend?: () => Promise<void>;
}

describe(`failover (${LONG ? "long" : "short"})`, { timeout: 480_000 }, () => {
  const rows: string[][] = [];
  const keys = [generateKey()];
  const rejections = new Rejections();
  const clients: MongoClient[] = [];
  const stores: Store<Marks>[] = [];
  let set: MongodSet;
  let lag: LoopLag;
  /** What was saved in all of the events, to be looked for at the end. */
  const accounts: Account[] = [];
  let load: Load;
  let opened = 0;
  let atFirst: Footprint;

  before(async () => {
    set = await MongodSet.create(3);
    lag = new LoopLag();
    // Two clients and stores, as two processes have them.
    for (let i = 0; i < 2; i++) {
      const client = new MongoClient(set.uri, { appName: APP, maxIdleTimeMS: IDLE_MS });
      client.on("connectionCreated", () => opened++);
      client.on("connectionClosed", () => opened--);
      clients.push(client);
      const collection = client.db("failover").collection("sessions");
      stores.push(await createMongoStore<Marks>(collection, { keys }));
    }
    await underLoad(() => acknowledged(load, 1_000, 0));
    assert.deepEqual(load.problems, []);
    atFirst = await footprintAtRest();
  });

  after(async () => {
    lag?.dispose();
    await Promise.all(stores.map((store) => store.close().catch(() => undefined)));
    await Promise.all(clients.map((client) => client.close()));
    await set?.dispose();
    rejections.dispose();
    const titles = ["event", "saves", "errors", "unavailable ms", "last error at ms"];
    titles.push("p50/p99 before", "p50/p99 after", "worst overshoot ms (net)", "worst stall ms");
    titles.push("held after");
    console.log(`\n${table(titles, rows)}\n`);
  });

  EVENTS.forEach((event, i) => {
    it(`${event} (${i + 1} of ${EVENTS.length})`, { timeout: 120_000 }, async () => {
      lag.clear();
      const { struck, from, bound, mended } = await underLoad(async () => {
        await acknowledged(load, ENOUGH, 0);
        const strike = performance.now();
        const { mend, ...disturbance } = await disturb(event);
        await acknowledged(load, 1, disturbance.from);
        await mend?.();
        await set.primary();
        const settled = performance.now();
        await acknowledged(load, ENOUGH, settled);
        return { struck: strike, mended: settled, ...disturbance };
      });

      const { samples } = load;
      const acks = samples.filter(({ what, result }) => what !== "get" && result === "ok");
      const back = acks.find(({ begin }) => begin >= from);
      const failed = samples.filter(({ result }) => result !== "ok");
      const lastError = Math.max(struck, ...failed.map(({ begin }) => begin));
      const worst = assertInTime(samples, TIMEOUT_MS, lag);
      rows.push([
        event,
        String(acks.length),
        failures(samples),
        ms(longestGap(acks, struck)),
        ms(lastError - struck),
        latency(acks.filter(({ end }) => end < struck)),
        latency(acks.filter(({ begin }) => begin >= mended)),
        `${ms(worst.raw)} (${ms(worst.net)})`,
        ms(lag.worst),
        await shown(),
      ]);
      assert.deepEqual(load.problems, []);
      assert.ok(back && back.end - from <= bound, "writes are not back in time");
      assert.ok(
        lastError - from <= bound,
        `a request that began ${ms(lastError - from)} ms later failed`,
      );
      assert.ok(failed.every(({ result }) => NAMED.test(result)), failures(samples));
    });
  });

  it("kept every acknowledged save, and none that it called not applied", async () => {
    await set.level();
    const [client] = clients;
    assert.ok(client);
    const collection = client.db("failover").collection("sessions");
    const durable = new Store<Marks>({ keys, backend: mongodbBackend(atMajority(collection)) });
    for (const account of accounts) await settleAccount(durable, account);
    const saves = accounts.reduce((sum, { acknowledged: { size } }) => sum + size, 0);
    const open = accounts.reduce((sum, { unknown: { size } }) => sum + size, 0);
    console.log(`${saves} saves acknowledged, ${open} unknown, ${accounts.length} sessions`);
    assert.ok(saves >= ENOUGH * EVENTS.length);
  });

  it("goes back to the memory and the connections it had before: none but those that watch the set", async () => {
    accounts.length = 0;
    lag.clear();
    const last = await footprintAtRest();
    const grown = last.heap - atFirst.heap;
    console.log(`before: ${describeFootprint(atFirst)}; afterwards: ${describeFootprint(last)}`);
    assert.ok(grown < HEAP_BOUND, `${grown} bytes more`);
    assert.deepEqual(rejections.seen, []);
  });

  /** Runs with traffic on the stores, until the last of it was answered. */
  async function underLoad<T>(run: () => Promise<T>): Promise<T> {
    load = new Load(stores, WRITERS);
    await load.start();
    try {
      return await run();
    } finally {
      await load.stop();
      accounts.push(...load.accounts);
    }
  }

  async function disturb(event: string): Promise<Disturbance> {
    if (event === "step down") {
      await set.stepDown();
      return { from: performance.now(), bound: STEP_DOWN_BOUND_MS };
    }
    const primary = await set.primary();
    if (event === "kill") {
      await primary.kill();
      return { from: performance.now(), bound: KILL_BOUND_MS, mend: () => primary.start() };
    }
    await primary.stop();
    await sleep(PAUSE_MS);
    primary.resume();
    return { from: performance.now(), bound: RESUME_BOUND_MS };
  }

  async function footprint(): Promise<Footprint> {
    const served = (await set.connections(APP)).reduce((sum, count) => sum + count, 0);
    return { heap: heapUsed(), pooled: opened, served };
  }

  /** What is held once the pools have closed what nobody uses. A connection that an operation never gave back stays. */
  function footprintAtRest(): Promise<Footprint> {
    return poll(REST_BOUND_MS, "the pools to be empty", async () => {
      if (opened > 0) return undefined;
      const held = await footprint();
      return held.served <= MONITORS ? held : undefined;
    });
  }

  async function shown(): Promise<string> {
    load.samples = [];
    return describeFootprint(await footprint());
  }
});

/** What an outage may look like to a caller. Of a session that all change at once a conflict may remain. */
const NAMED = /^(STORE_UNAVAILABLE\/(not-applied|unknown)|SESSION_CONFLICT)$/;
const HEAP_BOUND = 8 * 1024 * 1024;
/** Each of two clients has a pool for each node that was the primary, and gives up what has idled for so long. */
const IDLE_MS = 3_000;
const REST_BOUND_MS = 30_000;
/** Each client watches each node through two connections outside of its pools. */
const MONITORS = 2 * 3 * 2;

/** What is held while nothing is under way. */
interface Footprint {
  readonly heap: number;
  readonly pooled: number;
  readonly served: number;
}

function describeFootprint({ heap, pooled, served }: Footprint): string {
  return `${(heap / 1024 / 1024).toFixed(1)} MB, ${pooled} pooled, ${served} served`;
}

/** Waits until so many saves that began at this time or later are acknowledged. */
async function acknowledged(load: Load, count: number, since: number): Promise<void> {
  await poll(60_000, `${count} saves`, () => {
    if (load.problems.length > 0) throw load.problems[0];
    const found = load.samples.filter(({ what, begin, result }) =>
      what !== "get" && result === "ok" && begin >= since
    );
    return found.length >= count || undefined;
  }, 20);
}

/** The longest time after this one in which no save was acknowledged. */
function longestGap(acks: readonly Sample[], since: number): number {
  const ends = acks.map(({ end }) => end).toSorted((a, b) => a - b);
  return Math.max(0, ...ends.map((end, i) => end < since ? 0 : end - (ends[i - 1] ?? end)));
}

function latency(acks: readonly Sample[]): string {
  return `${ms(percentile(acks, 0.5))}/${ms(percentile(acks, 0.99))}`;
}

/** The collection, read as the majority of the servers knows it. */
function atMajority(collection: SessionCollection): SessionCollection {
  const readConcern = { level: "majority" };
  const { collectionName } = collection;
  return {
    collectionName,
    findOne: (filter, options) => collection.findOne(filter, { ...options, readConcern }),
    find: (filter, options) => collection.find(filter, { ...options, readConcern }),
    aggregate: (pipeline, options) => collection.aggregate(pipeline, { ...options, readConcern }),
    insertOne: (document, options) => collection.insertOne(document, options),
    updateOne: (filter, update, options) => collection.updateOne(filter, update, options),
    deleteOne: (filter, options) => collection.deleteOne(filter, options),
    deleteMany: (filter, options) => collection.deleteMany(filter, options),
    bulkWrite: (operations, options) => collection.bulkWrite(operations, options),
    listIndexes: (options) => collection.listIndexes(options),
    createIndex: (keys, options) => collection.createIndex(keys, options),
  };
}
