/** What a code block of the documentation may use without declaring it: `db`, `store` and so on. */
import { randomBytes } from "node:crypto";
import process from "node:process";
import { MongoClient } from "mongodb";
import type { Db } from "mongodb";
import { createMemoryStore } from "#mongostore";
import type { Session, Store } from "#mongostore";

interface Values {
  userId?: string;
  cart?: string[];
  visits?: number;
}

declare global {
  var db: Db;
  var store: Store<Values>;
  var session: Session<Values>;
  var request: Request;
  var response: Response;
}

process.env["SESSION_KEY"] ??= randomBytes(32).toString("base64url");
const client = new MongoClient(process.env["MONGODB_URI"] ?? "");

/** Gives each block its own set, so that none depends on what another did. */
export async function provide(): Promise<void> {
  globalThis.db = client.db(`docs_${randomBytes(8).toString("hex")}`);
  globalThis.store = createMemoryStore<Values>({ keys: [process.env["SESSION_KEY"] ?? ""] });
  globalThis.request = new Request("https://shop.example/cart");
  globalThis.response = new Response("hello");
  globalThis.session = await store.get(request, "session");
}

/** Removes what the block left in the database. */
export async function withdraw(): Promise<void> {
  await db.dropDatabase();
}
