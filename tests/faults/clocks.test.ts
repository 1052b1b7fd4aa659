import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Collection, MongoClient } from "mongodb";
import { createMongoStore, generateKey, SessionGoneError } from "#mongostore";
import type { Clock, Session, Store, StoreOptions } from "#mongostore";
import { Lair, Mongod, poll } from "../support/mongod-process.ts";
import { requestWith } from "./ledger.ts";

interface Values {
  text: string;
}

const MINUTES = 60_000;

/** The clock of a machine that is wrong by so much, from when it was switched on. */
function clockOff(by: number): Clock {
  return {
    now: () => Date.now() + by,
    monotonic: () => performance.now(),
    after(ms, callback) {
      const timer = setTimeout(callback, ms);
      return () => clearTimeout(timer);
    },
  };
}

describe("app servers whose clocks are twenty minutes apart", { timeout: 120_000 }, () => {
  const keys = [generateKey()];
  let lair: Lair;
  let mongod: Mongod;
  const clients: MongoClient[] = [];
  let collection: Collection;

  before(async () => {
    lair = new Lair();
    // Nothing removes what has expired: only the store stands between it and a client.
    mongod = await Mongod.create(lair, ["--setParameter=ttlMonitorEnabled=false"]);
    for (let i = 0; i < 2; i++) {
      clients.push(await MongoClient.connect(`mongodb://${mongod.host}/`));
    }
    const [client] = clients;
    assert.ok(client);
    collection = client.db("clocks").collection("sessions");
  });

  after(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await mongod?.kill();
    await lair?.dispose();
  });

  it("a token that one issued the other accepts, and saves of both keep each other's changes", async () => {
    for (const [one, other] of await pairs({ maxAge: 60 })) {
      const token = await saved(one, "mine");
      const session = await other.get(requestWith(token));
      assert.equal(session.error, undefined);
      assert.equal(session.values.text, "mine");
      session.values.text = "theirs";
      await save(other, session);
      assert.equal((await one.get(requestWith(token))).values.text, "theirs");
      await one.close();
      await other.close();
    }
  });

  it("a record ends maxAge after the save by the database's clock, whoever saved it", async () => {
    for (const [one, other] of await pairs({ maxAge: 60 })) {
      for (const store of [one, other]) {
        await collection.deleteMany({});
        const token = await saved(store, "created");
        assertEndsIn(await storedEnd(), 60_000);
        // The next day, almost: an update by the other, from a record that ends in a second.
        await endIn(1_000);
        const sibling = store === one ? other : one;
        const session = await sibling.get(requestWith(token));
        session.values.text = "updated";
        await save(sibling, session);
        assertEndsIn(await storedEnd(), 60_000);
        assert.ok(session.expiresAt);
        assertEndsIn({ now: Date.now(), expires: session.expiresAt.getTime() }, 60_000);
      }
      await one.close();
      await other.close();
    }
  });

  it("none expires early: a record with a second to live loads and takes a save, everywhere", async () => {
    for (const store of (await pairs({ maxAge: 60 })).flat()) {
      const token = await saved(store, "alive");
      await endIn(2_000);
      const session = await store.get(requestWith(token));
      assert.equal(session.error, undefined);
      session.values.text = "still alive";
      await save(store, session);
      await collection.deleteMany({});
      await store.close();
    }
  });

  it("none lives late: what has expired and was not removed neither loads nor takes a save", async () => {
    for (const store of (await pairs({ maxAge: 60 })).flat()) {
      const token = await saved(store, "over");
      const loaded = await store.get(requestWith(token));
      const unchanged = await store.get(requestWith(token));
      await endIn(-1);
      const session = await store.get(requestWith(token));
      assert.ok(session.isNew && session.error instanceof SessionGoneError);

      const expired = await collection.findOne({});
      loaded.values.text = "revived";
      await assertGone(() => save(store, loaded));
      await assertGone(() => unchanged.update((values) => void (values.text = "revived")));
      assert.deepEqual(await collection.findOne({}), expired, "an expired record was written");
      await collection.deleteMany({});
      await store.close();
    }
  });

  it("a save of an unchanged session that has expired does not touch it back to life", async () => {
    for (const store of (await pairs({ maxAge: 60, touchAfter: 0 })).flat()) {
      const token = await saved(store, "over");
      const loaded = await store.get(requestWith(token));
      await endIn(-1);
      await assertGone(() => save(store, loaded));
      assert.ok((await store.get(requestWith(token))).isNew);
      await collection.deleteMany({});
      await store.close();
    }
  });

  it("in real time: alive until maxAge is over, gone right after, for both at once", async () => {
    for (const [one, other] of await pairs({ maxAge: 1 })) {
      const token = await saved(one, "short");
      const { expires } = await storedEnd();
      await poll(5_000, "the session to end", async () => {
        for (const store of [one, other]) {
          const from = await databaseNow();
          const { isNew } = await store.get(requestWith(token));
          const to = await databaseNow();
          if (to < expires) assert.ok(!isNew, `it ended ${expires - to} ms early`);
          if (from >= expires) assert.ok(isNew, `it lived ${from - expires} ms too long`);
        }
        return await databaseNow() > expires + 200 || undefined;
      }, 20);
      await collection.deleteMany({});
      await one.close();
      await other.close();
    }
  });

  it("in real time: a token ends with its lifetime, for both at once", async () => {
    for (const [one, other] of await pairs({ maxAge: 2, lifetime: 2 })) {
      const token = await saved(one, "short");
      const created = (await one.get(requestWith(token))).createdAt?.getTime() ?? 0;
      await poll(10_000, "the token to end", async () => {
        for (const store of [one, other]) {
          const from = await databaseNow();
          const { isNew } = await store.get(requestWith(token));
          const to = await databaseNow();
          // A token counts in whole seconds, and what the database's clock shows is known to some milliseconds.
          if (to < created + 1_900) assert.ok(!isNew, "it ended early");
          if (from >= created + 2_100) assert.ok(isNew, "it lived too long");
        }
        return await databaseNow() > created + 2_300 || undefined;
      }, 20);
      await collection.deleteMany({});
      await one.close();
      await other.close();
    }
  });

  /** The fast clock's server first, then the slow one's; each with a client of its own. */
  async function pairs(
    options: Partial<StoreOptions<Values>>,
  ): Promise<(readonly [Store<Values>, Store<Values>])[]> {
    const open = async (by: number, at: number) => {
      const own = clients[at]?.db("clocks").collection("sessions");
      assert.ok(own);
      return await createMongoStore<Values>(own, { keys, clock: clockOff(by), ...options });
    };
    const [fast, slow] = [10 * MINUTES, -10 * MINUTES];
    return [
      [await open(fast, 0), await open(slow, 1)],
      [await open(slow, 0), await open(fast, 1)],
    ];
  }

  async function databaseNow(): Promise<number> {
    const { localTime }: { localTime?: unknown } = await collection.db.admin().command({
      hello: 1,
    });
    assert.ok(localTime instanceof Date);
    return localTime.getTime();
  }

  /** When the only record ends. */
  async function storedEnd(): Promise<{ now: number; expires: number }> {
    const record = await collection.findOne({});
    const expires: unknown = record?.["expires"];
    assert.ok(expires instanceof Date);
    return { now: await databaseNow(), expires: expires.getTime() };
  }

  /** Lets the only record end so long from now. */
  async function endIn(ms: number): Promise<void> {
    const { matchedCount } = await collection.updateOne({}, [
      { $set: { expires: { $add: ["$$NOW", ms] } } },
    ]);
    assert.equal(matchedCount, 1);
  }
});

/** As long as asked for, but for what passed between the save and now. */
function assertEndsIn({ now, expires }: { now: number; expires: number }, ms: number): void {
  const left = expires - now;
  assert.ok(left <= ms && left > ms - 10_000, `it ends in ${left} ms`);
}

async function saved(store: Store<Values>, text: string): Promise<string> {
  const session = await store.get(requestWith(undefined));
  session.values.text = text;
  await save(store, session);
  assert.ok(session.token);
  return session.token;
}

async function save(store: Store<Values>, session: Session<Values>): Promise<void> {
  await store.save(requestWith(undefined), new Headers(), session);
}

async function assertGone(work: () => Promise<unknown>): Promise<void> {
  await assert.rejects(work, SessionGoneError);
}
