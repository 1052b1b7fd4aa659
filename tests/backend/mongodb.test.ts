import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, it } from "node:test";
import { inspect } from "node:util";
import { BSON, type Collection } from "mongodb";
import { MongoClient as MongoClient6 } from "mongodb6";
import type { Backend, Call, Write } from "../../src/backend/backend.ts";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { recordKey, toDocument } from "../../src/backend/record.ts";
import { StoreUnavailableError } from "../../src/errors.ts";
import {
  backendContract,
  newInsert,
  newKey,
  newRev,
  statuses,
  updateOf,
} from "../contract/backend.ts";
import { FaultyCollection } from "./faulty.ts";
import {
  callFor,
  expire,
  fixtureOf,
  openDatabase,
  type Stored,
  type TestDatabase,
} from "./mongo.ts";

const URI = process.env["MONGODB_URI"] ?? "";

backendContract("mongodb", async () => {
  const database = await openDatabase();
  return { ...fixtureOf(database.collection()), dispose: () => database.close() };
});

backendContract("mongodb, under a client set against us", async () => {
  const database = await openDatabase({
    promoteValues: false,
    promoteBuffers: false,
    promoteLongs: false,
    bsonRegExp: true,
    ignoreUndefined: true,
    serializeFunctions: true,
    readPreference: "secondaryPreferred",
    readConcern: { level: "available" },
    w: 0,
    retryReads: false,
    retryWrites: false,
  });
  const clean = await openDatabase();
  const collection = database.collection();
  const plain = clean.client.db(collection.dbName).collection<Stored>(collection.collectionName);
  return {
    ...fixtureOf(collection),
    expire: (key) => expire(plain, key),
    async dispose() {
      await database.close();
      await clean.close();
    },
  };
});

backendContract("mongodb, under a client with 64-bit integers", async () => {
  const database = await openDatabase({ useBigInt64: true });
  return { ...fixtureOf(database.collection()), dispose: () => database.close() };
});

backendContract("mongodb, in a collection that takes É for e", async () => {
  const database = await openDatabase();
  const { db, collectionName } = database.collection();
  const collation = { locale: "en", strength: 1 };
  const collection = await db.createCollection<Stored>(collectionName, { collation });
  return { ...fixtureOf(collection), dispose: () => database.close() };
});

backendContract("mongodb, by version 6 of the driver", async () => {
  const database = await openDatabase();
  const { dbName, collectionName } = database.collection();
  const client = await MongoClient6.connect(URI);
  const collection = client.db(dbName).collection<Stored>(collectionName);
  const plain = database.client.db(dbName).collection<Stored>(collectionName);
  return {
    backend: mongodbBackend(collection),
    call: callFor,
    expire: (key) => expire(plain, key),
    async dispose() {
      await client.close();
      await database.close();
    },
  };
});

function touchOf({ key, rev, expiry }: ReturnType<typeof newInsert>): Write {
  return { kind: "touch", key, expected: rev, expiry };
}

function refusal(code: number): Error {
  return Object.assign(new Error("not allowed on test"), { code, errorResponse: { code } });
}

/** Inserts a document with some of its bytes replaced, by a wire message made by hand. */
async function insertRaw(
  collection: Collection<Stored>,
  document: object,
  text: string,
  bytes: Uint8Array,
): Promise<void> {
  const { dbName, collectionName } = collection;
  const body = Buffer.from(
    BSON.serialize({ insert: collectionName, documents: [document], $db: dbName }),
  );
  Buffer.from(bytes).copy(body, body.indexOf(text));
  const header = Buffer.alloc(21); // length, request, response to, OP_MSG, flags, kind of section
  header.writeInt32LE(header.length + body.length, 0);
  header.writeInt32LE(2013, 12);
  const { primary = new URL(URI).host } = await collection.db.command({ hello: 1 });
  const { hostname, port } = new URL(`http://${primary}`);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.write(Buffer.concat([header, body]));
  await once(socket, "data");
  socket.destroy();
}

