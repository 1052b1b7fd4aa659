import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { MongoClient } from "mongodb";
import { createMongoStore, generateKey, StoreUnavailableError } from "#mongostore";
import type { Store } from "#mongostore";
import { Lair, Mongod, poll } from "../support/mongod-process.ts";
import { requestWith } from "./ledger.ts";
import {
  assertInTime,
  failures,
  heapUsed,
  LoopLag,
  ms,
  type Sample,
  sampled,
  worstOvershoot,
} from "./measure.ts";
import { Rejections } from "./rejections.ts";

const SAVES = 20_000;
/** What may wait, and what may be under way: the defaults of the group commit. */
const BOUND = 10_000 + 2 * 1_000;
/** Thrown once the first are in the queue. */
const MORE = 4_000;
const TIMEOUT_MS = 5_000;
const REFUSAL_MS = 20;
const RECOVERED_MS = 1_000;
/** For 12,000 writes that wait, each with its call, and the errors of the rest. */
const HELD_BOUND = 256 * 1024 * 1024;
const LEFT_BOUND = 8 * 1024 * 1024;

interface Values {
  text: string;
}

describe("overload", { timeout: 240_000 }, () => {
  const keys = [generateKey()];
  const rejections = new Rejections();
  let lair: Lair;
  let mongod: Mongod;
  let client: MongoClient;
  let lag: LoopLag;
  let timeoutMS = TIMEOUT_MS;

  before(async () => {
    lair = new Lair();
    mongod = await Mongod.create(lair);
    client = await MongoClient.connect(`mongodb://${mongod.host}/`);
    lag = new LoopLag();
    const store = await open(60_000);
    for (let i = 0; i < 500; i++) await saveNew(store);
    // The default deadline, unless this machine could not even seal all those sessions by then.
    const began = performance.now();
    await Promise.all(Array.from({ length: SAVES / 10 }, () => saveNew(store)));
    timeoutMS = Math.max(TIMEOUT_MS, 12 * (performance.now() - began));
  });

  after(async () => {
    lag?.dispose();
    mongod?.resume();
    await client?.close();
    await mongod?.kill();
    await lair?.dispose();
    rejections.dispose();
  });

  it(`${SAVES} saves at once on a frozen server: bounded, refused at once, in time, and over when it is over`, async () => {
    const store = await open(timeoutMS);
    const subject = crypto.randomUUID();
    const heapBefore = heapUsed();
    const outcomes: ("done" | "not-applied" | "unknown")[] = [];
    const samples: Sample[] = [];
    let held = 0;
    const sessions = await Promise.all(Array.from({ length: SAVES }, async (_, i) => {
      const session = await store.get(requestWith(undefined));
      session.subject = subject;
      session.meta = i;
      session.values.text = "x".repeat(200);
      return session;
    }));
    const throwAll = (from: number, to: number) =>
      Promise.all(
        sessions.slice(from, to).map(async (session, place) => {
          const request = requestWith(undefined);
          const saved = await sampled(
            samples,
            "save",
            () => store.save(request, new Headers(), session),
          );
          outcomes[from + place] = "value" in saved ? "done" : outcomeOf(saved.error);
        }),
      );

    const heapReady = heapUsed();
    await mongod.stop();
    lag.clear();
    try {
      const flood = throwAll(0, SAVES - MORE);
      await poll(timeoutMS, "a refusal", () => samples.length > 0 || undefined, 1);
      // What was under way has left the queue: fill it up again. From now on nothing moves, and who comes now is refused.
      const more = throwAll(SAVES - MORE, SAVES);
      await poll(timeoutMS, "all refusals", () => samples.length >= SAVES - BOUND || undefined, 1);
      assert.ok(samples.every(({ result }) => result === "STORE_UNAVAILABLE/not-applied"));
      const early = samples.length;
      const late: Sample[] = [];
      for (let i = 0; i < 20; i++) {
        const refused = failed(await sampled(late, "late save", () => saveNew(store)));
        assert.equal(outcomeOf(refused.error), "not-applied");
      }
      const told = worstOvershoot(late, 0, lag);
      assert.ok(told.net <= REFUSAL_MS, `a refusal took ${ms(told.raw)} ms (${ms(told.net)} net)`);
      console.log(`${early} refused at once, late ones within ${ms(told.raw)} ms`);
      held = heapUsed() - heapReady;
      await Promise.all([flood, more]);
    } finally {
      mongod.resume();
    }
    const resumed = performance.now();
    await poll(RECOVERED_MS, "a save", async () => {
      const again = await sampled([], "save", () => saveNew(store));
      return "value" in again || undefined;
    }, 10);
    const recovery = performance.now() - resumed;
    for (let i = 0; i < 100; i++) await saveNew(store);

    const worst = assertInTime(samples, timeoutMS, lag);
    const there = new Set((await store.list(subject, 2 * SAVES)).map(({ meta }) => meta));
    const revived = outcomes.filter((outcome, i) => outcome === "not-applied" && there.has(i));
    const lost = outcomes.filter((outcome, i) => outcome === "done" && !there.has(i));
    console.log(
      `${failures(samples)}; deadline ${ms(timeoutMS)} ms, worst overshoot ${ms(worst.raw)} ms (${
        ms(worst.net)
      } net), worst stall ` +
        `${ms(lag.worst)} ms; back ${ms(recovery)} ms after SIGCONT; ${there.size} landed; ` +
        `${megabytes(held)} MB were held`,
    );
    assert.equal(outcomes.length, SAVES);
    assert.equal(revived.length, 0, `${revived.length} saves called not applied were applied`);
    assert.equal(lost.length, 0, "acknowledged saves are lost");
    assert.ok(recovery <= RECOVERED_MS, `${recovery} ms`);
    assert.ok(held < HELD_BOUND, `${megabytes(held)} MB`);
    sessions.length = samples.length = outcomes.length = 0;
    there.clear();
    lag.clear();
    // What is still tried in the background ends with its own deadline.
    await poll(2 * timeoutMS, "the memory to be given back", () => {
      return heapUsed() - heapBefore < LEFT_BOUND || undefined;
    }, 500);
  });

  it("a first save that was sent and not answered is unknown, or not in the database", async () => {
    const store = await open(1_000);
    const subject = crypto.randomUUID();
    await saveNew(store);
    await mongod.stop();
    const told = await Promise.all(Array.from({ length: 20 }, async (_, i) => {
      const session = await store.get(requestWith(undefined));
      session.subject = subject;
      session.meta = i;
      const request = requestWith(undefined);
      const saved = await sampled([], "save", () => store.save(request, new Headers(), session));
      return outcomeOf(failed(saved).error);
    }));
    mongod.resume();
    // A write that is answered now was received after all that was sent before.
    await saveNew(store);
    const landed = new Set((await store.list(subject)).map(({ meta }) => meta));
    const wrong = told.filter((outcome, i) => outcome === "not-applied" && landed.has(i));
    assert.equal(
      wrong.length,
      0,
      `${wrong.length} of ${landed.size} that landed were called not applied`,
    );
  });

  it("closes in an outage: in time, naming what it could not save", async () => {
    const closing = await open(TIMEOUT_MS);
    const names = ["basket", "login"];
    const sessions = await Promise.all(
      names.map((name) => closing.get(requestWith(undefined), name)),
    );
    const samples: Sample[] = [];
    lag.clear();
    await mongod.stop();
    try {
      const saves = sessions.map((session, i) => {
        session.values.text = String(i);
        return sampled(
          samples,
          "save",
          () => closing.save(requestWith(undefined), new Headers(), session),
        );
      });
      const closed: Sample[] = [];
      const { error } = failed(await sampled(closed, "close", () => closing.close(1_000)));
      assert.equal(outcomeOf(error), "unknown");
      for (const name of names) assert.ok(error.message.includes(name), error.message);
      assertInTime(closed, 1_000, lag);

      const refused: Sample[] = [];
      const rejected = await sampled(refused, "save after close", () => saveNew(closing));
      assert.equal(outcomeOf(failed(rejected).error), "not-applied");
      assertInTime(refused, 0, lag);

      await Promise.all(saves);
      assertInTime(samples, TIMEOUT_MS, lag);
    } finally {
      mongod.resume();
    }
  });

  it("closes at once in an outage when nothing is under way", async () => {
    const idle = await open(TIMEOUT_MS);
    lag.clear();
    await mongod.stop();
    try {
      const closed: Sample[] = [];
      const result = await sampled(closed, "close", () => idle.close());
      assert.ok("value" in result);
      assertInTime(closed, 0, lag);
    } finally {
      mongod.resume();
    }
  });

  it("left no promise without a handler", () => assert.deepEqual(rejections.seen, []));

  async function open(limit: number): Promise<Store<Values>> {
    const collection = client.db("overload").collection("sessions");
    return await createMongoStore<Values>(collection, { keys, timeoutMS: limit });
  }
});

async function saveNew(store: Store<Values>): Promise<void> {
  const session = await store.get(requestWith(undefined));
  session.values.text = "one more";
  await store.save(requestWith(undefined), new Headers(), session);
}

function failed<E>(result: { readonly value: unknown } | { readonly error: E }): { error: E } {
  assert.ok("error" in result, "it did not fail");
  return result;
}

function outcomeOf(error: unknown): "not-applied" | "unknown" {
  assert.ok(error instanceof StoreUnavailableError);
  return error.outcome;
}

function megabytes(bytes: number): string {
  return (bytes / 1024 / 1024).toFixed(1);
}
