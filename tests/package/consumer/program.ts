// A session goes into a store and comes back with the cookie: without a database, then with MongoDB.
import assert from "node:assert/strict";
import process from "node:process";
import { MongoClient } from "mongodb";
import { createMemoryStore, createMongoStore, generateKey } from "mongostore";
import type { Store } from "mongostore";

interface Values {
  userId?: string;
  seen?: Date;
}

const keys = [generateKey()];
await visitTwice(createMemoryStore<Values>({ keys }));

const client = new MongoClient(process.env["MONGODB_URI"] ?? "");
const db = client.db(`package_${Date.now()}`);
await visitTwice(await createMongoStore<Values>(db.collection("sessions"), { keys }));
assert.equal(await db.collection("sessions").countDocuments(), 1);
await db.dropDatabase();
await client.close();
console.log("both stores work");

async function visitTwice(store: Store<Values>): Promise<void> {
  const seen = new Date();
  const first = new Request("https://shop.example/");
  const fresh = await store.get(first, "session");
  assert.equal(fresh.isNew, true);
  Object.assign(fresh.values, { userId: "42", seen });
  const response = await store.save(first, new Response("hello"), fresh);

  const cookie = response.headers.get("set-cookie")?.split(";", 1)[0] ?? "";
  const second = new Request("https://shop.example/", { headers: { cookie } });
  const loaded = await store.get(second, "session");
  assert.equal(loaded.isNew, false);
  assert.deepEqual(loaded.values, { userId: "42", seen });
  await store.close();
}
