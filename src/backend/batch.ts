import type { Clock } from "../clock.ts";
import { systemClock } from "../clock.ts";
import { inTime } from "../deadline.ts";
import { StoreUnavailableError } from "../errors.ts";
import type { Backend, Call, Loaded, Outcome, RecordKey, Write } from "./backend.ts";
import { checkWrite } from "./record.ts";

/** What a group commit may be told. */
export interface BatchOptions {
  /** The most operations that go together. Default 1,000. */
  readonly maxBatch?: number;
  /** The most bytes of data that go together; one larger operation goes alone. Default 8 MiB. */
  readonly maxBatchBytes?: number;
  /** The most operations that wait. Beyond it a call is refused at once. Default 10,000 for loads and as many for writes. */
  readonly maxQueue?: number;
  /** The most bytes of data that wait. Beyond it a call is refused at once. Default 64 MiB. */
  readonly maxQueueBytes?: number;
  /** Measures deadlines. Default: the clock of the runtime. */
  readonly clock?: Clock;
  /** Hears of each batch that was answered. */
  readonly onBatch?: (batch: Batch) => void;
}

/** A batch that was answered. */
export interface Batch {
  readonly operation: "load" | "write";
  /** How many operations went together. */
  readonly size: number;
  /** How many bytes of data they held. */
  readonly bytes: number;
  /** How long the backend took, in milliseconds. */
  readonly ms: number;
}

/**
 * Group commit: operations that arrive while others are under way wait for them and then go together. With nothing
 * under way an operation leaves at once. Each keeps its own deadline, its own signal and its own outcome.
 *
 * @example
 * ```ts
 * import { batched, generateKey, memoryBackend, Store } from "mongostore";
 *
 * const store = new Store({ backend: batched(memoryBackend()), keys: [generateKey()] });
 * console.log((await store.get(new Request("https://shop.example/"))).isNew); // true
 * ```
 */
export function batched(inner: Backend, options: BatchOptions = {}): Backend {
  const loads = new Pipeline<RecordKey, Loaded | StoreUnavailableError>({
    ...options,
    operation: "load",
    // Two loads of one record are one question.
    shared: true,
    textOf: (key) => key.text,
    bytesOf: () => 0,
    send: (keys, call) => inner.load(keys, call),
    failed: (error) => error,
  });
  const writes = new Pipeline<Write, Outcome>({
    ...options,
    operation: "write",
    // Two writes of one record never share a command: the second may depend on the first.
    shared: false,
    textOf: (write) => write.key.text,
    bytesOf: (write) => "data" in write ? write.data.length : 0,
    send: (batch, call) => inner.write(batch, call),
    failed: (error) => ({ status: "failed", error }),
  });
  const observe = inner.observe?.bind(inner);
  return {
    ...(observe && { observe }),
    load: (keys, call) => loads.run(keys, call).then((all) => all.map(orThrow)),
    write(batch, call) {
      try {
        batch.forEach(checkWrite);
      } catch (misuse) {
        return Promise.reject(misuse);
      }
      return writes.run(batch, call);
    },
    list: (subject, limit, call) => inner.list(subject, limit, call),
    scan: (after, limit, call) => inner.scan(after, limit, call),
    remove: (selection, call) => inner.remove(selection, call),
    now: (call) => inner.now(call),
    async close(call) {
      const settled = Promise.all([loads.close(), writes.close()]);
      await inTime(options.clock ?? systemClock, call, settled, unsettled);
      await inner.close(call);
    },
  };
}

interface Lane<I, R> extends BatchOptions {
  readonly operation: "load" | "write";
  readonly shared: boolean;
  readonly textOf: (item: I) => string;
  readonly bytesOf: (item: I) => number;
  readonly send: (items: readonly I[], call: Call) => Promise<readonly R[]>;
  readonly failed: (error: StoreUnavailableError) => R;
}

/** One operation that waits or is under way. */
interface Entry<I, R> {
  readonly item: I;
  readonly text: string;
  readonly bytes: number;
  readonly call: Call;
  /** Listens to the call's signal. */
  readonly abort: (() => void) | undefined;
  /** Under way: the backend has it. */
  sent: boolean;
  /** Answered: what comes later is ignored. */
  settled: boolean;
  readonly answer: (result: R) => void;
}

