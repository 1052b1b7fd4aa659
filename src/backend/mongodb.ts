import { encodeBase64Url } from "../base64url.ts";
import { type Clock, systemClock } from "../clock.ts";
import { StoreUnavailableError, type WriteCertainty } from "../errors.ts";
import type {
  Backend,
  Call,
  ChangeObserver,
  Loaded,
  Outcome,
  RecordKey,
  Selection,
  StoredRecord,
  Write,
} from "./backend.ts";
import type { SessionCollection } from "./collection.ts";
import {
  codeOf,
  Interruption,
  isRefusal,
  READ,
  READ_DURABLE,
  unavailable,
  withinDeadline,
  WriteSender,
} from "./driver-call.ts";
import { ChangeFeed } from "./mongodb-changes.ts";
import { LIVING, MongodbWriter } from "./mongodb-write.ts";
import { checkWrite, fromDocument } from "./record.ts";
import { ServerClock } from "./server-clock.ts";

export type { DocumentCursor, SessionCollection } from "./collection.ts";

/** What the MongoDB backend may be told. */
export interface MongodbBackendOptions {
  /** Measures deadlines; expiry is measured by the database's clock. Default: the clock of the runtime. */
  readonly clock?: Clock;
}

/**
 * Keeps records in a collection of MongoDB 5.0 or later. Every write waits for the journal of a majority of the
 * servers and every read asks the primary, whatever the connection string says. A write whose answer was lost is sent
 * once more, which is safe because it names the `rev` that it expects, and is then looked for. Only an insert is not
 * sent again: the first one, arriving late, could revive a session that has ended by then. It fails with the outcome
 * `unknown`, and the caller may insert under a new key.
 *
 * @example
 * ```ts
 * import { MongoClient } from "mongodb";
 * import { mongodbBackend, Store } from "mongostore";
 *
 * const client = new MongoClient("mongodb://127.0.0.1/app");
 * const store = new Store({
 *   backend: mongodbBackend(client.db().collection("sessions")),
 *   keys: ["a secret of at least thirty-two bytes"],
 * });
 * ```
 */
export function mongodbBackend(
  collection: SessionCollection,
  options: MongodbBackendOptions = {},
): Backend {
  return new MongodbBackend(collection, options.clock ?? systemClock);
}

const SIMPLE = { collation: { locale: "simple" } }; // subjects differ by case even where the collection says otherwise

const FIELDS = {
  _id: 1,
  name: 1,
  data: 1,
  rev: 1,
  created: 1,
  modified: 1,
  expires: 1,
  subject: 1,
  now: "$$NOW",
};

const STANDING = { rev: 1, expires: 1, now: "$$NOW" };

class MongodbBackend implements Backend {
  readonly #collection: SessionCollection;
  readonly #clock: Clock;
  readonly #server: ServerClock;
  readonly #sender: WriteSender;
  readonly #writer: MongodbWriter;
  readonly #underWay: Set<Promise<unknown>> = new Set();
  readonly #feeds: Set<ChangeFeed> = new Set();
  #isClosed = false;
  #isRefreshing = false;

