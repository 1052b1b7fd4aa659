import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { createMongoStore, generateKey, WeakKeyError } from "#mongostore";
import { importedSessions } from "#mongostore/legacy";
import type { ImportedSessions } from "#mongostore/legacy";
import { type Database, openDatabase } from "../support/mongo.ts";

const keys: readonly string[] = [generateKey()];
const { signal } = new AbortController();
const call = { sessionName: "session", now: Date.now(), signal };

let database: Database;
before(async () => {
  database = await openDatabase();
});
after(() => database.close());

/** An import into a new collection. */
function fresh(): { collection: ReturnType<Database["collection"]>; imported: ImportedSessions } {
  const collection = database.collection();
  return { collection, imported: importedSessions(collection, { keys, from: "redis" }) };
}

describe("an imported session", () => {
  it("loads by its old id, with its values, its subject and its end", async () => {
    const { imported } = fresh();
    const values = { userId: "42", at: new Date(5), cart: [{ n: 1 }] };
    const expires = Date.now() + 60_000;
    const session = { values, subject: "42", expires };
    assert.deepEqual(await imported.add([{ id: "old", session }]), [{ status: "added" }]);
    assert.deepEqual(await imported.load("old", call), session);
    assert.equal(await imported.load("Old", call), undefined);
    assert.equal(await imported.load("", call), undefined);
  });

  it("is added once, and a later import of it changes nothing", async () => {
    const { imported, collection } = fresh();
    const [first, second] = [{ values: { n: 1 } }, { values: { n: 2 } }];
    await imported.add([{ id: "a", session: first }]);
    const stored = await collection.find().toArray();
    const outcomes = await imported.add([
      { id: "a", session: second },
      { id: "b", session: second },
      { id: "b", session: second },
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status), ["present", "added", "present"]);
    assert.equal(await collection.countDocuments(), 2);
    assert.deepEqual(await collection.find({ rev: stored[0]?.["rev"] }).toArray(), stored);
  });

  it("is added once by two imports that run at once", async () => {
    const { imported, collection } = fresh();
    const all = Array.from(
      { length: 50 },
      (_, i) => ({ id: `id${i}`, session: { values: { i } } }),
    );
    const both = await Promise.all([imported.add(all), imported.add(all)]);
    for (const [i] of all.entries()) {
      const statuses = both.map((outcomes) => outcomes[i]?.status);
      assert.deepEqual(new Set(statuses), new Set(["added", "present"]));
    }
    assert.equal(await collection.countDocuments(), 50);
  });

  it("is not added where its time was over, and ends when it would have", async () => {
    const { imported, collection } = fresh();
    const outcomes = await imported.add([
      { id: "over", session: { values: {}, expires: Date.now() - 60_000 } },
      { id: "soon", session: { values: {}, expires: Date.now() + 60_000 } },
    ]);
    assert.deepEqual(outcomes.map(({ status }) => status), ["ended", "added"]);
    await collection.updateOne({}, { $set: { expires: new Date(Date.now() - 1) } });
    assert.equal(await imported.load("soon", call), undefined);
  });

  it("is refused where a store could not keep it, and its neighbours are added", async () => {
    const { imported } = fresh();
    const outcomes = await imported.add([
      { id: "large", session: { values: { text: "x".repeat(262_144) } } },
      { id: "function", session: { values: { run: () => {} } } },
      { id: "good", session: { values: { n: 1 } } },
    ]);
    assert.deepEqual(
      outcomes.map((outcome) => "error" in outcome ? outcome.error.code : outcome.status),
      ["SESSION_TOO_LARGE", "UNSERIALIZABLE_VALUE", "added"],
    );
  });

  it("stands in the collection with neither its id nor its values readable", async () => {
    const { imported, collection } = fresh();
    await imported.add([{ id: "the-old-id", session: { values: { secret: "a value" } } }]);
    const [stored] = await collection.find({}, { promoteBuffers: true }).toArray();
    const parts = Object.values(stored ?? {}).map((field: unknown) =>
      field instanceof Uint8Array ? Buffer.from(field).toString("latin1") : String(field)
    );
    const text = parts.join();
    assert.match(text, /redis/);
    assert.ok(!text.includes("the-old-id") && !text.includes("a value"));
  });

  it("is another one for another system, and does not open where it was moved to", async () => {
    const { imported, collection } = fresh();
    const other = importedSessions(collection, { keys, from: "memcached" });
    await imported.add([{ id: "x", session: { values: { n: 1 } } }]);
    assert.equal(await other.load("x", call), undefined);
    await other.add([{ id: "x", session: { values: { n: 2 } } }]);
    assert.deepEqual((await imported.load("x", call))?.values, { n: 1 });
    const [data] = (await collection.find({ name: "redis" }).toArray()).map((one) => one["data"]);
    await collection.updateOne({ name: "memcached" }, { $set: { data } });
    await assert.rejects(() => other.load("x", call), { code: "CORRUPT_RECORD" });
  });

  it("is protected anew by rekey, and then opens without the older key", async () => {
    const collection = database.collection();
    const [older, newest] = [generateKey(), generateKey()];
    const old = importedSessions(collection, { keys: [older], from: "redis" });
    await old.add([{ id: "a", session: { values: { n: 1 } } }]);
    const store = await createMongoStore(collection, { keys: [newest, older] });
    assert.equal((await store.rekey()).resealed, 1);
    await store.close();
    const present = importedSessions(collection, { keys: [newest], from: "redis" });
    assert.deepEqual((await present.load("a", call))?.values, { n: 1 });
    await assert.rejects(() => old.load("a", call), { code: "CORRUPT_RECORD" });
  });

  it("is listed and revoked by its subject", async () => {
    const { imported, collection } = fresh();
    await imported.add([{ id: "a", session: { values: {}, subject: "ann" } }]);
    const store = await createMongoStore(collection, { keys });
    assert.deepEqual((await store.list("ann")).map(({ name }) => name), ["redis"]);
    assert.equal(await store.revokeAll("ann"), 1);
    assert.equal(await imported.load("a", call), undefined);
    await store.close();
  });

  it("asks for keys that are strong, and for a name", () => {
    const collection = database.collection();
    assert.throws(() => importedSessions(collection, { keys: ["x"], from: "redis" }), WeakKeyError);
    assert.throws(() => importedSessions(collection, { keys, from: "a b" }), TypeError);
  });
});
