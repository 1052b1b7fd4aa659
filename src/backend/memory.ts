import { type Clock, systemClock } from "../clock.ts";
import { StoreUnavailableError } from "../errors.ts";
import type {
  Backend,
  Call,
  ChangeObserver,
  Expiry,
  Loaded,
  Outcome,
  RecordKey,
  Selection,
  StoredRecord,
  Write,
} from "./backend.ts";
import { checkWrite, remembers, sameBytes } from "./record.ts";

/** What a memory backend may be told. */
export interface MemoryBackendOptions {
  /** The clock that expiry is measured with. Default: the clock of the runtime. */
  readonly clock?: Clock;
  /** How many records it holds before inserts fail. Default: 100,000. */
  readonly maxRecords?: number;
}

/**
 * Keeps records in this process, with the semantics of the MongoDB backend: for tests, demos and services of one
 * process. Records end with the process. Expired records make room when it is needed; when there is none to make, an
 * insert fails with `StoreUnavailableError`. Bytes are kept as they are given and are not to be changed afterwards.
 *
 * @example
 * ```ts
 * import { memoryBackend, Store } from "mongostore";
 *
 * const store = new Store({
 *   backend: memoryBackend({ maxRecords: 1_000 }),
 *   keys: ["a secret of at least thirty-two bytes"],
 * });
 * ```
 */
export function memoryBackend(options: MemoryBackendOptions = {}): Backend {
  const { clock = systemClock, maxRecords = 100_000 } = options;
  if (!Number.isSafeInteger(maxRecords) || maxRecords < 1) {
    throw new RangeError("maxRecords is a whole number of at least 1");
  }
  return new MemoryBackend(clock, maxRecords);
}

class MemoryBackend implements Backend {
  readonly #records: Map<string, StoredRecord> = new Map();
  readonly #observers: Set<ChangeObserver> = new Set();
  readonly #clock: Clock;
  readonly #maxRecords: number;
  #sweepAt: number;
  #closed = false;

  constructor(clock: Clock, maxRecords: number) {
    this.#clock = clock;
    this.#maxRecords = maxRecords;
    this.#sweepAt = Math.min(1024, maxRecords);
  }

