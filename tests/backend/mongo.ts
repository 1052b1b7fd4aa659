import { type Collection, MongoClient, type MongoClientOptions } from "mongodb";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { systemClock } from "../../src/clock.ts";
import type { Call, RecordKey } from "../../src/backend/backend.ts";
import type { BackendFixture } from "../contract/backend.ts";

/** A record as it stands in the database. */
export interface Stored {
  _id: Uint8Array;
  [field: string]: unknown;
}

/** A database of this file's own, gone after `close`. */
export interface TestDatabase {
  readonly client: MongoClient;
  /** A new collection. */
  collection(): Collection<Stored>;
  close(): Promise<void>;
}

/** Connects to the server at MONGODB_URI. */
export async function openDatabase(options: MongoClientOptions = {}): Promise<TestDatabase> {
  const uri = process.env["MONGODB_URI"];
  if (!uri) throw new Error("MONGODB_URI is not set: run this through scripts/with-mongo.mjs");
  const client = await MongoClient.connect(uri, options);
  const db = client.db(`test_${crypto.randomUUID()}`);
  return {
    client,
    collection: () => db.collection<Stored>(crypto.randomUUID()),
    async close() {
      await db.dropDatabase({ writeConcern: { w: 1 } });
      await client.close();
    },
  };
}

/** A call that ends in so many milliseconds. */
export function callFor(ms = 10_000): Call {
  return { deadline: systemClock.monotonic() + ms };
}

/** Lets a record expire where it stands. */
export async function expire(collection: Collection<Stored>, key: RecordKey): Promise<void> {
  await collection.updateOne({ _id: key.bytes }, {
    $set: { expires: new Date(Date.now() - 60_000) },
  });
}

/** A fixture of the backend contract over a collection. */
export function fixtureOf(collection: Collection<Stored>): BackendFixture {
  return {
    backend: mongodbBackend(collection),
    call: callFor,
    expire: (key) => expire(collection, key),
  };
}
