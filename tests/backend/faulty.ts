import type { DocumentCursor, SessionCollection } from "../../src/backend/mongodb.ts";

/**
 * How a call goes wrong. `unsent`: the driver fails before it sends. `eaten`: it is sent and never arrives. `landed`: it is
 * applied, and its answer is lost. `hangs`: it is sent and nothing comes back, until the signal is aborted.
 */
export type Fault = "unsent" | "eaten" | "landed" | "hangs";

/** One call that reached the collection. */
export interface Seen {
  readonly method: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly size: number;
}

/** The error of a dropped connection, as the driver makes it. */
function networkError(): Error {
  const error = Object.assign(new Error("connection 3 to 127.0.0.1:27017 closed"), {
    errorLabels: ["RetryableWriteError"],
  });
  error.name = "MongoNetworkError";
  return error;
}

/** A collection whose next calls go wrong as planned. */
export class FaultyCollection implements SessionCollection {
  readonly seen: Seen[] = [];
  /** Runs before the next read. */
  beforeRead: (() => Promise<unknown>) | undefined;
  readonly #inner: SessionCollection;
  readonly #plans: { kind: "read" | "write"; fault: Fault; error: unknown }[] = [];

  constructor(inner: SessionCollection) {
    this.#inner = inner;
  }

  get collectionName(): string {
    return this.#inner.collectionName;
  }

  /** Plans the faults of the next reads or writes. */
  plan(kind: "read" | "write", fault: Fault, times = 1, error: unknown = networkError()): void {
    for (let i = 0; i < times; i++) this.#plans.push({ kind, fault, error });
  }

  /** Which methods were called since the last time. */
  methods(): string[] {
    return this.seen.splice(0).map(({ method }) => method);
  }

  findOne(filter: object, options?: object): Promise<object | null> {
    return this.#run("read", "findOne", 1, options, () => this.#inner.findOne(filter, options));
  }
  find(filter: object, options?: object): DocumentCursor {
    const run = () => this.#inner.find(filter, options).toArray();
    return { toArray: () => this.#run("read", "find", 1, options, run) };
  }
  aggregate(pipeline?: object[], options?: object): DocumentCursor {
    const run = () => this.#inner.aggregate(pipeline, options).toArray();
    return { toArray: () => this.#run("read", "aggregate", 1, options, run) };
  }
  insertOne(document: object, options?: object): Promise<unknown> {
    return this.#run(
      "write",
      "insertOne",
      1,
      options,
      () => this.#inner.insertOne(document, options),
    );
  }
  updateOne(
    filter: object,
    update: object[],
    options?: object,
  ): Promise<{ modifiedCount: number }> {
    const run = () => this.#inner.updateOne(filter, update, options);
    return this.#run("write", "updateOne", 1, options, run);
  }
  deleteOne(filter: object, options?: object): Promise<{ deletedCount: number }> {
    return this.#run(
      "write",
      "deleteOne",
      1,
      options,
      () => this.#inner.deleteOne(filter, options),
    );
  }
  deleteMany(filter: object, options?: object): Promise<{ deletedCount: number }> {
    return this.#run(
      "write",
      "deleteMany",
      1,
      options,
      () => this.#inner.deleteMany(filter, options),
    );
  }
  bulkWrite(
    operations: readonly object[],
    options?: object,
  ): Promise<{ modifiedCount: number; deletedCount: number }> {
    const run = () => this.#inner.bulkWrite(operations, options);
    return this.#run("write", "bulkWrite", operations.length, options, run);
  }
  listIndexes(options?: object): DocumentCursor {
    const run = () => this.#inner.listIndexes(options).toArray();
    return { toArray: () => this.#run("read", "listIndexes", 1, options, run) };
  }
  createIndex(keys: Record<string, 1 | -1>, options?: object): Promise<string> {
    const run = () => this.#inner.createIndex(keys, options);
    return this.#run("write", "createIndex", 1, options, run);
  }

  async #run<T>(
    kind: "read" | "write",
    method: string,
    size: number,
    options: object | undefined,
    run: () => Promise<T>,
  ): Promise<T> {
    const named = new Map(Object.entries(options ?? {}));
    this.seen.push({ method, size, options: Object.fromEntries(named) });
    if (kind === "read" && this.beforeRead) {
      const before = this.beforeRead;
      this.beforeRead = undefined;
      await before();
    }
    const at = this.#plans.findIndex((plan) => plan.kind === kind);
    const [plan] = at < 0 ? [] : this.#plans.splice(at, 1);
    if (!plan) return await run();
    if (plan.fault === "landed") await run();
    if (plan.fault === "eaten" || plan.fault === "hangs") serialize(named.get("comment"));
    if (plan.fault === "hangs") await aborted(named.get("signal"));
    throw plan.error;
  }
}

function serialize(comment: unknown): void {
  if (typeof comment === "object" && comment && "toBSON" in comment) {
    if (typeof comment.toBSON === "function") comment.toBSON();
  }
}

function aborted(signal: unknown): Promise<never> {
  return new Promise((_, reject) => {
    if (!(signal instanceof AbortSignal)) return;
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}
