import { batched } from "./backend/batch.ts";
import type { BatchOptions } from "./backend/batch.ts";
import { ensureIndexes } from "./backend/indexes.ts";
import { memoryBackend } from "./backend/memory.ts";
import { mongodbBackend } from "./backend/mongodb.ts";
import type { SessionCollection } from "./backend/mongodb.ts";
import { systemClock } from "./clock.ts";
import { emitTo } from "./events.ts";
import type { StoreOptions } from "./options.ts";
import { Store } from "./store.ts";

/** The options of a store on MongoDB. */
export interface MongoStoreOptions<V extends object = Record<string, unknown>>
  extends StoreOptions<V> {
  /**
   * Bring the collection's indexes to what the store needs: the database then removes what has expired, and `list` is fast.
   * Default true; false creates and checks nothing.
   */
  ensureTTL?: boolean;
  /** Group commit: operations of concurrent requests go to the database together. Default true; false sends each alone. */
  batch?: boolean | Omit<BatchOptions, "clock" | "onBatch">;
}

/**
 * A store that keeps its sessions in a MongoDB collection (driver 6.13 or later, server 5.0 or later). Checks the keys, reaches the
 * database and brings the indexes to what the options say, so that what is wrong shows at the start:
 * rejects with `WeakKeyError`, `IndexConflictError`, `StoreUnavailableError` (within `timeoutMS`), `RangeError` or `TypeError`.
 *
 * @example
 * ```ts
 * import { createMongoStore, generateKey } from "mongostore";
 * import { MongoClient } from "mongodb";
 *
 * const client = new MongoClient(process.env["MONGODB_URI"] ?? "mongodb://127.0.0.1:27017");
 * const store = await createMongoStore<{ userId: string }>(client.db("shop").collection("sessions"), {
 *   keys: [process.env["SESSION_KEY"] ?? generateKey()],
 *   maxAge: 3600,
 * });
 * const request = new Request("https://shop.example/");
 * const session = await store.get(request, "session");
 * session.values.userId = "42";
 * const response = await store.save(request, new Response("hello"), session);
 * console.log(response.headers.has("set-cookie")); // true
 * await store.close();
 * await client.close();
 * ```
 */
export async function createMongoStore<V extends object = Record<string, unknown>>(
  collection: SessionCollection,
  options: MongoStoreOptions<V>,
): Promise<Store<V>> {
  const { ensureTTL = true, clock = systemClock, timeoutMS = 5_000, batch = true } = options;
  const plain = mongodbBackend(collection, { clock });
  const emit = emitTo(options.onEvent);
  const bounds = typeof batch === "object" ? batch : {};
  const backend = batch === false
    ? plain
    : batched(plain, { ...bounds, clock, onBatch: (event) => emit({ type: "batch", ...event }) });
  const store = new Store<V>({ ...options, backend });
  const call = { deadline: clock.monotonic() + timeoutMS };
  await store.ready();
  await ensureIndexes(collection, { ttl: ensureTTL, clock }, call);
  return store;
}

/**
 * A store that keeps its sessions in this process: for tests, demos and single processes that may forget.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey } from "mongostore";
 *
 * const store = createMemoryStore<{ cart: string[] }>({ keys: [generateKey()], maxAge: 600 });
 * const session = await store.get(new Request("https://shop.example/"));
 * console.log(session.isNew); // true
 * ```
 */
export function createMemoryStore<V extends object = Record<string, unknown>>(
  options: StoreOptions<V>,
): Store<V> {
  return new Store<V>({ ...options, backend: memoryBackend(options) });
}
