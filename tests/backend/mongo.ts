import type { Collection, MongoClientOptions } from "mongodb";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { systemClock } from "../../src/clock.ts";
import type { Call, RecordKey } from "../../src/backend/backend.ts";
import type { BackendFixture } from "../contract/backend.ts";
import { type Database, openDatabase as open } from "../support/mongo.ts";

/** A record as it stands in the database. */
export interface Stored {
  _id: Uint8Array;
  [field: string]: unknown;
}

/** A database of sessions' records. */
export type TestDatabase = Database<Stored>;

/** Connects to MONGODB_URI. */
export function openDatabase(options?: MongoClientOptions): Promise<TestDatabase> {
  return open<Stored>(options);
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