  load(keys: readonly RecordKey[], call: Call): Promise<readonly Loaded[]> {
    return this.#run(call, (now) =>
      keys.map((key) => {
        const record = this.#living(key, now);
        return record ? { status: "found", record, now } : { status: "absent" };
      }));
  }

  write(writes: readonly Write[], call: Call): Promise<readonly Outcome[]> {
    const error = this.#refusal(call);
    if (error) return Promise.resolve(writes.map(() => ({ status: "failed", error })));
    return this.#run(call, (now) => {
      writes.forEach(checkWrite);
      return writes.map((write) => this.#apply(write, now));
    });
  }

  list(subject: string, limit: number, call: Call): Promise<readonly StoredRecord[]> {
    return this.#run(call, (now) =>
      [...this.#records.values()]
        .filter((record) => record.subject === subject && record.expires > now)
        .toSorted((a, b) => b.modified - a.modified)
        .slice(0, Math.max(0, limit)));
  }

  scan(after: RecordKey | undefined, limit: number, call: Call): Promise<readonly StoredRecord[]> {
    return this.#run(call, (now) =>
      [...this.#records.values()]
        .filter((record) => record.expires > now && (!after || compare(record.key, after) > 0))
        .toSorted((a, b) => compare(a.key, b.key))
        .slice(0, Math.max(0, limit)));
  }

  remove({ key, subject, except = [] }: Selection, call: Call): Promise<number> {
    return this.#run(call, () => {
      if (!key && subject === undefined) {
        throw new TypeError("a selection names a key or a subject");
      }
      const kept = new Set(except.map((other) => other.text));
      const candidates = key ? [this.#records.get(key.text)] : [...this.#records.values()];
      const chosen = candidates.filter((record) =>
        record && !kept.has(record.key.text) &&
        (subject === undefined || record.subject === subject)
      );
      for (const record of chosen) if (record) this.#delete(record.key);
      return chosen.length;
    });
  }

  now(): number {
    return this.#clock.now();
  }

  observe(observer: ChangeObserver): () => void {
    if (this.#closed) throw unavailable("the memory backend is closed");
    this.#observers.add(observer);
    queueMicrotask(() => {
      if (this.#observers.has(observer)) observer.live(false);
    });
    return () => void this.#observers.delete(observer);
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#observers.clear();
    return Promise.resolve();
  }

  /** Does it at once, unless the call is over; what it throws is a rejection. */
  #run<T>(call: Call, work: (now: number) => T): Promise<T> {
    const error = this.#refusal(call);
    if (error) return Promise.reject(error);
    try {
      return Promise.resolve(work(this.#clock.now()));
    } catch (misuse) {
      return Promise.reject(misuse);
    }
  }

  #apply(write: Write, now: number): Outcome {
    const id = write.key.text;
    const record = this.#living(write.key, now);
    if (write.kind === "insert") {
      if (record) return { status: remembers(record.rev, write.rev) ? "done" : "exists" };
      if (!this.#hasRoom(now)) {
        return { status: "failed", error: unavailable("the memory backend is full") };
      }
      const { key, name, data, rev, created, modified, subject } = write;
      const expires = end(modified, write.expiry);
      this.#records.set(id, { key, name, data, rev, created, modified, expires, subject });
      return { status: "done" };
    }
    if (write.kind === "remove") {
      if (record && write.expected && !sameBytes(record.rev, write.expected)) {
        return { status: "conflict" };
      }
      this.#delete(write.key);
      return { status: "done" };
    }
    if (!record) return { status: "gone" };
    if (!sameBytes(record.rev, write.expected)) {
      const landed = write.kind !== "touch" && remembers(record.rev, write.rev);
      return { status: landed ? "done" : "conflict" };
    }
    if (write.kind === "reseal") {
      this.#records.set(id, { ...record, data: write.data, rev: write.rev });
      this.#tell(write.key, false);
      return { status: "done" };
    }
    const expires = end(now, write.expiry);
    if (write.kind === "touch") {
      this.#records.set(id, {
        ...record,
        modified: now,
        expires: Math.max(record.expires, expires),
      });
    } else {
      const { data, rev, subject } = write;
      this.#records.set(id, { ...record, data, rev, subject, modified: now, expires });
      this.#tell(write.key, false);
    }
    return { status: "done" };
  }

  #living(key: RecordKey, now: number): StoredRecord | undefined {
    const record = this.#records.get(key.text);
    if (!record || record.expires > now) return record;
    this.#delete(key);
    return undefined;
  }

  #delete(key: RecordKey): void {
    if (this.#records.delete(key.text)) this.#tell(key, true);
  }

  #tell(key: RecordKey, isRemoved: boolean): void {
    for (const observer of this.#observers) observer.changed(key, isRemoved);
  }

  /** Sweeps when the records have doubled since the last sweep, so that an insert costs the same however many there are. */
  #hasRoom(now: number): boolean {
    if (this.#records.size < this.#sweepAt) return true;
    for (const { key, expires } of this.#records.values()) {
      if (expires <= now) this.#delete(key);
    }
    this.#sweepAt = Math.min(this.#maxRecords, Math.max(1024, 2 * this.#records.size));
    return this.#records.size < this.#maxRecords;
  }

  #refusal(call: Call): StoreUnavailableError | undefined {
    if (this.#closed) return unavailable("the memory backend is closed");
    if (call.signal?.aborted) return unavailable("the call was aborted", call.signal.reason);
    const isOver = this.#clock.monotonic() >= call.deadline;
    return isOver ? unavailable("the call's deadline is over") : undefined;
  }
}

function end(start: number, { idle, until }: Expiry): number {
  return Math.min(start + idle, until);
}

function unavailable(message: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(message, { outcome: "not-applied", cause });
}

function compare(a: RecordKey, b: RecordKey): number {
  const at = a.bytes.findIndex((byte, i) => byte !== b.bytes[i]);
  return at < 0 ? 0 : (a.bytes[at] ?? 0) - (b.bytes[at] ?? 0);
}
