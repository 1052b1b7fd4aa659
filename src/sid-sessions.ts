import type { Backend, Call, RecordKey } from "./backend/backend.ts";
import { recordKey } from "./backend/record.ts";
import { foreignKeyBytes } from "./codec/id.ts";
import { SessionGoneError } from "./errors.ts";
import { encodePayload, readPayload } from "./payload.ts";
import type { Snapshot, Written } from "./payload.ts";
import { Repository } from "./repository.ts";
import type { RepositoryParts } from "./repository.ts";

/** What the sessions of another library are kept with. Times are in milliseconds. */
export interface SidSessionsParts extends Omit<RepositoryParts, "grace"> {
  /** The name of all of these sessions. */
  readonly name: string;
  /** How long a session lives whose cookie does not say. */
  readonly maxAge: number;
  /** How long after a write or a touch the next touch is worth a write. */
  readonly touchAfter: number;
  /** How long an ended session keeps its key taken. */
  readonly tombstone: number;
  /** Whose session it is. */
  readonly subject: ((values: object) => string | undefined) | undefined;
}

/** A session that was found. */
export interface Loaded {
  /** What the library kept: its application's values, and its own `cookie`. */
  readonly values: object;
  /** What a later save began from. */
  readonly base: Snapshot;
}

/** What became of a save. */
export type Saved =
  | {
    readonly status: "created" | "updated";
    /** What the next save of the same session object begins from. */
    readonly base: Snapshot;
  }
  /** The session has ended; nothing was written. */
  | { readonly status: "gone" };

/** What became of a touch. `fresh`: the last write is not long ago, nothing was written. */
export type Touched = Saved | { readonly status: "fresh" };

/** How many records are read at once where all of them are. */
const PAGE = 500;
/** The largest time that a `Date` holds, in milliseconds. */
const MAX_TIME = 8.64e15;

/**
 * The sessions of a library that makes its own ids and hands over whole sessions: express-session's contract, with promises.
 * Knows no requests and no callbacks. Where the session a save began from is known, it is merged like any other session;
 * else it takes the place of what stands there. Either way it never brings back what has ended.
 */
export class SidSessions {
  readonly #parts: SidSessionsParts;
  readonly #backend: Backend;
  readonly #repository: Repository;

