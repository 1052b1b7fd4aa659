import { after, before, describe } from "node:test";
import type { Collection } from "mongodb";
import { createMongoStore, generateKey, memoryBackend, mongodbBackend, Store } from "#mongostore";
import type { Backend, MongoStoreOptions, StoreOptions } from "#mongostore";
import { type Database, openDatabase } from "./mongo.ts";

/** Where records live: several stores opened in one place share them, as several processes do. */
export interface Place {
  /** Opens a store here; `around` may stand between it and the backend. */
  open<V extends object = Record<string, unknown>>(
    options?: Partial<MongoStoreOptions<V>>,
    around?: (backend: Backend) => Backend,
  ): Promise<Store<V>>;
  /** The collection; undefined where the records are in memory. */
  readonly collection: Collection | undefined;
}

/** The key of stores that are given none. */
export const KEY: string = generateKey();

/** A place in memory. Options that every store of the place is to have, the clock above all, are given here. */
export function memoryPlace(common: Partial<StoreOptions> = {}): Place {
  const { clock } = common;
  const backend = memoryBackend(clock ? { clock } : {});
  return {
    collection: undefined,
    open: <V extends object>(
      options: Partial<MongoStoreOptions<V>> = {},
      around: (backend: Backend) => Backend = (same) => same,
    ) =>
      Promise.resolve(
        new Store<V>({
          keys: [KEY],
          ...(clock ? { clock } : {}),
          ...options,
          backend: around(backend),
        }),
      ),
  };
}

/** A place in a collection of MongoDB. */
function mongoPlace(collection: Collection): Place {
  return {
    collection,
    open: async <V extends object>(
      options: Partial<MongoStoreOptions<V>> = {},
      around?: (backend: Backend) => Backend,
    ) => {
      if (!around) return await createMongoStore<V>(collection, { keys: [KEY], ...options });
      const backend = around(mongodbBackend(collection, options));
      return new Store<V>({ keys: [KEY], ...options, backend });
    },
  };
}

/** Runs the same suite on memory and on the real MongoDB. `place` gives a new place each time. */
export function describeStores(
  title: string,
  suite: (place: () => Place, kind: "memory" | "mongodb") => void,
): void {
  describe(`${title} (memory)`, () => suite(() => memoryPlace(), "memory"));
  describe(`${title} (mongodb)`, () => {
    let database: Database | undefined;
    before(async () => {
      database = await openDatabase();
    });
    after(async () => await database?.close());
    suite(() => {
      if (!database) throw new Error("the database is not open");
      return mongoPlace(database.collection());
    }, "mongodb");
  });
}
