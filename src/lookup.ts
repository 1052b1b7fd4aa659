import type { Backend, Call, Loaded, RecordKey, StoredRecord } from "./backend/backend.ts";
import { parseHandle } from "./backend/record.ts";
import type { Awaitable, DataCodec, OpenedData } from "./codec/codec.ts";
import { chain } from "./codec/provider.ts";
import { CorruptRecordError, SessionGoneError } from "./errors.ts";
import { decodePayload } from "./payload.ts";
import type { Payload, Snapshot } from "./payload.ts";

/** What a lookup found. */
export type Found =
  | {
    readonly status: "found";
    readonly snapshot: Snapshot;
    readonly payload: Payload;
  }
  | { readonly status: "missing"; readonly error: SessionGoneError | CorruptRecordError }
  /** The id was replaced; `join` tells whether requests that know the old one may follow. */
  | {
    readonly status: "moved";
    readonly next: RecordKey;
    readonly join: boolean;
    readonly rev: StoredRecord["rev"];
  };

/** How many replaced ids a request is led through. */
const MAX_HOPS = 4;

/** Reads records: loads, opens and understands them. Nothing that stands in the database makes it throw. */
export class Lookup {
  readonly #backend: Backend;
  readonly #data: DataCodec;
  readonly #lifetime: number;

  /** Records older than `lifetime` ms are missing. */
  constructor(backend: Backend, data: DataCodec, lifetime: number) {
    this.#backend = backend;
    this.#data = data;
    this.#lifetime = lifetime;
  }

  /** What stands at the key itself; under any name where none is given. */
  async read(name: string | undefined, key: RecordKey, call: Call): Promise<Found> {
    const [loaded] = await this.#backend.load([key], call);
    return this.judge(name, key, loaded);
  }

  /** What it is that was loaded from this key. */
  judge(
    name: string | undefined,
    key: RecordKey,
    loaded: Loaded | undefined,
  ): Awaitable<Found> {
    if (!loaded || loaded.status === "absent") return missing();
    if (loaded.status === "malformed" || loaded.record.name !== (name ?? loaded.record.name)) {
      return corrupt();
    }
    const { record, now } = loaded;
    if (now >= record.created + this.#lifetime) return missing();
    return this.understand(record, key);
  }

  /** What a living record holds. */
  understand(record: StoredRecord, key: RecordKey = record.key): Awaitable<Found> {
    return chain(this.#open(record), (opened) => this.#found(record, key, opened));
  }

  #found(record: StoredRecord, key: RecordKey, opened: OpenedData): Found {
    const payload = opened.ok ? decodePayload(opened.text) : undefined;
    if (!opened.ok || !payload) return corrupt();
    if ("next" in payload) {
      const next = parseHandle(payload.next);
      return next ? { status: "moved", next, join: payload.join, rev: record.rev } : corrupt();
    }
    if (payload.subject !== record.subject) return corrupt();
    const { created, modified, expires, subject, rev } = record;
    const { text, stale } = opened;
    return {
      status: "found",
      // By name: spreading a record takes ten times as long.
      snapshot: {
        key,
        name: record.name,
        rev,
        text,
        created,
        modified,
        expires,
        subject,
        stale,
      },
      payload,
    };
  }

  /** What stands at the key, or at the one that took its place where requests may join that. */
  async follow(
    name: string,
    key: RecordKey,
    call: Call,
  ): Promise<Exclude<Found, { status: "moved" }>> {
    let at = key;
    for (let hop = 0; hop < MAX_HOPS; hop++) {
      const found = await this.read(name, at, call);
      if (found.status !== "moved") return found;
      if (!found.join) break;
      if (await this.#stands(at, found.rev, call)) at = found.next;
    }
    return missing();
  }

  /**
   * Whether the way from a replaced id is there to stay: a failover can take back what only the primary has, and then nobody
   * would find what was written behind it. A write that a majority confirms confirms all before it.
   */
  async #stands(key: RecordKey, expected: StoredRecord["rev"], call: Call): Promise<boolean> {
    const expiry = { idle: 0, until: 0 };
    const [outcome] = await this.#backend.write([{ kind: "touch", key, expected, expiry }], call);
    if (outcome?.status === "failed") throw outcome.error;
    return outcome?.status === "done";
  }

  /** The label of a listed record; undefined where its data does not open. */
  async meta(record: StoredRecord): Promise<unknown> {
    const opened = await this.#open(record);
    const payload = opened.ok ? decodePayload(opened.text) : undefined;
    return payload && "meta" in payload ? payload.meta : undefined;
  }

  #open({ data, name, key, created }: StoredRecord): Awaitable<OpenedData> {
    return this.#data.open(data, { name, key: key.bytes, created });
  }
}

/** The error of a session that has ended. */
export function gone(): SessionGoneError {
  return new SessionGoneError(
    "the session has ended: it was destroyed, revoked or replaced, or it has expired",
  );
}

function missing(): { status: "missing"; error: SessionGoneError } {
  return { status: "missing", error: gone() };
}

function corrupt(): { status: "missing"; error: CorruptRecordError } {
  const error = new CorruptRecordError(
    "the stored record does not open: it is not a session of this name, was altered, or its key was dropped",
  );
  return { status: "missing", error };
}
