import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Collection } from "mongodb";
import { ensureIndexes } from "../../src/backend/indexes.ts";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { IndexConflictError, StoreUnavailableError } from "../../src/errors.ts";
import { newInsert, statuses } from "../contract/backend.ts";
import { FaultyCollection } from "./faulty.ts";
import { callFor, openDatabase, type Stored, type TestDatabase } from "./mongo.ts";

describe("ensureIndexes", () => {
  let database: TestDatabase;
  let collection: Collection<Stored>;
  before(async () => database = await openDatabase());
  after(() => database.close());

  const ensure = () => ensureIndexes(collection, { ttl: true }, callFor());
  const indexes = async () =>
    (await collection.listIndexes().toArray()).map(({ key, expireAfterSeconds }) => {
      return { key, expireAfterSeconds };
    });
  const OURS = [
    { key: { _id: 1 }, expireAfterSeconds: undefined },
    { key: { expires: 1 }, expireAfterSeconds: 0 },
    { key: { subject: 1, modified: -1 }, expireAfterSeconds: undefined },
  ];
  const fresh = () => collection = database.collection();

  it("makes both indexes, on a collection that does not exist too, and again changes nothing", async () => {
    fresh();
    await ensure();
    assert.deepEqual(await indexes(), OURS);
    const standing = await collection.listIndexes().toArray();
    await ensure();
    assert.deepEqual(await collection.listIndexes().toArray(), standing);
    assert.deepEqual(standing[2]?.["partialFilterExpression"], { subject: { $exists: true } });
  });

  it("lets many processes start at once", async () => {
    fresh();
    await Promise.all(Array.from({ length: 8 }, ensure));
    assert.deepEqual(await indexes(), OURS);
  });

  it("touches nothing without ttl", async () => {
    fresh();
    const watched = new FaultyCollection(collection);
    await ensureIndexes(watched, { ttl: false }, callFor());
    assert.deepEqual(watched.seen, []);
    const { db, collectionName: name } = collection;
    assert.deepEqual(await db.listCollections({ name }).toArray(), []);
  });

  it("mends another expireAfterSeconds, and an index on expires that has none", async () => {
    for (const options of [{ expireAfterSeconds: 3600, name: "mine" }, {}]) {
      fresh();
      await collection.createIndex({ expires: 1 }, options);
      await ensure();
      assert.deepEqual(await indexes(), OURS);
    }
  });

  it("leaves other indexes alone", async () => {
    fresh();
    await collection.createIndex({ name: 1 });
    await ensure();
    assert.equal((await indexes()).length, 4);
  });

  it("accepts an index of subjects over every document", async () => {
    fresh();
    await collection.createIndex({ subject: 1, modified: -1 });
    await ensure();
    assert.equal((await indexes()).length, 3);
  });

  it("refuses any other TTL index, such as that of the Go package", async () => {
    fresh();
    await collection.createIndex({ modified: 1 }, { expireAfterSeconds: 3600 });
    await assert.rejects(ensure, {
      name: "IndexConflictError",
      code: "INDEX_CONFLICT",
      message: /"modified_1".*drop it/,
    });
    assert.equal((await indexes()).length, 2);
  });

  it("refuses an index on the same fields that does not do", async () => {
    const unfit: [Parameters<typeof collection.createIndex>[0], object][] = [
      [{ expires: 1 }, { unique: true }],
      [{ expires: 1 }, { partialFilterExpression: { subject: "ann" } }],
      [{ subject: 1, modified: -1 }, { collation: { locale: "en", strength: 1 } }],
      [{ subject: 1, modified: -1 }, { partialFilterExpression: { subject: "ann" } }],
      [{ subject: 1, modified: -1 }, { unique: true }],
    ];
    for (const [key, options] of unfit) {
      fresh();
      await collection.createIndex(key, options);
      const name = Object.entries(key).flat().join("_");
      await assert.rejects(ensure, (error) => {
        assert.ok(error instanceof IndexConflictError);
        assert.match(error.message, new RegExp(`${name}.*drop the index`));
        return true;
      });
    }
  });

  it("refuses another index under the name of ours", async () => {
    fresh();
    await collection.createIndex({ name: 1 }, { name: "expires_1" });
    await assert.rejects(ensure, { name: "IndexConflictError", message: /expires/ });
  });

  it("works in a collection with rules of its own for text", async () => {
    const { db, collectionName } = database.collection();
    const collation = { locale: "en", strength: 1 };
    collection = await db.createCollection<Stored>(collectionName, { collation });
    await ensure();
    await ensure();
    assert.deepEqual(await indexes(), OURS);
  });

  it("says which privilege is missing", async () => {
    fresh();
    const error = Object.assign(new Error("not authorized"), { code: 13 });
    for (const [kind, action] of [["read", "listIndexes"], ["write", "createIndex"]] as const) {
      const watched = new FaultyCollection(collection);
      watched.plan(kind, "eaten", 1, error);
      await assert.rejects(ensureIndexes(watched, { ttl: true }, callFor()), {
        name: "IndexConflictError",
        message: new RegExp(`privilege "${action}"`),
        cause: error,
      });
    }
  });

  it("says what to do where collMod cannot be reached", async () => {
    fresh();
    await collection.createIndex({ expires: 1 }, { expireAfterSeconds: 60 });
    const watched = new FaultyCollection(collection); // shows no db
    await assert.rejects(ensureIndexes(watched, { ttl: true }, callFor()), IndexConflictError);
  });

  it("tells an outage from a conflict, by its deadline", async () => {
    fresh();
    const watched = new FaultyCollection(collection);
    watched.plan("read", "hangs");
    await assert.rejects(ensureIndexes(watched, { ttl: true }, callFor(50)), StoreUnavailableError);
    watched.plan("read", "eaten");
    await assert.rejects(ensureIndexes(watched, { ttl: true }, callFor()), StoreUnavailableError);
  });

  it("answers list from its index", async () => {
    fresh();
    await ensure();
    const filter = { subject: "ann", $expr: { $gt: ["$expires", "$$NOW"] } };
    const plan = await collection.find(filter, { collation: { locale: "simple" } })
      .sort({ modified: -1 }).limit(5).explain("queryPlanner");
    const shown = JSON.stringify(plan["queryPlanner"].winningPlan);
    assert.match(shown, /"indexName":"subject_1_modified_-1"/);
    assert.doesNotMatch(shown, /"stage":"SORT"/);
  });

  it("lets the database remove what has expired, and nothing else", async () => {
    fresh();
    await ensure();
    const backend = mongodbBackend(collection);
    const at = await backend.now(callFor());
    const [dead, alive] = [newInsert(at - 7_200_000), newInsert(at)];
    assert.deepEqual(statuses(await backend.write([dead, alive], callFor())), ["done", "done"]);
    const [loaded] = await backend.load([dead.key], callFor());
    assert.equal(loaded?.status, "absent");
    for (let i = 0; await collection.countDocuments({ _id: dead.key.bytes }) > 0; i++) {
      if (i > 700) assert.fail("the TTL monitor removed nothing in 70 s");
      await sleep(100);
    }
    assert.equal(await collection.countDocuments({}), 1);
  });
});
