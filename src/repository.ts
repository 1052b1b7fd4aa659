import type {
  Backend,
  Call,
  Expiry,
  Outcome,
  RecordKey,
  StoredRecord,
  Write,
} from "./backend/backend.ts";
import { parseHandle, recordKey } from "./backend/record.ts";
import type { Clock, RandomBytes } from "./clock.ts";
import type { Awaitable, DataCodec } from "./codec/codec.ts";
import { newSessionId, recordKeyBytes } from "./codec/id.ts";
import {
  CorruptRecordError,
  SessionConflictError,
  SessionGoneError,
  SessionTooLargeError,
  StoreUnavailableError,
} from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { Lanes } from "./lanes.ts";
import type { Turn } from "./lanes.ts";
import {
  decodePayload,
  encodePayload,
  encodeSuccessor,
  mergePayloads,
  readPayload,
} from "./payload.ts";
import type { Draft, Merge, Payload, Snapshot } from "./payload.ts";

/** What a repository works with. */
export interface RepositoryParts {
  readonly backend: Backend;
  readonly data: DataCodec;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** The largest serialized payload, in bytes. */
  readonly maxBytes: number;
  readonly merge: Merge | undefined;
  /** Throws or rejects where the values must not be stored. */
  readonly check: ((values: object) => Awaitable<void>) | undefined;
  readonly emit: (event: SessionEvent) => void;
}

/** How long a record may live: both in milliseconds. */
export interface Limits {
  readonly idle: number;
  readonly lifetime: number;
}

/** A draft with its serialization. */
export interface Written extends Draft {
  readonly text: string;
}

/** What a lookup found. */
export type Lookup =
  | {
    readonly status: "found";
    readonly snapshot: Snapshot;
    readonly payload: Payload;
    readonly now: number;
    readonly joined: boolean;
  }
  | { readonly status: "missing"; readonly error: SessionGoneError | CorruptRecordError };

/** A record that was just created, with the id that leads to it. */
export interface Created {
  readonly id: Uint8Array<ArrayBuffer>;
  readonly snapshot: Snapshot;
}

type Reading =
  | {
    readonly status: "found";
    readonly snapshot: Snapshot;
    readonly payload: Payload;
    readonly now: number;
  }
  | { readonly status: "moved"; readonly next: RecordKey; readonly join: boolean }
  | { readonly status: "missing"; readonly error: SessionGoneError | CorruptRecordError };

/** How often a write is tried against writers of other processes. Within this process nobody collides. */
const MAX_TRIES = 32;
/** How many replaced ids a request is led through. */
const MAX_HOPS = 4;
/** How many callers may wait for their turn on a record. */
const MAX_WAITING = 10_000;
/** How long a replaced record that nobody may join stands if its removal fails, in milliseconds. */
const LEFTOVER_MS = 60_000;
/** How long the removal of an unreachable record is tried, in milliseconds. */
const DISCARD_MS = 5_000;

/**
 * Sessions as records: loads and opens them, creates, changes by three-way merge, replaces and removes them. Knows no
 * requests and no tokens. Every write is conditional on the rev it began from, so nothing is lost and nothing revived.
 */
export class Repository {
  readonly #parts: RepositoryParts;
  readonly #lanes: Lanes<Snapshot>;

  /** Joins a backend and a data codec. */
  constructor(parts: RepositoryParts) {
    this.#parts = parts;
    this.#lanes = new Lanes(parts.clock, MAX_WAITING);
  }

  /** The session of this id, or of the one that took its place if requests may still join it. */
  async load(
    name: string,
    id: Uint8Array<ArrayBuffer>,
    lifetime: number,
    call: Call,
  ): Promise<Lookup> {
    return await this.#follow(name, keyOf(name, id), lifetime, call);
  }

  /** Creates the record of a new session under a new id. */
  async create(name: string, draft: Written, limits: Limits, call: Call): Promise<Created> {
    const now = Math.floor(await this.#parts.backend.now(call));
    return await this.#insert(name, draft, now, now, limits, call);
  }

  /**
   * Writes the draft where the record is still the base; else merges what changed since the base into what stands there.
   */
  commit(base: Snapshot, draft: Written, limits: Limits, call: Call): Promise<Snapshot> {
    return this.#lanes.run(
      base.key.text,
      call,
      (turn) => this.#commit(base, this.#rebase(base, draft), limits, call, turn),
    );
  }