  constructor(collection: SessionCollection, clock: Clock) {
    this.#collection = collection;
    this.#clock = clock;
    this.#server = new ServerClock(clock);
    this.#sender = new WriteSender(clock);
    this.#writer = new MongodbWriter(
      collection,
      this.#sender,
      (keys, isDurable, call) => {
        const options = isDurable ? READ_DURABLE : READ;
        return this.#find(keys, { ...options, projection: STANDING }, call);
      },
    );
  }

  load(keys: readonly RecordKey[], call: Call): Promise<readonly Loaded[]> {
    return this.#track(async () => {
      const documents = await this.#find(keys, { ...READ, projection: FIELDS }, call);
      return keys.map((key) => {
        const document = documents.get(key.text);
        if (!document) return { status: "absent" };
        const record = fromDocument(document);
        if (!record || !(document.now instanceof Date)) return { status: "malformed" };
        const now = document.now.getTime();
        return record.expires > now ? { status: "found", record, now } : { status: "absent" };
      });
    });
  }

  write(writes: readonly Write[], call: Call): Promise<readonly Outcome[]> {
    if (this.#isClosed) {
      return Promise.resolve(writes.map(() => ({ status: "failed", error: closed() })));
    }
    return this.#track(() => {
      writes.forEach(checkWrite);
      return this.#writer.write(writes, call);
    });
  }

  list(subject: string, limit: number, call: Call): Promise<readonly StoredRecord[]> {
    return this.#track(async () => {
      if (!(limit >= 1)) return [];
      const size = Math.min(Math.floor(limit), 0x7fff_ffff);
      const documents = await this.#read(
        call,
        (signal) =>
          this.#collection.find({ subject: { $eq: subject }, $expr: LIVING }, {
            ...READ,
            ...SIMPLE,
            projection: FIELDS,
            sort: { modified: -1 },
            limit: size,
            signal,
          }).toArray(),
      );
      return documents.map(fromDocument).filter((record) => record !== undefined);
    });
  }

  scan(after: RecordKey | undefined, limit: number, call: Call): Promise<readonly StoredRecord[]> {
    return this.#track(async () => {
      const filter = { ...(after && { _id: { $gt: after.bytes } }), $expr: LIVING };
      const documents = await this.#read(call, (signal) =>
        this.#collection.find(filter, {
          ...READ,
          projection: FIELDS,
          sort: { _id: 1 },
          limit,
          signal,
        }).toArray());
      return documents.map(fromDocument).filter((record) => record !== undefined);
    });
  }

  /** After a lost answer the removal runs again and gives the number of the second run. */
  remove({ key, subject, except = [] }: Selection, call: Call): Promise<number> {
    const filter = {
      ...(subject !== undefined && { subject: { $eq: subject } }),
      ...((key || except.length > 0) && {
        _id: {
          ...(key && { $eq: key.bytes }),
          ...(except.length > 0 && { $nin: except.map(({ bytes }) => bytes) }),
        },
      }),
    };
    return this.#track(async () => {
      if (!key && subject === undefined) {
        throw new TypeError("a selection names a key or a subject");
      }
      let outcome: WriteCertainty = "not-applied";
      for (let tries = 1;; tries++) {
        const sent = await this.#sender.send(
          call,
          (options) =>
            key
              ? this.#collection.deleteOne(filter, { ...options, ...SIMPLE })
              : this.#collection.deleteMany(filter, { ...options, ...SIMPLE }),
        );
        if ("result" in sent) return sent.result.deletedCount;
        const { error, fate } = sent;
        if (fate === "lost") outcome = "unknown";
        if (tries === 2 || fate === "refused" || error instanceof Interruption) {
          throw unavailable("the sessions could not be removed", "remove", error, outcome);
        }
      }
    });
  }

  now(call: Call): number | Promise<number> {
    const now = this.#server.now();
    if (now === undefined) return this.#track(() => this.#ask(call));
    if (this.#server.isStale && !this.#isRefreshing && !this.#isClosed) {
      void this.#refresh();
    }
    return now;
  }

  observe(observer: ChangeObserver): () => void {
    if (this.#isClosed) throw closed();
    const feed = new ChangeFeed(this.#collection, this.#clock, observer);
    this.#feeds.add(feed);
    this.#underWay.add(feed.ended);
    void feed.ended.finally(() => {
      this.#feeds.delete(feed);
      this.#underWay.delete(feed.ended);
    });
    return () => feed.stop();
  }

  async close(call: Call): Promise<void> {
    this.#isClosed = true;
    for (const feed of this.#feeds) feed.stop();
    try {
      await withinDeadline(this.#clock, call, () => Promise.allSettled(this.#underWay));
    } catch (error) {
      throw unavailable("operations are still under way", "", error, "unknown");
    }
  }

  async #track<T>(run: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw closed();
    const running = run();
    this.#underWay.add(running);
    try {
      return await running;
    } finally {
      this.#underWay.delete(running);
    }
  }

  /** The documents at these keys, by the text of the key. */
  async #find(
    keys: readonly RecordKey[],
    options: object,
    call: Call,
  ): Promise<ReadonlyMap<string, Found>> {
    const [first] = keys;
    if (!first) return new Map();
    const documents: readonly Found[] = await this.#read(call, async (signal) => {
      if (keys.length === 1) {
        const document = await this.#collection.findOne({ _id: first.bytes }, {
          ...options,
          signal,
        });
        return document ? [document] : [];
      }
      const filter = { _id: { $in: keys.map(({ bytes }) => bytes) } };
      const batchSize = keys.length + 1; // one more than there are: the cursor ends with its first batch
      return this.#collection.find(filter, { ...options, batchSize, signal }).toArray();
    });
    const found = new Map<string, Found>();
    for (const document of documents) {
      const { _id } = document;
      if (keys.length === 1) found.set(first.text, document);
      else if (_id instanceof Uint8Array) found.set(encodeBase64Url(_id), document);
    }
    return found;
  }

  /** Runs a read, twice where it fails, and takes the time of the database from its answer. */
  async #read(
    call: Call,
    run: (signal: AbortSignal) => Promise<readonly Found[]>,
  ): Promise<readonly Found[]> {
    for (let tries = 1;; tries++) {
      const sent = this.#clock.monotonic();
      try {
        const documents = await withinDeadline(this.#clock, call, run);
        const now = documents[0]?.now;
        if (now instanceof Date) {
          this.#server.sample(sent, this.#clock.monotonic(), now.getTime());
        }
        return documents;
      } catch (error) {
        if (tries === 2 || error instanceof Interruption || isRefusal(codeOf(error))) {
          throw unavailable("the sessions could not be read", "find", error, "not-applied");
        }
      }
    }
  }

  /** Brings the time up to date behind the caller's back. Where that fails, the next operation will tell. */
  async #refresh(): Promise<void> {
    this.#isRefreshing = true;
    try {
      await this.#ask({ deadline: this.#clock.monotonic() + 5_000 });
    } catch {
      // the time goes on as it was
    } finally {
      this.#isRefreshing = false;
    }
  }

  /** Asks the database for its time; needs neither a document nor the collection to be there. */
  async #ask(call: Call): Promise<number> {
    const pipeline = [
      { $match: { _id: null } },
      { $facet: { none: [{ $limit: 1 }] } },
      { $project: { now: "$$NOW" } },
    ];
    await this.#read(
      call,
      (signal) => this.#collection.aggregate(pipeline, { ...READ, signal }).toArray(),
    );
    // A router answers with nothing while the database does not exist at all; then nothing is there to disagree with.
    return this.#server.now() ?? this.#clock.now();
  }
}

type Found = { readonly [name in keyof typeof FIELDS | keyof typeof STANDING]?: unknown };

function closed(): StoreUnavailableError {
  return new StoreUnavailableError("the backend is closed", { outcome: "not-applied" });
}