describe("the MongoDB backend", () => {
  let database: TestDatabase;
  let plain: Collection<Stored>;
  let collection: FaultyCollection;
  let backend: Backend;
  let seed: (change?: Partial<Parameters<typeof newInsert>[1]>) => Promise<
    ReturnType<typeof newInsert>
  >;
  before(async () => {
    database = await openDatabase();
    plain = database.collection();
    collection = new FaultyCollection(plain);
    backend = mongodbBackend(collection);
    seed = async (change = {}) => {
      const insert = newInsert(await backend.now(callFor()), change);
      assert.deepEqual(statuses(await backend.write([insert], callFor())), ["done"]);
      collection.methods();
      return insert;
    };
  });
  after(() => database.close());

  const write = async (...writes: Write[]) => statuses(await backend.write(writes, callFor()));
  const failure = async (...writes: Write[]) => {
    const [outcome] = await backend.write(writes, callFor());
    assert.equal(outcome?.status, "failed");
    return outcome.error;
  };

  it("sends one operation as itself and many as one command of their kind", async () => {
    const [a, b, c] = [await seed(), await seed(), await seed()];
    await backend.load([a.key], callFor());
    await backend.load([a.key, b.key], callFor());
    await write(updateOf(a));
    await write(touchOf(b));
    await write(updateOf(b), updateOf(c));
    await write({ kind: "remove", key: a.key });
    await write({ kind: "remove", key: b.key }, { kind: "remove", key: c.key });
    assert.deepEqual(collection.methods(), [
      "findOne",
      "find",
      "updateOne",
      "updateOne",
      "bulkWrite",
      "deleteOne",
      "bulkWrite",
    ]);
  });

  it("pins concerns, preference and types on every operation", async () => {
    const [a, b] = [await seed({ subject: "ann" }), await seed()];
    const others = [newInsert(a.created), newInsert(a.created)];
    await backend.load([a.key, b.key], callFor());
    await write(updateOf(a), touchOf(b), ...others, { kind: "remove", key: newKey() });
    await write(updateOf(b), updateOf(b, { key: newKey() }));
    await backend.list("ann", 5, callFor());
    await backend.remove({ key: a.key }, callFor());
    await backend.remove({ subject: "ann" }, callFor());
    const fresh = mongodbBackend(collection);
    await fresh.now(callFor());
    const methods = new Set<string>();
    for (const { method, options } of collection.seen) {
      methods.add(method);
      assert.ok(options["signal"] instanceof AbortSignal, method);
      assert.equal(options["promoteBuffers"], true, method);
      assert.equal(options["upsert"], undefined, method);
      if (["find", "findOne", "aggregate"].includes(method)) {
        assert.equal(options["readPreference"], "primary");
        assert.match(inspect(options["readConcern"]), /local|majority/);
      } else {
        assert.deepEqual(options["writeConcern"], { w: "majority", j: true }, method);
      }
      if (method === "bulkWrite") assert.equal(options["ordered"], false);
    }
    assert.deepEqual(
      [...methods].toSorted(),
      ["aggregate", "bulkWrite", "deleteMany", "deleteOne", "find", "findOne"],
    );
  });

  it("loads a broken document as malformed, without a word about its neighbours", async () => {
    const strange = [
      null,
      7,
      "text",
      true,
      [1],
      { $gt: "" },
      new Date(8.64e15 + 1),
      /x/,
      new Uint8Array(3),
      new Uint8Array(700),
    ];
    const good = await seed();
    for (const field of ["name", "data", "rev", "created", "modified", "expires", "subject"]) {
      for (const value of strange) {
        const { key } = await seed();
        const isFine = (["name", "data", "subject"].includes(field) && value === "text") ||
          (field === "data" && value instanceof Uint8Array);
        await plain.updateOne({ _id: key.bytes }, { $set: { [field]: value } });
        const what = `${field}: ${inspect(value)}`;
        const loaded = await backend.load([key, good.key], callFor());
        assert.deepEqual(
          loaded.map(({ status }) => status),
          [isFine || value instanceof Date ? loaded[0]?.status : "malformed", "found"],
          what,
        );
        const [single] = await backend.load([key], callFor());
        assert.equal(single?.status, loaded[0]?.status, what);
      }
      const { key } = await seed();
      await plain.updateOne({ _id: key.bytes }, { $unset: { [field]: "" } });
      const [loaded] = await backend.load([key], callFor());
      assert.equal(loaded?.status, field === "subject" ? "found" : "malformed", field);
    }
  });

  it("writes to no document whose expiry is not a time", async () => {
    for (const expires of ["9999", null, 1e20, true]) {
      const insert = await seed();
      await plain.updateOne({ _id: insert.key.bytes }, { $set: { expires } });
      const outcomes = await write(touchOf(insert));
      assert.ok(!outcomes.includes("done") || expires === true, `${expires}: ${outcomes.join()}`);
    }
  });

  it("survives text that is not UTF-8, which no driver writes and the server takes", async () => {
    const good = await seed();
    const { created } = good;
    for (const field of ["name", "data", "subject"]) {
      const document = toDocument(newInsert(created, { [field]: "~~~~~~~~" }));
      await insertRaw(plain, document, "~~~~~~~~", new Uint8Array(8).fill(0xff));
      const key = recordKey(new Uint8Array(document["_id"]));
      const loaded = await backend.load([good.key, key], callFor());
      assert.deepEqual(loaded.map(({ status }) => status), ["found", "found"], field);
      assert.equal((await backend.load([key], callFor()))[0]?.status, "found", field);
    }
  });

  describe("when the answer to a write is lost", () => {
    for (const fault of ["unsent", "eaten", "landed"] as const) {
      it(`finds an update done (${fault})`, async () => {
        const insert = await seed();
        const update = updateOf(insert);
        collection.plan("write", fault);
        assert.deepEqual(await write(update), ["done"]);
        const [loaded] = await backend.load([insert.key], callFor());
        assert.deepEqual(loaded?.status === "found" && loaded.record.rev, update.rev);
      });

      it(`finds a touch and a removal done (${fault})`, async () => {
        const insert = await seed();
        collection.plan("write", fault);
        assert.deepEqual(await write(touchOf(insert)), ["done"]);
        collection.plan("write", fault);
        const { key, rev: expected } = insert;
        assert.deepEqual(await write({ kind: "remove", key, expected }), ["done"]);
        collection.plan("write", fault);
        assert.deepEqual(await write({ kind: "remove", key }), ["done"]);
      });

      it(`finds each of many done (${fault})`, async () => {
        const [a, b, c, d] = [await seed(), await seed(), await seed(), await seed()];
        await write({ kind: "remove", key: d.key });
        collection.plan("write", fault, 2); // one command of updates, one of removals
        const removals: Write[] = [c, newInsert(0)].map(({ key }) => ({ kind: "remove", key }));
        assert.deepEqual(
          await write(updateOf(a), ...removals, updateOf(b), updateOf(d)),
          // One that was sent may have landed before its record went.
          ["done", "done", "done", "done", fault === "unsent" ? "gone" : "failed"],
        );
      });

      it(`removes a selection (${fault})`, async () => {
        const subject = newKey().text;
        await seed({ subject });
        collection.plan("write", fault);
        const removed = await backend.remove({ subject }, callFor());
        assert.equal(removed, fault === "landed" ? 0 : 1);
        assert.deepEqual(await backend.list(subject, 5, callFor()), []);
      });
    }

    it("finds an insert that landed", async () => {
      const insert = newInsert(await backend.now(callFor()));
      collection.plan("write", "landed");
      assert.deepEqual(await write(insert), ["done"]);
      const more = [newInsert(insert.created), newInsert(insert.created)];
      collection.plan("write", "landed");
      assert.deepEqual(await write(...more), ["done", "done"]);
    });

    it("sends an insert again that was never sent", async () => {
      await seed();
      collection.plan("write", "unsent");
      assert.deepEqual(await write(newInsert(await backend.now(callFor()))), ["done"]);
    });

    it("sends an insert once when it may have been sent: late, it could revive a session", async () => {
      await seed();
      collection.plan("write", "eaten");
      const error = await failure(newInsert(await backend.now(callFor())));
      assert.equal(error.outcome, "unknown");
      assert.deepEqual(collection.methods().filter((name) => name === "insertOne").length, 1);
    });

    it("knows nothing of an update that landed and was followed by another's", async () => {
      const insert = await seed();
      collection.plan("write", "landed");
      collection.beforeRead = () =>
        plain.updateOne({ _id: insert.key.bytes }, { $set: { rev: newRev() } });
      assert.equal((await failure(updateOf(insert))).outcome, "unknown");
    });

    it("knows nothing of an update whose record ended meanwhile: it may have landed before", async () => {
      const insert = await seed();
      collection.plan("write", "eaten");
      collection.beforeRead = undefined;
      await plain.deleteOne({ _id: insert.key.bytes });
      assert.equal((await failure(updateOf(insert))).outcome, "unknown");
    });

    it("looks for it at last, and finds it", async () => {
      const insert = await seed();
      collection.plan("write", "landed", 2);
      assert.deepEqual(await write(updateOf(insert)), ["done"]);
      assert.deepEqual(collection.methods(), ["updateOne", "updateOne", "findOne"]);
    });

    it("says unknown when no one answers, and when only the look-up is not answered", async () => {
      const insert = await seed();
      collection.plan("write", "eaten", 2);
      assert.equal((await failure(updateOf(insert))).outcome, "unknown");
      collection.plan("write", "eaten", 2);
      assert.equal((await failure(touchOf(insert))).outcome, "unknown");
      collection.plan("write", "eaten", 2);
      assert.equal((await failure({ kind: "remove", key: insert.key })).outcome, "unknown");
      collection.plan("write", "landed");
      collection.plan("read", "eaten", 2);
      assert.equal((await failure(updateOf(insert))).outcome, "unknown");
    });

    it("says not-applied when the count tells it and the look-up fails, else unknown", async () => {
      const [a, b] = [await seed(), await seed()];
      await write(updateOf(a));
      collection.plan("read", "eaten", 2);
      assert.equal((await failure(updateOf(a))).outcome, "not-applied");
      collection.plan("read", "eaten", 2);
      assert.equal((await failure(updateOf(a), updateOf(b))).outcome, "unknown");
    });

    it("says not-applied when nothing was ever sent", async () => {
      const insert = await seed();
      collection.plan("write", "unsent", 8);
      for (
        const one of [
          newInsert(insert.created),
          updateOf(insert),
          touchOf(insert),
          {
            kind: "remove",
            key: insert.key,
          } satisfies Write,
        ]
      ) {
        const error = await failure(one);
        assert.equal(error.outcome, "not-applied", one.kind);
      }
      const [loaded] = await backend.load([insert.key], callFor());
      assert.deepEqual(loaded?.status === "found" && loaded.record.rev, insert.rev);
    });

    it("trusts no collection that was never seen to send", async () => {
      const stranger = new FaultyCollection(plain);
      stranger.plan("write", "unsent", 2);
      const [outcome] = await mongodbBackend(stranger).write([newInsert(Date.now())], callFor());
      assert.ok(outcome?.status === "failed" && outcome.error.outcome === "unknown");
    });

    it("takes a write that no majority has confirmed for a lost one", async () => {
      const insert = await seed();
      const error = Object.assign(new Error("waiting for replication timed out"), {
        code: 64,
        result: { writeConcernError: { code: 64 } },
      });
      collection.plan("write", "landed", 1, error);
      assert.deepEqual(await write(updateOf(insert)), ["done"]);
      assert.deepEqual(collection.methods(), ["updateOne", "updateOne", "findOne"]);
    });
  });

  it("tells no conflict of a write that landed among others and was followed by another's", async () => {
    const [a, b] = [await seed(), await seed()];
    await write(updateOf(b));
    collection.beforeRead = () =>
      plain.updateOne({ _id: a.key.bytes }, { $set: { rev: newRev() } });
    const outcomes = await backend.write([updateOf(a), updateOf(b)], callFor());
    assert.deepEqual(statuses(outcomes), ["failed", "failed"]);
    for (const outcome of outcomes) {
      assert.ok(outcome.status === "failed" && outcome.error.outcome === "unknown");
    }
  });

  it("repeats nothing that was refused, and says what is missing", async () => {
    const insert = await seed();
    const cases: [Write, string][] = [
      [newInsert(insert.created), "insert"],
      [updateOf(insert), "update"],
      [touchOf(insert), "update"],
      [{ kind: "remove", key: insert.key }, "remove"],
    ];
    for (const [one, privilege] of cases) {
      collection.plan("write", "eaten", 1, refusal(13));
      const error = await failure(one);
      assert.equal(error.outcome, "not-applied");
      assert.match(error.message, new RegExp(`privilege "${privilege}"`));
      assert.deepEqual(collection.methods().length, 1);
    }
    collection.plan("read", "eaten", 1, refusal(13));
    await assert.rejects(backend.load([insert.key], callFor()), {
      name: "StoreUnavailableError",
      message: /privilege "find"/,
      outcome: "not-applied",
    });
  });

  it("fails one of many that the server refuses, and no other", async () => {
    const { db, collectionName } = database.collection();
    const validator = { name: { $ne: "bad" } };
    const strict = await db.createCollection<Stored>(collectionName, { validator });
    const guarded = mongodbBackend(strict);
    const at = await guarded.now(callFor());
    const secret = "a value that no log shows";
    const outcomes = await guarded.write([
      newInsert(at),
      newInsert(at, { name: "bad", data: secret }),
      newInsert(at),
    ], callFor());
    assert.deepEqual(statuses(outcomes), ["done", "failed", "done"]);
    const [single] = await guarded.write([newInsert(at, { name: "bad", data: secret })], callFor());
    for (const outcome of [outcomes[1], single]) {
      assert.ok(outcome?.status === "failed");
      assert.equal(outcome.error.outcome, "not-applied");
      assert.ok(!inspect(outcome.error, { depth: 9, showHidden: true }).includes(secret));
    }
  });

  it("reads again once, and says when it cannot", async () => {
    const { key } = await seed();
    collection.plan("read", "eaten");
    assert.equal((await backend.load([key], callFor()))[0]?.status, "found");
    collection.plan("read", "eaten", 2);
    await assert.rejects(backend.load([key], callFor()), {
      name: "StoreUnavailableError",
      outcome: "not-applied",
    });
  });

  it("settles by its deadline, and lets the driver go", async () => {
    const insert = await seed();
    const tried: [string, (call: Call) => Promise<unknown>, string][] = [
      ["read", (call) => backend.load([insert.key], call), "not-applied"],
      ["read", (call) => backend.list("ann", 5, call), "not-applied"],
      ["write", (call) => backend.remove({ subject: "ann" }, call), "unknown"],
    ];
    for (const [kind, run, outcome] of tried) {
      collection.plan(kind === "read" ? "read" : "write", "hangs");
      const start = performance.now();
      await assert.rejects(run(callFor(100)), { name: "StoreUnavailableError", outcome });
      const took = performance.now() - start;
      assert.ok(took >= 95 && took < 600, `${took} ms`);
    }
    for (const one of [updateOf(insert), newInsert(insert.created)]) {
      collection.plan("write", "hangs");
      const [outcome] = await backend.write([one], callFor(100));
      assert.ok(outcome?.status === "failed" && outcome.error.outcome === "unknown");
    }
    for (const { options } of collection.seen) {
      assert.ok(options["signal"] instanceof AbortSignal && options["signal"].aborted);
    }
  });

  it("ends at once with the caller's signal", async () => {
    const insert = await seed();
    const controller = new AbortController();
    collection.plan("read", "hangs");
    const loading = backend.load([insert.key], { ...callFor(), signal: controller.signal });
    setTimeout(() => controller.abort(), 20);
    await assert.rejects(loading, StoreUnavailableError);
    const late = { ...callFor(), signal: controller.signal };
    const [outcome] = await backend.write([updateOf(insert)], late);
    assert.ok(outcome?.status === "failed" && outcome.error.outcome === "not-applied");
  });

  it("leaves no listener on the caller's signal", async () => {
    const { key } = await seed();
    let listeners = 0;
    const { signal } = new AbortController();
    const counted: AbortSignal = new Proxy(signal, {
      get(target, name) {
        if (name === "addEventListener") listeners++;
        if (name === "removeEventListener") listeners--;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    await backend.load([key], { ...callFor(), signal: counted });
    assert.equal(listeners, 0);
  });

  it("closes only when what is under way has settled, or at its deadline", async () => {
    const inner = new FaultyCollection(plain);
    const closing = mongodbBackend(inner);
    inner.plan("read", "hangs");
    const loading = closing.load([newKey()], callFor(300));
    await assert.rejects(closing.close(callFor(50)), StoreUnavailableError);
    const start = performance.now();
    await Promise.all([assert.rejects(loading, StoreUnavailableError), closing.close(callFor())]);
    assert.ok(performance.now() - start > 150);
  });

  it("shows no key in an error", async () => {
    const insert = await seed();
    collection.plan("write", "eaten", 2);
    const error = await failure(updateOf(insert));
    const shown = inspect(error, { depth: 9 });
    assert.ok(!shown.includes(insert.key.text));
    assert.ok(!error.message.includes("127.0.0.1"));
  });
});
