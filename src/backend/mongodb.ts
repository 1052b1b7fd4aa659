import { type Clock, systemClock } from "../clock.ts";
import type { Backend } from "./backend.ts";
import type { SessionCollection } from "./collection.ts";

export type { SessionCollection } from "./collection.ts";

/** What the MongoDB backend may be told. */
export interface MongodbBackendOptions {
  /** Measures deadlines and ages of clock samples. Expiry is measured by the database's clock. Default: the clock of the runtime. */
  readonly clock?: Clock;
}

/** Keeps records in a collection of MongoDB. */
export function mongodbBackend(
  collection: SessionCollection,
  options: MongodbBackendOptions = {},
): Backend {
  const { clock = systemClock } = options;
  throw new Error(`being written ${collection.collectionName} ${clock.now()}`);
}