  /** Joins a backend and a data codec. */
  constructor(parts: SidSessionsParts) {
    const { merge } = parts;
    this.#parts = parts;
    this.#backend = parts.backend;
    this.#repository = new Repository({
      ...parts,
      grace: 0,
      // Both sides have a cookie of their own at every save: that is no conflict.
      merge: merge && ((conflict) => conflict.key === "cookie" ? conflict.mine : merge(conflict)),
    });
  }

  /** The living session of an id; undefined where there is none, and where its record does not open. */
  async get(sid: string, call: Call): Promise<Loaded | undefined> {
    const { name, emit } = this.#parts;
    const started = this.#now();
    const found = await this.#repository.lookup.read(name, this.#keyOf(sid), call);
    emit({ type: "load", name, found: found.status === "found", ms: this.#now() - started });
    if (found.status === "missing" && found.error.code !== "SESSION_GONE") {
      emit({ type: "reject", name, reason: found.error.code });
    }
    return found.status === "found"
      ? { values: found.payload.values, base: found.snapshot }
      : undefined;
  }

  /** Stores a session under the id. `base` is what it began from, where that is known. */
  async set(sid: string, session: object, base: Snapshot | undefined, call: Call): Promise<Saved> {
    const { name, emit } = this.#parts;
    const started = this.#now();
    const key = this.#keyOf(sid);
    const values = jsonOf(session);
    const written = this.#write(values);
    const saved = await this.#unlessGone(() => this.#save(key, values, written, base, call));
    if (saved.status !== "gone") {
      const created = saved.status === "created";
      emit({ type: "save", name, created, length: written.text.length, ms: this.#now() - started });
    }
    return saved;
  }

  /** Moves the expiry to where the session's cookie has it, and keeps that cookie. Changes no other value. */
  async touch(
    sid: string,
    session: object,
    base: Snapshot | undefined,
    call: Call,
  ): Promise<Touched> {
    const { name, touchAfter, emit } = this.#parts;
    const started = this.#now();
    const key = this.#keyOf(sid);
    const from = this.#isOf(key, base) ? base : await this.#standing(key, call);
    if (!from) return this.#gone();
    const { values } = readPayload(from.text);
    const { cookie } = jsonOf({ cookie: fieldOf(session, "cookie") });
    const isRecent = await this.#backend.now(call) - from.modified < touchAfter;
    if (isRecent && sameButExpires(cookie, fieldOf(values, "cookie"))) return { status: "fresh" };
    const touched = jsonOf({ ...values, cookie });
    const written = this.#write(touched);
    const saved = await this.#unlessGone(() => this.#commit(from, touched, written, call));
    if (saved.status !== "gone") emit({ type: "touch", name, ms: this.#now() - started });
    return saved;
  }

  /** Ends the session. Until its tombstone has expired, nothing can be saved under the id. */
  async destroy(sid: string, call: Call): Promise<void> {
    const { name, tombstone, emit } = this.#parts;
    await this.#repository.bury(name, this.#keyOf(sid), tombstone, call);
    emit({ type: "destroy", name });
  }

  /** The values of every living session, in no order. Reads and opens every record of the collection. */
  async all(call: () => Call): Promise<object[]> {
    const all: object[] = [];
    for await (const { values } of this.#each(call)) if (values) all.push(values);
    return all;
  }

  /** The number of living sessions. Costs what {@linkcode SidSessions.all} costs: only an opened record tells what it is. */
  async length(call: () => Call): Promise<number> {
    let count = 0;
    for await (const { values } of this.#each(call)) if (values) count++;
    return count;
  }

  /** Removes the sessions, also those that do not open. Sessions of other names stay, and so do tombstones. */
  async clear(call: () => Call): Promise<void> {
    for await (const { key } of this.#each(call)) {
      const [outcome] = await this.#backend.write([{ kind: "remove", key }], call());
      if (outcome?.status === "failed") throw outcome.error;
    }
  }

  /** Waits for what is under way. Calls after it are refused. */
  close(call: Call): Promise<void> {
    return this.#backend.close(call);
  }

  async #save(
    key: RecordKey,
    values: object,
    written: Written,
    base: Snapshot | undefined,
    call: Call,
  ): Promise<Saved> {
    if (this.#isOf(key, base)) return await this.#commit(base, values, written, call);
    const { name } = this.#parts;
    const created = await this.#repository.createAt(name, key, written, this.#idle(values), call);
    if (created) return { status: "created", base: created };
    const standing = await this.#standing(key, call);
    return standing ? await this.#commit(standing, values, written, call) : this.#gone();
  }

  async #commit(base: Snapshot, values: object, written: Written, call: Call): Promise<Saved> {
    const stands = await this.#repository.commit(base, written, this.#idle(values), call);
    // The session object does not hold what was merged in: its next save begins from what it holds, and has to merge again.
    const next = stands.text === written.text
      ? stands
      : { ...stands, rev: base.rev, text: written.text, subject: written.subject };
    return { status: "updated", base: next };
  }

  /** What stands at the key; undefined where the session has ended. */
  async #standing(key: RecordKey, call: Call): Promise<Snapshot | undefined> {
    const found = await this.#repository.lookup.read(this.#parts.name, key, call);
    if (found.status === "found") return found.snapshot;
    if (found.status === "missing" && !(found.error instanceof SessionGoneError)) throw found.error;
    return undefined;
  }

  async #unlessGone(save: () => Promise<Saved>): Promise<Saved> {
    try {
      return await save();
    } catch (error) {
      if (error instanceof SessionGoneError) return this.#gone();
      throw error;
    }
  }

  #gone(): Saved {
    this.#parts.emit({ type: "gone", name: this.#parts.name });
    return { status: "gone" };
  }

  /** Every living record of this name, but for tombstones. One that does not open has no values. */
  async *#each(
    call: () => Call,
  ): AsyncGenerator<{ readonly key: RecordKey; readonly values: object | undefined }> {
    const { lookup } = this.#repository;
    let at: RecordKey | undefined;
    for (;;) {
      const records = await this.#backend.scan(at, PAGE, call());
      if (records.length === 0) return;
      for (const record of records) {
        if (record.name !== this.#parts.name) continue;
        const found = await lookup.understand(record);
        if (found.status === "moved") continue;
        const values = found.status === "found" ? found.payload.values : undefined;
        yield { key: record.key, values };
      }
      at = records.at(-1)?.key;
    }
  }

  #write(values: object): Written {
    const payload = { values, flashes: [], meta: undefined, maxAge: undefined };
    const subject = this.#parts.subject?.(values);
    return { payload, subject, text: encodePayload(payload, subject) };
  }

  /** Until when the cookie lets the session live, from now: both by the clock of this process. */
  #idle(values: object): number {
    const cookie = fieldOf(values, "cookie");
    const { clock, maxAge } = this.#parts;
    const own = fieldOf(cookie, "maxAge");
    const expires = fieldOf(cookie, "expires");
    const until = typeof expires === "string" ? Date.parse(expires) - clock.now() : NaN;
    const idle = [own, until].find((ms) => typeof ms === "number" && !Number.isNaN(ms));
    return typeof idle === "number" ? Math.max(-MAX_TIME, Math.min(idle, MAX_TIME)) : maxAge;
  }

  #isOf(key: RecordKey, base: Snapshot | undefined): base is Snapshot {
    return base?.key.text === key.text;
  }

  #keyOf(sid: string): RecordKey {
    if (typeof sid !== "string") throw new TypeError("a session id must be text");
    return recordKey(foreignKeyBytes(this.#parts.name, sid));
  }

  #now(): number {
    return this.#parts.clock.monotonic();
  }
}

/** The session as JSON has it: what every store of express-session keeps. Throws where JSON does. */
function jsonOf(session: object): Record<string, unknown> {
  const text: string | undefined = JSON.stringify(session);
  const value: unknown = text === undefined ? undefined : JSON.parse(text);
  if (!isObject(value)) throw new TypeError("a session must be an object");
  return value;
}

function sameButExpires(a: unknown, b: unknown): boolean {
  const [left, right] = [a, b].map((cookie) =>
    JSON.stringify(isObject(cookie) ? { ...cookie, expires: null } : cookie)
  );
  return left === right;
}

function fieldOf(value: unknown, field: string): unknown {
  return isObject(value) ? value[field] : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
