import type { StoreUnavailableError } from "../errors.ts";

/** The name of a record: 4 bytes of time and 16 bytes of a hash. It is no token and leads back to none. */
export interface RecordKey {
  /** The record's `_id`, 20 bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The same bytes as base64url text, 27 characters: the handle that `list` gives. */
  readonly text: string;
}

/** A record as the backend keeps it. Times are milliseconds since 1970 on the backend's clock. */
export interface StoredRecord {
  readonly key: RecordKey;
  /** The session's name. */
  readonly name: string;
  /** The protected values: bytes, or text where they are stored readable. */
  readonly data: Uint8Array<ArrayBuffer> | string;
  /** 8 random bytes, new at every data write, and behind them those of the writes just before it. */
  readonly rev: Uint8Array<ArrayBuffer>;
  readonly created: number;
  readonly modified: number;
  readonly expires: number;
  /** Whose session it is, where the application said so. */
  readonly subject: string | undefined;
}

/** What a load found. An expired record is absent. `now` is the backend's clock at the time of the load. */
export type Loaded =
  | { readonly status: "found"; readonly record: StoredRecord; readonly now: number }
  | { readonly status: "absent" }
  /** Something stands at this key that is not a record of ours. */
  | { readonly status: "malformed" };

/** How far a write lets the record live: until `idle` ms after the backend's now, and never past `until` (ms since 1970). */
export interface Expiry {
  readonly idle: number;
  readonly until: number;
}

/** One change of one record. Nothing here ever creates a record but `insert`. */
export type Write =
  /** Creates a record; never replaces one. Both times come from {@linkcode Backend.now}; `expiry` counts from `modified`. */
  | {
    readonly kind: "insert";
    readonly key: RecordKey;
    readonly name: string;
    readonly data: Uint8Array<ArrayBuffer> | string;
    readonly rev: Uint8Array<ArrayBuffer>;
    readonly created: number;
    readonly modified: number;
    readonly expiry: Expiry;
    readonly subject: string | undefined;
  }
  /** Replaces data where the record lives and its rev is the expected one. */
  | {
    readonly kind: "update";
    readonly key: RecordKey;
    readonly expected: Uint8Array<ArrayBuffer>;
    readonly rev: Uint8Array<ArrayBuffer>;
    readonly data: Uint8Array<ArrayBuffer> | string;
    readonly expiry: Expiry;
    readonly subject: string | undefined;
  }
  /** Replaces data and rev and nothing else, where the record lives and its rev is the expected one. */
  | {
    readonly kind: "reseal";
    readonly key: RecordKey;
    readonly expected: Uint8Array<ArrayBuffer>;
    readonly rev: Uint8Array<ArrayBuffer>;
    readonly data: Uint8Array<ArrayBuffer> | string;
  }
  /** Lets the record live longer, never shorter, where it lives and its rev is the expected one. Keeps rev. */
  | {
    readonly kind: "touch";
    readonly key: RecordKey;
    readonly expected: Uint8Array<ArrayBuffer>;
    readonly expiry: Expiry;
  }
  /** Deletes the record; with `expected`, only where its rev is that one. */
  | {
    readonly kind: "remove";
    readonly key: RecordKey;
    readonly expected?: Uint8Array<ArrayBuffer>;
  };

/** What became of one write. */
export type Outcome =
  /** It is durable. A remove of a record that was not there is done as well. */
  | { readonly status: "done" }
  /** The record does not exist or has expired; nothing was written. */
  | { readonly status: "gone" }
  /** The record has another rev; nothing was written. */
  | { readonly status: "conflict" }
  /** An insert found its key taken; nothing was written. */
  | { readonly status: "exists" }
  /** The backend failed; the error says whether the write may have landed. */
  | { readonly status: "failed"; readonly error: StoreUnavailableError };

/** How long a call may take. */
export interface Call {
  /** The call settles by this time of the monotonic clock, in milliseconds. */
  readonly deadline: number;
  /** Ends the call before its deadline. */
  readonly signal?: AbortSignal | undefined;
}

/** Which records to remove at once. At least one of `key` and `subject`; both must match where both are given. */
export interface Selection {
  readonly key?: RecordKey;
  readonly subject?: string;
  /** Records to leave. */
  readonly except?: readonly RecordKey[];
}

/** Hears of changes of records: soon after each, in no order, perhaps twice. */
export interface ChangeObserver {
  /** The data of the record at this key was replaced, or the record was removed. */
  changed(key: RecordKey, isRemoved: boolean): void;
  /** From now on every change is told. `isComplete`: none was missed since the last `live`. */
  live(isComplete: boolean): void;
  /** From now on changes are missed, until `live` is called: look at the records instead. */
  lost(reason: StoreUnavailableError): void;
}

/**
 * Where records live. Absence is a value, never an error; an outage rejects with `StoreUnavailableError`
 * by the deadline, or stands in the outcome of the writes it touched.
 */
export interface Backend {
  /** The records of these keys, in their order. Keys are distinct. */
  load(keys: readonly RecordKey[], call: Call): Promise<readonly Loaded[]>;
  /** Applies each write on its own, in no particular order; gives the outcomes in the order of the writes. Keys are distinct. One write's failure is no other's. */
  write(writes: readonly Write[], call: Call): Promise<readonly Outcome[]>;
  /** The living records of a subject, last modified first, at most `limit`. */
  list(subject: string, limit: number, call: Call): Promise<readonly StoredRecord[]>;
  /** The living records after this key (all, without one) in the order of their keys, at most `limit`. Malformed ones are left out. */
  scan(after: RecordKey | undefined, limit: number, call: Call): Promise<readonly StoredRecord[]>;
  /** Removes the selected records and gives their number. */
  remove(selection: Selection, call: Call): Promise<number>;
  /** The backend's clock, in milliseconds since 1970, without asking it each time: as well as it is known. */
  now(call: Call): number | Promise<number>;
  /**
   * Tells the observer of every change, whoever makes it, until the function it gives is called or the backend is closed.
   * It begins lost, goes on trying to be live, and calls nothing before this returns. A backend that hears of no changes has no such method.
   */
  observe?(observer: ChangeObserver): () => void;
  /** Waits for what is under way. Calls after it are refused. */
  close(call: Call): Promise<void>;
}
