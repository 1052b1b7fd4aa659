import { type Clock, systemClock } from "../clock.ts";
import { IndexConflictError } from "../errors.ts";
import type { Call } from "./backend.ts";
import type { SessionCollection } from "./collection.ts";
import { codeOf, isRefusal, READ, unavailable, withinDeadline } from "./driver-call.ts";

/** What {@linkcode ensureIndexes} is to bring about. */
export interface IndexOptions {
  /** Whether the database removes what has expired; `false` creates nothing and looks at nothing. */
  readonly ttl: boolean;
  /** Measures the deadline. Default: the clock of the runtime. */
  readonly clock?: Clock;
}

/**
 * Brings the indexes of a collection to what a store needs: `{ expires: 1 }`, by which the database removes what has
 * expired, and `{ subject: 1, modified: -1 }` for the sessions of one user. Creates what is missing and mends what
 * `collMod` can mend. Rejects with `IndexConflictError` where an index stands in the way or the database user may not,
 * and with `StoreUnavailableError` in an outage. Building an index over many records may outlast the call; it goes on in
 * the database, and the next start finds it.
 *
 * @example
 * ```ts
 * import { ensureIndexes, generateKey, mongodbBackend, Store } from "mongostore";
 * import { MongoClient } from "mongodb";
 *
 * const client = new MongoClient(process.env["MONGODB_URI"] ?? "mongodb://127.0.0.1:27017");
 * const collection = client.db("shop").collection("sessions_by_hand");
 * await ensureIndexes(collection, { ttl: true }, { deadline: performance.now() + 5_000 });
 * const store = new Store({ backend: mongodbBackend(collection), keys: [generateKey()] });
 * console.log(store.options.maxAge); // 86400
 * await store.close();
 * await client.close();
 * ```
 */
export async function ensureIndexes(
  collection: SessionCollection,
  options: IndexOptions,
  call: Call,
): Promise<void> {
  const { ttl, clock = systemClock } = options;
  if (!ttl) return;

  // 1. See what stands there; a collection that does not exist has no index.
  const standing = await attempt(
    "listIndexes",
    "its indexes",
    (signal) =>
      collection.listIndexes({ ...READ, signal }).toArray().catch((error: unknown) => {
        if (codeOf(error) === NAMESPACE_NOT_FOUND) return [];
        throw error;
      }),
  );

  // 2. Refuse any other TTL index: it would remove records before their time.
  for (const index of standing.map(read)) {
    if (index.expireAfterSeconds !== undefined && index.key !== JSON.stringify(EXPIRES.keys)) {
      throw new IndexConflictError(
        `the index "${index.name}" of the collection "${collection.collectionName}" removes records by another field ` +
          "than expires and would end sessions early; drop it, or use another collection",
      );
    }
  }

  // 3. Create or mend ours.
  for (const wanted of [EXPIRES, SUBJECT]) {
    const { keys, expireAfterSeconds } = wanted;
    const text = JSON.stringify(keys);
    const found = standing.map(read).find(({ key }) => key === text);
    if (!found) {
      await attempt(
        "createIndex",
        text,
        (signal) => collection.createIndex(keys, { ...wanted.options, ...WRITE, signal }),
      );
      continue;
    }
    if (!wanted.fits(found)) throw conflict(found.name, "has other options than are needed");
    if (expireAfterSeconds === found.expireAfterSeconds) continue;
    const { db } = collection;
    if (!db) throw conflict(found.name, "has another expireAfterSeconds");
    await attempt("collMod", found.name, (signal) =>
      db.command({
        collMod: collection.collectionName,
        index: { name: found.name, expireAfterSeconds },
        ...WRITE,
      }, { signal }));
  }

  async function attempt<T>(
    action: string,
    what: string,
    run: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    try {
      return await withinDeadline(clock, call, run);
    } catch (error) {
      const code = codeOf(error);
      if (code === UNAUTHORIZED) {
        throw new IndexConflictError(
          `the database user lacks the privilege "${action}" on the collection "${collection.collectionName}"; ` +
            `grant it, or create the indexes by hand and set ensureTTL to false`,
          { cause: error },
        );
      }
      if (code !== undefined && (CONFLICTS.has(code) || isRefusal(code))) {
        throw conflict(what, `cannot be made by ${action}`, error);
      }
      throw unavailable("the indexes could not be brought about", action, error, "unknown");
    }
  }

  function conflict(index: string, why: string, cause?: unknown): IndexConflictError {
    return new IndexConflictError(
      `the index ${index} of the collection "${collection.collectionName}" ${why}; ` +
        "drop the index that stands there and start again",
      { cause },
    );
  }
}

const NAMESPACE_NOT_FOUND = 26;
const UNAUTHORIZED = 13;
/** Another index has the name, or the same key with other options. */
const CONFLICTS = new Set([67, 85, 86]);

const WRITE = { writeConcern: { w: "majority" } };

/** An index as far as it matters here. The key is compared as JSON text, because the order of its fields counts. */
interface Index {
  readonly name: string;
  readonly key: string;
  readonly expireAfterSeconds: number | undefined;
  /** As JSON text; `undefined` for an index over every document. */
  readonly partial: string | undefined;
  /** Whether it is unique, or compares text by the rules of a language. */
  readonly isPeculiar: boolean;
}

/** An index of ours, and which others do in its place. */
interface Wanted {
  readonly keys: Readonly<Record<string, 1 | -1>>;
  readonly options: object;
  readonly expireAfterSeconds: number | undefined;
  fits(index: Index): boolean;
}

const EXPIRES: Wanted = {
  keys: { expires: 1 },
  expireAfterSeconds: 0,
  options: { expireAfterSeconds: 0, collation: { locale: "simple" } },
  fits: ({ partial, isPeculiar }) => partial === undefined && !isPeculiar,
};

const HAS_SUBJECT = { subject: { $exists: true } };

const SUBJECT: Wanted = {
  keys: { subject: 1, modified: -1 },
  expireAfterSeconds: undefined,
  options: { partialFilterExpression: HAS_SUBJECT, collation: { locale: "simple" } },
  fits: ({ partial, isPeculiar }) =>
    (partial === undefined || partial === JSON.stringify(HAS_SUBJECT)) && !isPeculiar,
};

interface IndexDocument {
  readonly name?: unknown;
  readonly key?: unknown;
  readonly expireAfterSeconds?: unknown;
  readonly partialFilterExpression?: unknown;
  readonly unique?: unknown;
  readonly collation?: unknown;
}

function read(index: IndexDocument): Index {
  const { expireAfterSeconds, partialFilterExpression, unique, collation } = index;
  return {
    name: String(index.name),
    key: JSON.stringify(index.key),
    expireAfterSeconds: expireAfterSeconds === undefined ? undefined : Number(expireAfterSeconds),
    partial: partialFilterExpression === undefined
      ? undefined
      : JSON.stringify(partialFilterExpression),
    isPeculiar: unique === true || collation !== undefined,
  };
}
