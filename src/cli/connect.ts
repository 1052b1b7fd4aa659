import type { Collection, MongoClient } from "mongodb";
import { createRequire } from "node:module";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./arguments.ts";
import { uriOf } from "./secrets.ts";
import type { Terminal } from "./terminal.ts";

/** A place in a database, and the way there. */
export interface Place {
  readonly uri: string;
  readonly db: string | undefined;
  readonly collection: string;
  /** How long to wait for a server, in milliseconds. */
  readonly timeoutMS: number;
}

/** Where the sessions of the store are. Throws `UsageError` where nothing says so. */
export function placeOf(args: Arguments, terminal: Terminal): Place {
  const uri = uriOf(args, terminal, "uri-file", "MONGODB_URI");
  if (uri === undefined) {
    throw new UsageError("it needs a database: set MONGODB_URI, or name a file with --uri-file");
  }
  return {
    uri,
    db: args.text("db"),
    collection: args.text("collection") ?? "sessions",
    timeoutMS: args.count("timeout", 5_000),
  };
}

/** A client for this place that has connected. Rejects with the driver's error, and `UsageError` where there is no driver. */
export async function connect({ uri, timeoutMS }: Place): Promise<MongoClient> {
  const { MongoClient: Client } = await driver();
  let client: MongoClient;
  try {
    client = new Client(uri, {
      appName: "mongostore",
      serverSelectionTimeoutMS: timeoutMS,
      connectTimeoutMS: timeoutMS,
    });
  } catch {
    throw new UsageError("the connection string cannot be used: its form is wrong");
  }
  try {
    await client.connect();
    return client;
  } catch (error) {
    await client.close();
    throw error;
  }
}

/** The collection of a place. */
export function collectionAt(client: MongoClient, { db, collection }: Place): Collection {
  return client.db(db).collection(collection);
}

/** Connects, works, and lets go of the database, whatever comes of the work. */
export async function withCollection<T>(
  place: Place,
  work: (collection: Collection, client: MongoClient) => Promise<T>,
): Promise<T> {
  const client = await connect(place);
  try {
    return await work(collectionAt(client, place), client);
  } finally {
    await client.close();
  }
}

/** The driver beside this package, or else the one of the project that the command is run in. */
async function driver(): Promise<typeof import("mongodb")> {
  try {
    return await import("mongodb");
  } catch {
    try {
      const path = createRequire(join(process.cwd(), "package.json")).resolve("mongodb");
      const theirs: { default: typeof import("mongodb") } = await import(pathToFileURL(path).href);
      return theirs.default;
    } catch {
      throw new UsageError(
        "the MongoDB driver is not installed: run this in a project that has it, or add it with\n" +
          "  npm install mongodb     (bun add mongodb, deno add npm:mongodb)\n" +
          "or, for once, npx -p mongostore -p mongodb mongostore …",
      );
    }
  }
}
