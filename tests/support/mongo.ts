import process from "node:process";
import { type Collection, type Document, MongoClient, type MongoClientOptions } from "mongodb";

/** A database of its own for one test file. */
export interface Database<T extends Document = Document> {
  readonly client: MongoClient;
  /** A collection that nobody used before. */
  collection(): Collection<T>;
  /** Removes the database and lets go of the server. */
  close(): Promise<void>;
}

/** Connects to MONGODB_URI, which scripts/with-mongo.mjs sets. */
export async function openDatabase<T extends Document = Document>(
  options: MongoClientOptions = {},
): Promise<Database<T>> {
  const uri = process.env["MONGODB_URI"];
  if (!uri) throw new Error("MONGODB_URI is not set: run through scripts/with-mongo.mjs");
  const client = await MongoClient.connect(uri, options);
  const db = client.db(`test_${crypto.randomUUID().replaceAll("-", "")}`);
  let count = 0;
  return {
    client,
    collection: () => db.collection<T>(`sessions${count++}`),
    async close() {
      await db.dropDatabase({ writeConcern: { w: 1 } });
      await client.close();
    },
  };
}