  /** Runs `change` on the stored payload until no one came between. What `change` gives for the last run is given. */
  modify<T>(
    base: Snapshot,
    limits: Limits,
    call: Call,
    change: (payload: Payload) => Awaitable<readonly [Payload, T]>,
  ): Promise<readonly [Snapshot, T]> {
    return this.#lanes.run(base.key.text, call, async (turn) => {
      let result: readonly [Payload, T] | undefined;
      const snapshot = await this.#commit(
        base,
        async (theirs) => {
          result = await change(readPayload(theirs.text));
          return { payload: result[0], subject: theirs.subject, text: encodePayload(result[0]) };
        },
        limits,
        call,
        turn,
      );
      if (!result) throw new TypeError("the change did not run");
      return [snapshot, result[1]];
    });
  }

  /** Lets an unchanged session live on. Throws `SessionGoneError` where it has ended. */
  async touch(base: Snapshot, limits: Limits, call: Call): Promise<Snapshot> {
    const expiry = expiryOf(base, limits);
    const outcome = await this.#write(
      { kind: "touch", key: base.key, expected: base.rev, expiry },
      call,
    );
    const now = await this.#parts.backend.now(call);
    if (outcome === "done") {
      return { ...base, modified: now, expires: Math.max(base.expires, expiresAt(now, expiry)) };
    }
    if (outcome === "gone") throw gone();
    // Someone wrote since, and their write moved the expiry. Base keeps its text: a later save merges with theirs.
    const { key, created, modified, expires } = await this.#find(base, limits.lifetime, call);
    return { ...base, key, created, modified, expires };
  }

  /** Moves the session to a new id. Requests on the old one find it gone or, for `grace` ms, join the new one. */
  replace(
    base: Snapshot,
    draft: Written,
    limits: Limits,
    grace: number,
    call: Call,
  ): Promise<Created> {
    return this.#lanes.run(base.key.text, call, async (turn) => {
      const rebase = this.#rebase(base, draft);
      let theirs = turn.latest ?? base;
      const now = await this.#parts.backend.now(call);
      const created = await this.#insert(
        base.name,
        await rebase(theirs),
        base.created,
        now,
        limits,
        call,
      );
      let snapshot = created.snapshot;
      try {
        for (
          let tries = 1;
          !(await this.#supersede(theirs, snapshot.key, grace, limits, call));
          tries++
        ) {
          theirs = await this.#again(theirs, tries, limits, call);
          snapshot = await this.#commit(snapshot, async () => await rebase(theirs), limits, call, {
            latest: undefined,
          });
        }
      } catch (error) {
        // The old record stays the session, or has ended: either way nobody may find the new one.
        this.#discard(snapshot.key);
        throw error;
      }
      // From here the old id leads nowhere; the record itself is a leftover that also expires by itself.
      if (grace === 0) {
        await this.#parts.backend.write([{ kind: "remove", key: base.key }], call).catch(() =>
          undefined
        );
      }
      return { id: created.id, snapshot };
    });
  }

  /** Deletes the session's record, and the one that took its place if it was just replaced. Done where there is none. */
  async remove(base: Snapshot, call: Call): Promise<void> {
    if (
      await this.#write({ kind: "remove", key: base.key, expected: base.rev }, call) !== "conflict"
    ) return;
    const reading = await this.#read(base.name, base.key, Infinity, call);
    if (reading.status === "moved") await this.#write({ kind: "remove", key: reading.next }, call);
    await this.#write({ kind: "remove", key: base.key }, call);
  }

  /** The label of a listed record; undefined where its data does not open. */
  async meta(record: StoredRecord): Promise<unknown> {
    const text = await this.#open(record);
    const payload = text && decodePayload(text.text);
    return payload && "meta" in payload ? payload.meta : undefined;
  }

  async #read(name: string, key: RecordKey, lifetime: number, call: Call): Promise<Reading> {
    const [loaded] = await this.#parts.backend.load([key], call);
    if (!loaded || loaded.status === "absent") return missing();
    if (loaded.status === "malformed" || loaded.record.name !== name) {
      return corrupt("the stored record is not a session of this name");
    }
    const { record, now } = loaded;
    if (now >= record.created + lifetime) return missing();
    const opened = await this.#open(record);
    if (!opened) {
      return corrupt(
        "the stored session does not open: it was altered, or no key of the store opens it",
      );
    }
    const payload = decodePayload(opened.text);
    if (!payload) return corrupt("the stored session does not read as one");
    if ("next" in payload) {
      const next = parseHandle(payload.next);
      return next ? { status: "moved", next, join: payload.join } : missing();
    }
    const { rev, created, modified, expires, subject } = record;
    const snapshot = {
      key,
      name,
      rev,
      text: opened.text,
      created,
      modified,
      expires,
      subject,
      stale: opened.stale,
    };
    return { status: "found", snapshot, payload, now };
  }

  /** The record that this key leads to: its own, or the one that took its place where requests may join that. */
  async #follow(name: string, key: RecordKey, lifetime: number, call: Call): Promise<Lookup> {
    let at = key;
    for (let hop = 0; hop < MAX_HOPS; hop++) {
      const reading = await this.#read(name, at, lifetime, call);
      if (reading.status === "found") return { ...reading, joined: hop > 0 };
      if (reading.status === "missing") return reading;
      if (!reading.join) break;
      at = reading.next;
    }
    return missing();
  }

  async #find(base: Snapshot, lifetime: number, call: Call): Promise<Snapshot> {
    const found = await this.#follow(base.name, base.key, lifetime, call);
    if (found.status === "missing") throw found.error;
    return found.snapshot;
  }

  /** Removes a record that nobody can reach, without making anyone wait. */
  #discard(key: RecordKey): void {
    const deadline = this.#parts.clock.monotonic() + DISCARD_MS;
    this.#parts.backend.write([{ kind: "remove", key }], { deadline }).catch(() => undefined);
  }

  async #open(record: StoredRecord): Promise<{ text: string; stale: boolean } | undefined> {
    const opening = this.#parts.data.open(record.data, {
      name: record.name,
      key: record.key.bytes,
      created: record.created,
    });
    const opened = opening instanceof Promise ? await opening : opening;
    return opened.ok ? opened : undefined;
  }

  async #insert(
    name: string,
    draft: Written,
    created: number,
    now: number,
    limits: Limits,
    call: Call,
  ): Promise<Created> {
    const { text } = draft;
    await this.#validate(draft.payload.values);
    for (let tries = 1;; tries++) {
      // Each try has an id of its own: a lost insert that lands late leaves a record to which no token leads.
      const id = newSessionId(now, this.#parts.random);
      const key = keyOf(name, id);
      const { rev, data } = await this.#protect(text, name, key, created);
      const expiry = expiryOf({ created }, limits);
      const outcome = await this.#try({
        kind: "insert",
        key,
        name,
        data,
        rev,
        created,
        expiry,
        subject: draft.subject,
      }, call);
      if (outcome.status === "done") {
        const expires = expiresAt(now, expiry);
        return {
          id,
          snapshot: {
            key,
            name,
            rev,
            text,
            created,
            modified: now,
            expires,
            subject: draft.subject,
            stale: false,
          },
        };
      }
      if (tries === 2 || outcome.status === "failed" && outcome.error.outcome === "not-applied") {
        throw failure(outcome);
      }
    }
  }

  async #commit(
    base: Snapshot,
    rebase: Rebase,
    limits: Limits,
    call: Call,
    turn: Turn<Snapshot>,
  ): Promise<Snapshot> {
    let theirs = turn.latest ?? base;
    for (let tries = 1;; tries++) {
      const { payload, subject, text } = await rebase(theirs);
      if (text === theirs.text && subject === theirs.subject && !theirs.stale) {
        return turn.latest = theirs;
      }
      await this.#validate(payload.values);
      const { key, name, created } = theirs;
      const { rev, data } = await this.#protect(text, name, key, created);
      const expiry = expiryOf(theirs, limits);
      const outcome = await this.#write({
        kind: "update",
        key,
        expected: theirs.rev,
        rev,
        data,
        expiry,
        subject,
      }, call);
      if (outcome === "done") {
        if (theirs !== base) this.#parts.emit({ type: "merge", name, tries });
        const now = await this.#parts.backend.now(call);
        return turn.latest = {
          key,
          name,
          rev,
          text,
          created,
          modified: now,
          expires: expiresAt(now, expiry),
          subject,
          stale: false,
        };
      }
      if (outcome === "gone") throw gone();
      theirs = await this.#again(theirs, tries, limits, call);
    }
  }

  #rebase(base: Snapshot, draft: Written): Rebase {
    return (theirs) => {
      if (theirs === base) return draft;
      // Mine is read back from its text: the live values may have changed while this save waited.
      const payload = mergePayloads(
        readPayload(base.text),
        readPayload(draft.text),
        readPayload(theirs.text),
        this.#parts.merge,
      );
      const subject = draft.subject === base.subject ? theirs.subject : draft.subject;
      return { payload, subject, text: encodePayload(payload) };
    };
  }

  /** Turns the old record into a pointer to the new one; false where someone wrote the old one meanwhile. */
  async #supersede(
    old: Snapshot,
    next: RecordKey,
    grace: number,
    limits: Limits,
    call: Call,
  ): Promise<boolean> {
    const { key, name, created } = old;
    const { rev, data } = await this.#protect(
      encodeSuccessor({ next: next.text, join: grace > 0 }),
      name,
      key,
      created,
    );
    const expiry = { idle: grace || LEFTOVER_MS, until: created + limits.lifetime };
    const outcome = await this.#write({
      kind: "update",
      key,
      expected: old.rev,
      rev,
      data,
      expiry,
      subject: undefined,
    }, call);
    if (outcome === "gone") throw gone();
    return outcome === "done";
  }

  /** What stands there after a conflict, once other processes had a moment. */
  async #again(theirs: Snapshot, tries: number, limits: Limits, call: Call): Promise<Snapshot> {
    if (tries >= MAX_TRIES) {
      throw new SessionConflictError(
        `other requests changed the session on each of ${tries} tries`,
      );
    }
    if (tries > 1) await this.#pause(tries, call);
    return await this.#find(theirs, limits.lifetime, call);
  }

  #pause(tries: number, call: Call): Promise<void> {
    const [chance = 0] = this.#parts.random(1);
    const jitter = (chance / 256) * Math.min(2 ** tries, 64);
    const left = call.deadline - this.#parts.clock.monotonic();
    return new Promise((resolve) =>
      this.#parts.clock.after(Math.max(0, Math.min(jitter, left)), resolve)
    );
  }

  async #validate(values: object): Promise<void> {
    const checking = this.#parts.check?.(values);
    if (checking instanceof Promise) await checking;
  }

  async #protect(
    text: string,
    name: string,
    key: RecordKey,
    created: number,
  ): Promise<Pick<StoredRecord, "rev" | "data">> {
    const bytes = utf8Length(text);
    if (bytes > this.#parts.maxBytes) throw new SessionTooLargeError(bytes, this.#parts.maxBytes);
    const protecting = this.#parts.data.protect(text, { name, key: key.bytes, created });
    return {
      rev: this.#parts.random(8),
      data: protecting instanceof Promise ? await protecting : protecting,
    };
  }

  async #try(write: Write, call: Call): Promise<Outcome> {
    const [outcome] = await this.#parts.backend.write([write], call);
    if (!outcome) throw new TypeError("the backend gave no outcome");
    return outcome;
  }

  async #write(write: Write, call: Call): Promise<"done" | "gone" | "conflict"> {
    const outcome = await this.#try(write, call);
    if (outcome.status === "failed" || outcome.status === "exists") throw failure(outcome);
    return outcome.status;
  }
}

/** Makes the draft of what stands in the record now. */
type Rebase = (theirs: Snapshot) => Awaitable<Written>;

function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A surrogate is half of a character of four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

function keyOf(name: string, id: Uint8Array<ArrayBuffer>): RecordKey {
  return recordKey(recordKeyBytes(name, id));
}

function expiryOf({ created }: Pick<Snapshot, "created">, { idle, lifetime }: Limits): Expiry {
  return { idle, until: created + lifetime };
}

function expiresAt(now: number, { idle, until }: Expiry): number {
  return Math.min(now + idle, until);
}

function gone(): SessionGoneError {
  return new SessionGoneError(
    "the session has ended: it was destroyed, revoked or replaced, or it has expired",
  );
}

function missing(): { status: "missing"; error: SessionGoneError } {
  return { status: "missing", error: gone() };
}

function corrupt(message: string): { status: "missing"; error: CorruptRecordError } {
  return { status: "missing", error: new CorruptRecordError(message) };
}

function failure(outcome: Outcome): Error {
  if (outcome.status === "failed") return outcome.error;
  return new StoreUnavailableError(`the backend answered "${outcome.status}" where it cannot`, {
    outcome: "not-applied",
  });
}
