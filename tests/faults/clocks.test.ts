import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { type Collection, MongoClient } from "mongodb";
import { generateKey } from "#mongostore";
import { Lair, Mongod, poll } from "../support/mongod-process.ts";
import { App, type Choices, RemoteError, type RemoteStore } from "./app.ts";

const MINUTES = 60_000;

describe("two processes whose clocks are twenty minutes apart", { timeout: 120_000 }, () => {
  let lair: Lair;
  let mongod: Mongod;
  let client: MongoClient;
  let collection: Collection;
  const apps: App[] = [];

  before(async () => {
    lair = new Lair();
    // Nothing removes what has expired: only the store stands between it and a client.
    mongod = await Mongod.create(lair, ["--setParameter=ttlMonitorEnabled=false"]);
    const uri = `mongodb://${mongod.host}/`;
    client = await MongoClient.connect(uri);
    collection = client.db("app").collection("sessions");
    const key = generateKey();
    const offsets = [10 * MINUTES, -10 * MINUTES];
    apps.push(...await Promise.all(offsets.map((by) => App.start(uri, key, by))));
  });

  after(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await client?.close();
    await mongod?.kill();
    await lair?.dispose();
  });

  it("they are: the one is ten minutes fast and the other ten minutes slow", async () => {
    const [[fast, slow] = []] = await pairs({ maxAge: 60 });
    assert.ok(fast && slow);
    const from = Date.now();
    const shown = [(await fast.get()).state.now, (await slow.get()).state.now];
    const to = Date.now();
    for (const [i, by] of [10 * MINUTES, -10 * MINUTES].entries()) {
      const now = shown[i] ?? 0;
      assert.ok(now >= from + by && now <= to + by, `it shows ${now - from} ms more`);
    }
  });

  it("a token that one issued the other accepts, and saves of both keep each other's changes", async () => {
    for (const [one, other] of await pairs({ maxAge: 60 })) {
      const token = await saved(one, "mine");
      const session = await other.get(token);
      assert.equal(session.state.error, undefined);
      assert.equal(session.state.text, "mine");
      await session.save("theirs");
      assert.equal((await one.get(token)).state.text, "theirs");
    }
  });

  it("a record ends maxAge after the save by the database's clock, whoever saved it", async () => {
    for (const [one, other] of await pairs({ maxAge: 60 })) {
      for (const [store, sibling] of [[one, other], [other, one]] as const) {
        await collection.deleteMany({});
        const token = await saved(store, "created");
        assertEndsIn(await storedEnd(), 60_000);
        // The next day, almost: an update by the other, from a record that ends in a second.
        await endIn(1_000);
        const session = await sibling.get(token);
        await session.save("updated");
        assertEndsIn(await storedEnd(), 60_000);
        const { expiresAt } = session.state;
        assert.ok(expiresAt);
        assertEndsIn({ now: await databaseNow(), expires: expiresAt }, 60_000);
      }
    }
  });

  it("none expires early: a record with two seconds to live loads and takes a save, everywhere", async () => {
    for (const store of (await pairs({ maxAge: 60 })).flat()) {
      await collection.deleteMany({});
      const token = await saved(store, "alive");
      await endIn(2_000);
      const session = await store.get(token);
      assert.equal(session.state.error, undefined);
      await session.save("still alive");
    }
  });

  it("none lives late: what has expired and was not removed neither loads nor takes a save", async () => {
    for (const store of (await pairs({ maxAge: 60 })).flat()) {
      await collection.deleteMany({});
      const token = await saved(store, "over");
      const loaded = await store.get(token);
      const unchanged = await store.get(token);
      await endIn(-1);
      const { state } = await store.get(token);
      assert.deepEqual([state.isNew, state.error], [true, "SESSION_GONE"]);

      const expired = await collection.findOne({});
      await assertGone(() => loaded.save("revived"));
      await assertGone(() => unchanged.update("revived"));
      assert.deepEqual(await collection.findOne({}), expired, "an expired record was written");
    }
  });

  it("a save of an unchanged session that has expired does not touch it back to life", async () => {
    for (const store of (await pairs({ maxAge: 60, touchAfter: 0 })).flat()) {
      await collection.deleteMany({});
      const token = await saved(store, "over");
      const loaded = await store.get(token);
      await endIn(-1);
      await assertGone(() => loaded.save());
      assert.ok((await store.get(token)).state.isNew);
    }
  });

  it("in real time: alive until maxAge is over, gone right after, for both at once", async () => {
    for (const [one, other] of await pairs({ maxAge: 1 })) {
      await collection.deleteMany({});
      const token = await saved(one, "short");
      const { expires } = await storedEnd();
      await poll(5_000, "the session to end", async () => {
        for (const store of [one, other]) {
          const from = await databaseNow();
          const { isNew } = (await store.get(token)).state;
          const to = await databaseNow();
          if (to < expires) assert.ok(!isNew, `it ended ${expires - to} ms early`);
          if (from >= expires) assert.ok(isNew, `it lived ${from - expires} ms too long`);
        }
        return await databaseNow() > expires + 200 || undefined;
      }, 20);
    }
  });

  it("in real time: a token ends with its lifetime, for both at once", async () => {
    for (const [one, other] of await pairs({ maxAge: 2, lifetime: 2 })) {
      const token = await saved(one, "short");
      const created = (await one.get(token)).state.createdAt ?? 0;
      await poll(10_000, "the token to end", async () => {
        for (const store of [one, other]) {
          const from = await databaseNow();
          const { isNew } = (await store.get(token)).state;
          const to = await databaseNow();
          // A token counts in whole seconds, and what the database's clock shows is known to some milliseconds.
          if (to < created + 1_900) assert.ok(!isNew, "it ended early");
          if (from >= created + 2_100) assert.ok(isNew, "it lived too long");
        }
        return await databaseNow() > created + 2_300 || undefined;
      }, 20);
    }
  });

  /** The fast clock's store first, then the slow one's, then the other way round. */
  async function pairs(options: Choices): Promise<(readonly [RemoteStore, RemoteStore])[]> {
    const [fast, slow] = await Promise.all(apps.map((app) => app.open(options)));
    assert.ok(fast && slow);
    return [[fast, slow], [slow, fast]];
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

async function saved(store: RemoteStore, text: string): Promise<string> {
  const session = await store.get();
  await session.save(text);
  const { token } = session.state;
  assert.ok(token);
  return token;
}

async function assertGone(work: () => Promise<unknown>): Promise<void> {
  await assert.rejects(
    work,
    (error) => error instanceof RemoteError && error.code === "SESSION_GONE",
  );
}
