import process from "node:process";
import { type Collection, MongoClient } from "mongodb";

/** A database of its own for one test file. */
export interface Database {
  /** A collection that nobody used before. */
  collection(): Collection;
  /** Removes the database and lets go of the server. */
  drop(): Promise<void>;
}

/** Connects to MONGODB_URI, which scripts/with-mongo.mjs sets. */
export async function openDatabase(): Promise<Database> {
  const uri = process.env["MONGODB_URI"];
  if (!uri) throw new Error("MONGODB_URI is not set: run through scripts/with-mongo.mjs");
  const client = await new MongoClient(uri).connect();
  const db = client.db(`test_${crypto.randomUUID().replaceAll("-", "")}`);
  let count = 0;
  return {
    collection: () => db.collection(`sessions${count++}`),
    drop: async () => {
      await db.dropDatabase();
      await client.close();
    },
  };
}
