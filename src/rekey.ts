import type { Backend, Call, RecordKey, StoredRecord, Write } from "./backend/backend.ts";
import { parseHandle, revAfter } from "./backend/record.ts";
import type { Clock, RandomBytes } from "./clock.ts";
import type { DataCodec } from "./codec/codec.ts";

/** How far a `rekey` has come. */
export interface RekeyProgress {
  /** Records looked at. */
  readonly seen: number;
  /** Records whose data was written anew under the first key. */
  readonly resealed: number;
  /** Records that no key of the store opens: left as they are. */
  readonly unopened: number;
  /** Records that a request wrote meanwhile; its process protects them with its own first key. */
  readonly overtaken: number;
  /** The handle of the last record: `after` of a run that goes on from here. */
  readonly last: string | undefined;
}

/** How a `rekey` goes about it. */
export interface RekeyOptions {
  /** Goes on after the record of this handle: the `last` of an earlier run. */
  readonly after?: string;
  /** How many records are read and written at a time. Default 200. */
  readonly batch?: number;
  /** The most records a second. Default: no limit. */
  readonly rate?: number;
  /** Ends the run between two batches; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Hears of each batch. */
  readonly onProgress?: (progress: RekeyProgress) => void;
}

interface RekeyParts {
  readonly backend: Backend;
  readonly data: DataCodec;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly call: () => Call;
}

/** Protects the data of every living record with the first key. See `Store.rekey`. */
export async function rekey(parts: RekeyParts, options: RekeyOptions): Promise<RekeyProgress> {
  const { batch = 200, rate = Infinity, signal, onProgress } = options;
  if (!(Number.isInteger(batch) && batch > 0)) {
    throw new RangeError("batch must be a whole number above 0");
  }
  if (!(rate > 0)) throw new RangeError("rate must be above 0");
  let at: RecordKey | undefined = options.after === undefined
    ? undefined
    : parseHandle(options.after);
  if (options.after !== undefined && !at) {
    throw new TypeError("cannot go on after what is no handle");
  }
  const count = { seen: 0, resealed: 0, unopened: 0, overtaken: 0 };
  let progress: RekeyProgress = { ...count, last: at?.text };
  for (;;) {
    signal?.throwIfAborted();
    const started = parts.clock.monotonic();
    const records = await parts.backend.scan(at, batch, parts.call());
    if (records.length === 0) return progress;
    const writes: Write[] = [];
    for (const record of records) {
      const write = await reseal(parts, record);
      if (write === "unopened") count.unopened++;
      else if (write !== "fresh") writes.push(write);
    }
    const outcomes = writes.length > 0 ? await parts.backend.write(writes, parts.call()) : [];
    for (const outcome of outcomes) {
      if (outcome.status === "failed") throw outcome.error;
      if (outcome.status === "done") count.resealed++;
      else count.overtaken++;
    }
    count.seen += records.length;
    at = records.at(-1)?.key;
    progress = { ...count, last: at?.text };
    onProgress?.(progress);
    const due = started + (records.length / rate) * 1000;
    const left = due - parts.clock.monotonic();
    if (left > 0) await new Promise<void>((resolve) => parts.clock.after(left, resolve));
  }
}

async function reseal(
  { data, random }: RekeyParts,
  record: StoredRecord,
): Promise<Write | "fresh" | "unopened"> {
  const { key, name, created, rev: expected } = record;
  const binding = { name, key: key.bytes, created };
  const opened = await data.open(record.data, binding);
  if (!opened.ok) return "unopened";
  if (!opened.stale) return "fresh";
  return {
    kind: "reseal",
    key,
    expected,
    rev: revAfter(random(8), expected),
    data: await data.protect(opened.text, binding),
  };
}
