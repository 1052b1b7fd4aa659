import type { Backend, Call, Expiry, Outcome, RecordKey, Write } from "./backend/backend.ts";
import { recordKey, revAfter, sameBytes } from "./backend/record.ts";
import type { Clock, RandomBytes } from "./clock.ts";
import type { Awaitable, DataCodec } from "./codec/codec.ts";
import { newSessionId, recordKeyBytes } from "./codec/id.ts";
import { chain } from "./codec/provider.ts";
import { inTime } from "./deadline.ts";
import { SessionConflictError, SessionTooLargeError, StoreUnavailableError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { Lanes } from "./lanes.ts";
import type { Turn } from "./lanes.ts";
import { gone, Lookup } from "./lookup.ts";
import type { Found } from "./lookup.ts";
import { encodePayload, encodeSuccessor, mergePayloads, readPayload } from "./payload.ts";
import type { Merge, Payload, Snapshot, Successor, Written } from "./payload.ts";

/** What a repository works with. Times are in milliseconds. */
export interface RepositoryParts {
  readonly backend: Backend;
  readonly data: DataCodec;
  readonly clock: Clock;
  readonly random: RandomBytes;
  /** How long after its creation a session ends. */
  readonly lifetime: number;
  /** How long requests on a replaced id still join the session. */
  readonly grace: number;
  /** The largest serialized payload, in bytes. */
  readonly maxBytes: number;
  readonly merge: Merge | undefined;
  /** Throws or rejects where the values must not be stored. */
  readonly check: ((values: object) => Awaitable<void>) | undefined;
  readonly emit: (event: SessionEvent) => void;
}

/** A record that was just created, with the id that leads to it. */
export interface Created {
  readonly id: Uint8Array<ArrayBuffer>;
  readonly snapshot: Snapshot;
}

/** A session after its id was replaced. Without an id where another request replaced it first, and this one joined. */
export interface Replaced {
  readonly id: Uint8Array<ArrayBuffer> | undefined;
  readonly snapshot: Snapshot;
}

/** What stands at the end of the way from a key. */
type Standing = Exclude<Found, { status: "moved" }>;

/** Makes what is to be written from what stands in the record now. */
type Rebase = (theirs: Snapshot) => Awaitable<Written>;

/** The part of a record that its protection is bound to. */
type Place = Pick<Snapshot, "key" | "name" | "created">;

/** How often a write is tried against writers of other processes. Within this process nobody collides. */
const MAX_TRIES = 32;
/** How many callers may wait for their turn on a record. */
const MAX_WAITING = 10_000;
/** For how long after a write its rev is remembered by the next one, in milliseconds. */
const CLOSE_MS = 30_000;
/** How long a replaced record that nobody may join stands if its removal fails. */
const LEFTOVER_MS = 60_000;
/** How long the removal of an unreachable record is tried. */
const DISCARD_MS = 5_000;

/**
 * Sessions as records: creates them, changes them by three-way merge, replaces and removes them. Knows no requests and no
 * tokens. Every write but the first is conditional on the rev it began from, so nothing is lost and nothing revived.
 */
export class Repository {
  readonly lookup: Lookup;
  readonly #parts: RepositoryParts;
  readonly #lanes: Lanes<string, Snapshot>;

  /** Joins a backend and a data codec. */
  constructor(parts: RepositoryParts) {
    this.lookup = new Lookup(parts.backend, parts.data, parts.lifetime);
    this.#parts = parts;
    this.#lanes = new Lanes(parts.clock, MAX_WAITING);
  }

  /** The key of the record that an id leads to. */
  keyOf(name: string, id: Uint8Array<ArrayBuffer>): RecordKey {
    return recordKey(recordKeyBytes(name, id));
  }

  /** Creates the record of a new session under a new id. */
  async create(name: string, written: Written, idle: number, call: Call): Promise<Created> {
    return await this.#insert(name, written, undefined, idle, call);
  }

  /** Creates the record of an id that someone else made; undefined where something stands at its key. */
  async createAt(
    name: string,
    key: RecordKey,
    written: Written,
    idle: number,
    call: Call,
  ): Promise<Snapshot | undefined> {
    await this.#parts.check?.(written.payload.values);
    const outcome = await this.#insertAt(name, key, written, idle, call);
    if (outcome.status === "exists") return undefined;
    if (outcome.status !== "done") throw failure(outcome);
    return outcome.snapshot;
  }

  /**
   * Ends the session of an id that someone else made, and keeps its key taken for `ms`: a save that comes late finds it so.
   * Done where the session has ended already.
   */
  async bury(name: string, key: RecordKey, ms: number, call: Call): Promise<void> {
    const tombstone = { next: key.text, join: false };
    const written = { text: encodeSuccessor(tombstone), subject: undefined };
    let isTaken = false;
    for (let tries = 1;; tries++) {
      const found = await this.lookup.read(name, key, call);
      if (found.status === "moved") return;
      if (found.status === "found") {
        if (await this.#point(found.snapshot, tombstone, ms, call) === "done") return;
        isTaken = false;
      } else {
        // What has expired keeps its key until the database removes it: nothing can be saved there.
        if (isTaken) return;
        if (found.error.code === "CORRUPT_RECORD") await this.#write({ kind: "remove", key }, call);
        const outcome = await this.#insertAt(name, key, written, ms, call);
        if (outcome.status === "done") return;
        if (outcome.status !== "exists") throw failure(outcome);
        isTaken = true;
      }
      await this.#yield(tries, call);
    }
  }

  /** Writes where the record is still the base; else merges what changed since the base into what stands there. */
  commit(base: Snapshot, written: Written, idle: number, call: Call): Promise<Snapshot> {
    const rebase = this.#rebase(base, written);
    return this.#lanes.run(
      base.key.text,
      call,
      (turn) => this.#update(base, rebase, idle, call, turn),
    );
  }

  /** Runs `change` on the stored payload until no one came between, and gives what its last run gave. */
  modify<T>(
    base: Snapshot,
    change: (payload: Payload) => Awaitable<readonly [Payload, T]>,
    idle: number,
    call: Call,
  ): Promise<readonly [Snapshot, T]> {
    return this.#lanes.run(base.key.text, call, async (turn) => {
      const runs: ({ readonly result: T } | { readonly error: unknown })[] = [];
      const rebase = async (theirs: Snapshot) => {
        const { subject } = theirs;
        try {
          const changing = change(readPayload(theirs.text));
          const [payload, result] = changing instanceof Promise
            ? await inTime(this.#parts.clock, call, changing, endless)
            : changing;
          runs.push({ result });
          return { payload, subject, text: encodePayload(payload, subject) };
        } catch (error) {
          // It may have refused what no longer stands: an unchanged session has to prove that it still does.
          runs.push({ error });
          return { payload: readPayload(theirs.text), subject, text: theirs.text };
        }
      };
      const snapshot = await this.#update(base, rebase, idle, call, turn, false);
      const last = runs.at(-1);
      if (!last) throw new TypeError("the change did not run");
      if ("error" in last) throw last.error;
      return [snapshot, last.result];
    });
  }

  /** Lets an unchanged session live on. Throws `SessionGoneError` where it has ended. */
  async touch(base: Snapshot, idle: number, call: Call): Promise<Snapshot> {
    const touched = await this.#confirm(base, idle, call);
    if (touched) return touched;
    // Someone wrote since, and their write moved the expiry. Base keeps its text: a later save merges with theirs.
    const { key, created, modified, expires } = await this.#find(base, call);
    return { ...base, key, created, modified, expires };
  }

  /**
   * Moves the session to a new id. Requests on the old one find it gone or, within the grace, join the new one: also this
   * one, without an id, where another request was first.
   */
  replace(base: Snapshot, written: Written, idle: number, call: Call): Promise<Replaced> {
    return this.#lanes.run(base.key.text, call, async (turn) => {
      const rebase = this.#rebase(base, written);
      let theirs = turn.latest ?? base;
      const created = await this.#insert(base.name, await rebase(theirs), base.created, idle, call);
      let { snapshot } = created;
      try {
        for (let tries = 1; !(await this.#supersede(theirs, snapshot.key, call)); tries++) {
          await this.#yield(tries, call);
          const found = await this.lookup.read(base.name, base.key, call);
          if (found.status === "missing") throw found.error;
          if (found.status === "moved") {
            this.#discard(snapshot.key);
            return { id: undefined, snapshot: await this.#update(base, rebase, idle, call, turn) };
          }
          theirs = found.snapshot;
          const onto = await rebase(theirs);
          snapshot = await this.#update(snapshot, () => onto, idle, call, { latest: undefined });
        }
      } catch (error) {
        // The old record stays the session, or has ended: either way nobody may find the new one.
        this.#discard(snapshot.key);
        throw error;
      }
      // From here the old id leads nowhere; what is left of its record expires by itself if this fails.
      if (this.#parts.grace === 0) {
        await this.#write({ kind: "remove", key: base.key }, call).catch(() => undefined);
      }
      return { id: created.id, snapshot };
    });
  }

  /** Deletes the session's record, wherever `replace` has moved it meanwhile. Done where there is none. */
  async remove(base: Snapshot, call: Call): Promise<void> {
    let at = base;
    for (let tries = 1;; tries++) {
      const { name, key, rev: expected } = at;
      if (await this.#write({ kind: "remove", key, expected }, call) !== "conflict") return;
      await this.#yield(tries, call);
      const last = await this.#last(name, key, call);
      if (last.status === "missing") return;
      at = last.snapshot;
    }
  }

  /** Deletes the session that a handle leads to, if it is of this subject; false where there is none. */
  async revoke(key: RecordKey, subject: string | undefined, call: Call): Promise<boolean> {
    const last = await this.#last(undefined, key, call);
    if (last.status === "found") {
      if (subject !== undefined && last.snapshot.subject !== subject) return false;
      await this.remove(last.snapshot, call);
      return true;
    }
    if (last.error.code === "SESSION_GONE") return false;
    // It does not open. Its handle still ends it.
    const selection = subject === undefined ? { key } : { key, subject };
    return await this.#parts.backend.remove(selection, call) > 0;
  }

  /** The session at the end of the way that leads from this key. */
  async #last(name: string | undefined, key: RecordKey, call: Call): Promise<Standing> {
    let found = await this.lookup.read(name, key, call);
    for (let hop = 0; found.status === "moved" && hop < MAX_TRIES; hop++) {
      found = await this.lookup.read(name, found.next, call);
    }
    return found.status === "moved" ? { status: "missing", error: gone() } : found;
  }

  async #insert(
    name: string,
    written: Written,
    since: number | undefined,
    idle: number,
    call: Call,
  ): Promise<Created> {
    await this.#parts.check?.(written.payload.values);
    const now = Math.floor(await this.#parts.backend.now(call));
    const { text, subject } = written;
    const created = since ?? now;
    const expiry = this.#expiry(created, idle);
    let lost: StoreUnavailableError | undefined;
    for (let tries = 1;; tries++) {
      // Each try has an id of its own: a lost insert that lands late leaves a record to which no token leads.
      const id = newSessionId(now, this.#parts.random);
      const place = { key: this.keyOf(name, id), name, created };
      const rev = this.#parts.random(8);
      const data = await this.#protect(text, place);
      const outcome = await this.#try(
        { kind: "insert", ...place, rev, data, modified: now, expiry, subject },
        call,
      );
      if (outcome.status === "done") {
        return { id, snapshot: this.#snapshot(place, written, rev, now, expiry) };
      }
      const error = failure(outcome);
      if (error.outcome === "unknown") {
        lost = error;
        this.#discard(place.key);
      }
      const over = this.#parts.clock.monotonic() >= call.deadline;
      if (tries === 2 || over || (!lost && outcome.status === "failed")) throw lost ?? error;
    }
  }

  /** One try: whoever removes the session of such an id takes its key, which an insert that lands late finds taken. */
  async #insertAt(
    name: string,
    key: RecordKey,
    written: Pick<Written, "text" | "subject">,
    idle: number,
    call: Call,
  ): Promise<Exclude<Outcome, { status: "done" }> | { status: "done"; snapshot: Snapshot }> {
    const now = Math.floor(await this.#parts.backend.now(call));
    const place = { key, name, created: now };
    const { text, subject } = written;
    const expiry = this.#expiry(now, idle);
    const rev = this.#parts.random(8);
    const data = await this.#protect(text, place);
    const outcome = await this.#try(
      { kind: "insert", ...place, rev, data, modified: now, expiry, subject },
      call,
    );
    if (outcome.status !== "done") return outcome;
    return { status: "done", snapshot: this.#snapshot(place, written, rev, now, expiry) };
  }

  async #update(
    base: Snapshot,
    rebase: Rebase,
    idle: number,
    call: Call,
    turn: Turn<Snapshot>,
    slides = true,
  ): Promise<Snapshot> {
    let theirs = turn.latest ?? base;
    for (let tries = 1;; tries++) {
      const rebasing = rebase(theirs);
      const written = rebasing instanceof Promise ? await rebasing : rebasing;
      const { text, subject } = written;
      if (text === theirs.text && subject === theirs.subject && !theirs.stale) {
        const standing = tries === 1 || slides
          ? await this.#confirm(theirs, slides ? idle : undefined, call)
          : theirs;
        if (standing) return turn.latest = standing;
        theirs = await this.#again(theirs, tries, call);
        continue;
      }
      const checking = this.#parts.check?.(written.payload.values);
      if (checking instanceof Promise) await checking;
      const { key, created, rev: expected } = theirs;
      const making = this.#revAfter(theirs, call);
      const rev = making instanceof Promise ? await making : making;
      const protecting = this.#protect(text, theirs);
      const data = protecting instanceof Promise ? await protecting : protecting;
      const expiry = this.#expiry(created, idle);
      const outcome = await this.#write(
        { kind: "update", key, expected, rev, data, expiry, subject },
        call,
      );
      if (outcome === "gone") throw gone();
      if (outcome === "done") {
        if (theirs !== base) this.#parts.emit({ type: "merge", name: base.name, tries });
        const time = this.#parts.backend.now(call);
        const now = time instanceof Promise ? await time : time;
        return turn.latest = this.#snapshot(theirs, written, rev, now, expiry);
      }
      theirs = await this.#again(theirs, tries, call);
    }
  }

  /**
   * Nothing is left to write: proves that what the caller began from still stands there, and moves its expiry where
   * `idle` is given. Undefined where another request wrote since.
   */
  async #confirm(
    theirs: Snapshot,
    idle: number | undefined,
    call: Call,
  ): Promise<Snapshot | undefined> {
    if (idle === undefined) {
      const fresh = await this.#find(theirs, call);
      return sameBytes(fresh.rev, theirs.rev) ? theirs : undefined;
    }
    const { key, rev: expected, created, expires } = theirs;
    const expiry = this.#expiry(created, idle);
    const outcome = await this.#write({ kind: "touch", key, expected, expiry }, call);
    if (outcome === "gone") throw gone();
    if (outcome === "conflict") return undefined;
    const now = await this.#parts.backend.now(call);
    return { ...theirs, modified: now, expires: Math.max(expires, expiresAt(now, expiry)) };
  }

  #rebase(base: Snapshot, written: Written): Rebase {
    return (theirs) => {
      if (theirs === base) return written;
      // Mine is read back from its text: the live values may have changed while this save waited.
      const [from, mine, onto] = [
        readPayload(base.text),
        readPayload(written.text),
        readPayload(theirs.text),
      ];
      const payload = mergePayloads(from, mine, onto, this.#parts.merge);
      const subject = written.subject === base.subject ? theirs.subject : written.subject;
      return { payload, subject, text: encodePayload(payload, subject) };
    };
  }

  /** Turns the old record into a pointer to the new one; false where someone wrote the old one meanwhile. */
  async #supersede(old: Snapshot, next: RecordKey, call: Call): Promise<boolean> {
    const { grace } = this.#parts;
    const successor = { next: next.text, join: grace > 0 };
    const outcome = await this.#point(old, successor, grace || LEFTOVER_MS, call);
    if (outcome === "gone") throw gone();
    return outcome === "done";
  }

  /** Puts a successor where the session stood, for `ms`. */
  async #point(
    old: Snapshot,
    successor: Successor,
    ms: number,
    call: Call,
  ): Promise<"done" | "gone" | "conflict"> {
    const { key, rev: expected, created } = old;
    const rev = await this.#revAfter(old, call);
    const data = await this.#protect(encodeSuccessor(successor), old);
    const expiry = this.#expiry(created, ms);
    return await this.#write(
      { kind: "update", key, expected, rev, data, expiry, subject: undefined },
      call,
    );
  }

  /** What stands there after a conflict, once other processes had a moment. */
  async #again(theirs: Snapshot, tries: number, call: Call): Promise<Snapshot> {
    await this.#yield(tries, call);
    return await this.#find(theirs, call);
  }

  /** Gives other processes a moment after a conflict; throws after too many. */
  async #yield(tries: number, call: Call): Promise<void> {
    if (tries >= MAX_TRIES) {
      throw new SessionConflictError(
        `other requests changed the session on each of ${tries} tries`,
      );
    }
    if (tries > 1) await this.#pause(tries, call);
  }

  async #find({ name, key }: Snapshot, call: Call): Promise<Snapshot> {
    const found = await this.lookup.follow(name, key, call);
    if (found.status === "missing") throw found.error;
    return found.snapshot;
  }

  #pause(tries: number, call: Call): Promise<void> {
    const { clock, random } = this.#parts;
    const [chance = 0] = random(1);
    const jitter = (chance / 256) * Math.min(2 ** tries, 64);
    const left = call.deadline - clock.monotonic();
    return new Promise((resolve) => clock.after(Math.max(0, Math.min(jitter, left)), resolve));
  }

  /** Removes a record that nobody can reach, without making anyone wait. */
  #discard(key: RecordKey): void {
    const { backend, clock } = this.#parts;
    backend.write([{ kind: "remove", key }], { deadline: clock.monotonic() + DISCARD_MS }).catch(
      () => undefined,
    );
  }

  #protect(
    text: string,
    { name, key, created }: Place,
  ): Awaitable<Uint8Array<ArrayBuffer> | string> {
    const { maxBytes, data } = this.#parts;
    // A character takes at most three bytes for each unit of its length: only what comes near the bound is counted.
    const bytes = text.length * 3 > maxBytes ? utf8Length(text) : 0;
    if (bytes > maxBytes) throw new SessionTooLargeError(bytes, maxBytes);
    return data.protect(text, { name, key: key.bytes, created });
  }

  /** A new rev, which remembers the replaced one while writes follow one another closely. */
  #revAfter({ rev, modified }: Snapshot, call: Call): Awaitable<Snapshot["rev"]> {
    const { random, backend } = this.#parts;
    return chain(
      backend.now(call),
      (now) => now - modified < CLOSE_MS ? revAfter(random(8), rev) : random(8),
    );
  }

  #snapshot(
    { key, name, created }: Place,
    { text, subject }: Pick<Written, "text" | "subject">,
    rev: Snapshot["rev"],
    now: number,
    expiry: Expiry,
  ): Snapshot {
    const expires = expiresAt(now, expiry);
    return { key, name, created, rev, text, subject, modified: now, expires, stale: false };
  }

  #expiry(created: number, idle: number): Expiry {
    return { idle, until: created + this.#parts.lifetime };
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

/** Why a function that the application gave was left alone. */
export function endless(): { message: string; outcome: "not-applied" } {
  return {
    message: "the function that changes the session did not end in time",
    outcome: "not-applied",
  };
}

function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // A surrogate is half of a character of four bytes.
    if (unit > 0x7f) bytes += unit > 0x7ff && (unit < 0xd800 || unit > 0xdfff) ? 2 : 1;
  }
  return bytes;
}

function expiresAt(now: number, { idle, until }: Expiry): number {
  return Math.min(now + idle, until);
}

function failure(outcome: Outcome): StoreUnavailableError {
  if (outcome.status === "failed") return outcome.error;
  const message = `the backend answered "${outcome.status}" where it cannot`;
  return new StoreUnavailableError(message, { outcome: "not-applied" });
}
