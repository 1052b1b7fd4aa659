import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { createMongoStore, generateKey } from "#mongostore";
import type { Store } from "#mongostore";
import { Lair, Mongod, poll } from "../support/mongod-process.ts";
import { type Marks, settleAccount } from "./ledger.ts";
import { Load } from "./load.ts";
import { assertInTime, failures, LoopLag, ms } from "./measure.ts";
import { Rejections } from "./rejections.ts";

const TIMEOUT_MS = 5_000;
const BACK_MS = 1_000;

describe("one server that freezes", { timeout: 120_000 }, () => {
  const rejections = new Rejections();
  let lair: Lair;
  let mongod: Mongod;
  let client: MongoClient;
  let store: Store<Marks>;
  let lag: LoopLag;

  before(async () => {
    lair = new Lair();
    mongod = await Mongod.create(lair);
    client = await MongoClient.connect(`mongodb://${mongod.host}/`);
    store = await createMongoStore<Marks>(client.db("single").collection("sessions"), {
      keys: [generateKey()],
    });
    lag = new LoopLag();
  });

  after(async () => {
    lag?.dispose();
    mongod?.resume();
    await client?.close();
    await mongod?.kill();
    await lair?.dispose();
    rejections.dispose();
  });

  for (const pause of [3_000, 7_000]) {
    it(`for ${pause / 1000} seconds: writes are back within a second of its return`, async () => {
      const load = new Load([store], 20);
      const acknowledgedSince = (since: number) =>
        load.samples.filter(({ what, begin, result }) =>
          what === "save" && result === "ok" && begin >= since
        );
      const enough = (count: number, since: number) =>
        poll(30_000, `${count} saves`, () => {
          if (load.problems.length > 0) throw load.problems[0];
          return acknowledgedSince(since).length >= count || undefined;
        }, 10);
      lag.clear();
      await load.start();
      await enough(200, 0);

      await mongod.stop();
      const stopped = performance.now();
      await sleep(pause); // the outage itself
      mongod.resume();
      const resumed = performance.now();
      await enough(200, resumed);
      // Until nobody can be left who would still fail late.
      await enough(1, resumed + BACK_MS);
      await load.stop();

      assert.deepEqual(load.problems, []);
      const worst = assertInTime(load.samples, TIMEOUT_MS, lag);
      const back = Math.min(...acknowledgedSince(stopped).map(({ end }) => end)) - resumed;
      const failed = load.samples.filter(({ result }) => result !== "ok");
      const lastError = Math.max(stopped, ...failed.map(({ begin }) => begin)) - resumed;
      console.log(
        `paused ${pause} ms: ${failures(load.samples)}; back ${ms(back)} ms after SIGCONT; ` +
          `worst overshoot ${ms(worst.raw)} ms (${ms(worst.net)} net)`,
      );
      const held = lag.between(resumed, resumed + back);
      assert.ok(back - held <= BACK_MS, `writes are back after ${ms(back)} ms`);
      assert.ok(lastError <= BACK_MS, `a request that began ${ms(lastError)} ms later failed`);
      // An outage that is shorter than the deadline is an outage that nobody sees.
      if (pause < TIMEOUT_MS) assert.deepEqual(failed, []);
      for (const account of load.accounts) await settleAccount(store, account);
      assert.deepEqual(rejections.seen, []);
    });
  }
});