/** How many batches may be under way at once. */
const UNDER_WAY = 2;
/** From how many on what waits goes as two batches. */
const WORTH_HALVING = 16;
/** How often deadlines are looked at, in milliseconds. */
const SWEEP_MS = 50;
/**
 * How long after its deadline what the backend has may still be answered by the backend, in milliseconds: that one knows whether it was
 * sent at all.
 */
const VERDICT_MS = 25;

class Pipeline<I, R> {
  readonly #lane: Lane<I, R>;
  readonly #clock: Clock;
  readonly #maxBatch: number;
  readonly #maxBatchBytes: number;
  readonly #maxQueue: number;
  readonly #maxQueueBytes: number;
  #queue: Entry<I, R>[] = [];
  #queueBytes = 0;
  /** The batches that the backend has. */
  readonly #sent = new Set<readonly Entry<I, R>[]>();
  /** How many operations have no answer yet. */
  #pending = 0;
  /** The size of a batch under the present load: a second batch waits until it is worth its trip. */
  #typical = 1;
  #scheduled = false;
  #sweeping = false;
  #closed = false;
  #idle: (() => void)[] = [];

  constructor(lane: Lane<I, R>) {
    this.#lane = lane;
    this.#clock = lane.clock ?? systemClock;
    this.#maxBatch = lane.maxBatch ?? 1_000;
    this.#maxBatchBytes = lane.maxBatchBytes ?? 8 * 1024 * 1024;
    this.#maxQueue = lane.maxQueue ?? 10_000;
    this.#maxQueueBytes = lane.maxQueueBytes ?? 64 * 1024 * 1024;
  }

