import { type Clock, systemClock } from "../clock.ts";
import type { Call } from "./backend.ts";
import type { SessionCollection } from "./collection.ts";

/** What {@linkcode ensureIndexes} is to bring about. */
export interface IndexOptions {
  /** Whether the indexes are wanted; `false` touches nothing. */
  readonly ttl: boolean;
  /** Measures the deadline. Default: the clock of the runtime. */
  readonly clock?: Clock;
}

/** Brings the indexes of the collection to what a store needs. */
export async function ensureIndexes(
  collection: SessionCollection,
  options: IndexOptions,
  call: Call,
): Promise<void> {
  const { ttl, clock = systemClock } = options;
  if (!ttl) return;
  throw new Error(`being written ${collection.collectionName} ${clock.now()} ${call.deadline}`);
}