  /** Answers each item, in their order. Never rejects. */
  run(items: readonly I[], call: Call): Promise<readonly R[]> {
    return new Promise((resolve) => {
      const results: R[] = [];
      let left = items.length;
      if (left === 0) resolve(results);
      for (const [i, item] of items.entries()) {
        this.#enter(item, call, (result) => {
          results[i] = result;
          if (--left === 0) resolve(results);
        });
      }
      this.#schedule();
    });
  }

  /** Refuses what comes later and waits for what is here. */
  close(): Promise<void> {
    this.#closed = true;
    if (this.#isIdle) return Promise.resolve();
    return new Promise((resolve) => this.#idle.push(resolve));
  }

  get #isIdle(): boolean {
    return this.#pending === 0 && this.#sent.size === 0;
  }

  #enter(item: I, call: Call, answer: (result: R) => void): void {
    const { textOf, bytesOf, failed } = this.#lane;
    const bytes = bytesOf(item);
    const refusal = this.#refuse(bytes, call);
    if (refusal) return answer(failed(refusal));
    const { signal } = call;
    const abort = signal && (() => this.#expire(entry, "was aborted", signal.reason));
    const entry: Entry<I, R> = {
      item,
      text: textOf(item),
      bytes,
      call,
      abort,
      sent: false,
      settled: false,
      answer,
    };
    if (abort) signal.addEventListener("abort", abort);
    this.#pending++;
    this.#queue.push(entry);
    this.#queueBytes += bytes;
    this.#watch();
  }

  #settle(entry: Entry<I, R>, result: R): void {
    if (entry.settled) return;
    entry.settled = true;
    this.#pending--;
    if (entry.abort) entry.call.signal?.removeEventListener("abort", entry.abort);
    entry.answer(result);
  }

  #refuse(bytes: number, { signal }: Call): StoreUnavailableError | undefined {
    const { operation } = this.#lane;
    const refuse = (why: string, cause?: unknown) =>
      new StoreUnavailableError(`the ${operation} was not begun: ${why}`, {
        outcome: "not-applied",
        cause,
      });
    if (this.#closed) return refuse("the store is closed");
    if (signal?.aborted) return refuse("it was aborted", signal.reason);
    if (this.#queue.length >= this.#maxQueue) {
      return refuse(`${this.#queue.length} others wait for the database`);
    }
    if (this.#queue.length > 0 && this.#queueBytes + bytes > this.#maxQueueBytes) {
      return refuse(`${this.#queueBytes} bytes wait for the database`);
    }
    return undefined;
  }

  /**
   * Sends what waits once the callers that are running now have had their say: the answers of one batch wake many callers
   * in one turn of the event loop, and what they ask next belongs together. No time passes in between.
   */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Sends what waits, if it is time. */
  #flush(): void {
    while (this.#queue.length > 0 && this.#worthATrip()) {
      // Two batches of half the size keep this process and the database at work at the same time.
      const halved = this.#sent.size === 0 && this.#queue.length >= WORTH_HALVING;
      const batch = this.#take(halved ? Math.ceil(this.#queue.length / 2) : this.#maxBatch);
      if (batch.length === 0) return;
      void this.#send(batch);
    }
  }

  #worthATrip(): boolean {
    if (this.#sent.size === 0) return true;
    return this.#sent.size < UNDER_WAY && this.#queue.length >= this.#typical / 2;
  }

  /** The oldest of what waits, within the bounds of a batch; what may not share it keeps its place. */
  #take(most: number): Entry<I, R>[] {
    const batch: Entry<I, R>[] = [];
    const left: Entry<I, R>[] = [];
    const texts = new Set<string>();
    const now = this.#clock.monotonic();
    let bytes = 0;
    let full = false;
    for (const entry of this.#queue) {
      if (!entry.settled && now >= entry.call.deadline) {
        this.#expire(entry, "was not begun in time");
      }
      if (entry.settled) {
        this.#queueBytes -= entry.bytes;
        continue;
      }
      full ||= batch.length > 0 &&
        (texts.size >= Math.min(most, this.#maxBatch) || bytes + entry.bytes > this.#maxBatchBytes);
      if (full || (!this.#lane.shared && texts.has(entry.text))) {
        left.push(entry);
        continue;
      }
      texts.add(entry.text);
      batch.push(entry);
      bytes += entry.bytes;
    }
    this.#queue = left;
    this.#queueBytes -= bytes;
    return batch;
  }

  async #send(batch: readonly Entry<I, R>[]): Promise<void> {
    this.#sent.add(batch);
    this.#typical = Math.max(batch.length, this.#typical * 0.9);
    const items: I[] = [];
    const places = new Map<string, number>();
    let [deadline, bytes] = [0, 0];
    for (const entry of batch) {
      entry.sent = true;
      if (!places.has(entry.text)) places.set(entry.text, items.push(entry.item) - 1);
      deadline = Math.max(deadline, entry.call.deadline);
      bytes += entry.bytes;
    }
    const started = this.#clock.monotonic();
    const results = await this.#ask(items, { deadline });
    for (const entry of batch) {
      const result = results[places.get(entry.text) ?? -1];
      this.#settle(entry, result ?? this.#failed("got no answer from the backend"));
    }
    this.#sent.delete(batch);
    const { operation, onBatch } = this.#lane;
    try {
      onBatch?.({ operation, size: batch.length, bytes, ms: this.#clock.monotonic() - started });
    } catch {
      // An observer never changes what happens.
    }
    this.#flush();
    if (this.#isIdle) { for (const done of this.#idle.splice(0)) done(); }
  }

  async #ask(items: readonly I[], call: Call): Promise<readonly R[]> {
    try {
      return await this.#lane.send(items, call);
    } catch (error) {
      if (error instanceof StoreUnavailableError) return items.map(() => this.#lane.failed(error));
      if (items.length > 1) {
        // One of them cannot even be sent. Alone, it fails alone.
        const each = await Promise.all(items.map((item) => this.#ask([item], call)));
        return each.flat();
      }
      return [this.#failed("was refused by the backend", error)];
    }
  }

  #watch(): void {
    if (this.#sweeping) return;
    this.#sweeping = true;
    this.#clock.after(SWEEP_MS, () => {
      this.#sweeping = false;
      const now = this.#clock.monotonic();
      for (const batch of [this.#queue, ...this.#sent]) {
        for (const entry of batch) {
          const due = entry.call.deadline + (entry.sent ? VERDICT_MS : 0);
          if (now >= due) this.#expire(entry, "was not answered in time");
        }
      }
      if (this.#pending > 0) this.#watch();
    });
  }

  #expire(entry: Entry<I, R>, what: string, cause?: unknown): void {
    if (!entry.settled) this.#settle(entry, this.#failed(what, cause, entry.sent));
  }

  /** A read changes nothing; a write that was sent may have. */
  #failed(what: string, cause?: unknown, sent = true): R {
    const { operation, failed } = this.#lane;
    const outcome = sent && operation === "write" ? "unknown" : "not-applied";
    return failed(new StoreUnavailableError(`the ${operation} ${what}`, { outcome, cause }));
  }
}

function orThrow(loaded: Loaded | StoreUnavailableError): Loaded {
  if (loaded instanceof StoreUnavailableError) throw loaded;
  return loaded;
}

function unsettled(): { message: string; outcome: "unknown" } {
  return { message: "operations are still under way", outcome: "unknown" };
}
