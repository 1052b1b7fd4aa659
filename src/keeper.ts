import type { Backend, Call } from "./backend/backend.ts";
import type { Clock } from "./clock.ts";
import type { Awaitable, TokenCodec } from "./codec/codec.ts";
import { inTime } from "./deadline.ts";
import { SessionError, SessionGoneError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { Lanes } from "./lanes.ts";
import { gone } from "./lookup.ts";
import { encodePayload, mergePayloads, readPayload } from "./payload.ts";
import type { Payload, Snapshot, Written } from "./payload.ts";
import { endless } from "./repository.ts";
import type { Repository } from "./repository.ts";
import { adopt, clear, draftOf, isEmpty, stateOf } from "./session.ts";
import type { Session, SessionState } from "./session.ts";

/** What a save did, and so what the response must say. */
export type Effect = "nothing" | "token" | "clear";

/** What a keeper works with. Times are in milliseconds. */
export interface KeeperParts {
  readonly repository: Repository;
  readonly backend: Backend;
  /** Makes tokens. */
  readonly codec: TokenCodec;
  readonly clock: Clock;
  readonly emit: (event: SessionEvent) => void;
  readonly saveEmpty: boolean;
  /** How long a session of this `maxAge` (seconds) lives without a save. */
  readonly idleOf: (maxAge: number) => number;
  /** How long after the last write an unchanged session's expiry is moved; by default a tenth of its idle time. */
  readonly touchAfter: number | undefined;
}

/** How many calls may wait for another call on the same session object. */
const MAX_WAITING = 10_000;

/** Keeps session objects and their records in step: decides what a save has to write, and takes over what others wrote. */
export class Keeper {
  readonly #parts: KeeperParts;
  readonly #lanes: Lanes<object, never>;
  readonly #underWay = new Map<Promise<unknown>, string>();

  /** Joins a repository and a token codec. */
  constructor(parts: KeeperParts) {
    this.#parts = parts;
    this.#lanes = new Lanes(parts.clock, MAX_WAITING);
  }

  /** The names of the sessions that are being written. */
  get busy(): ReadonlyMap<Promise<unknown>, string> {
    return this.#underWay;
  }

  /** Writes what changed; says what the client must be told. */
  save<V extends object>(session: Session<V>, call: Call): Promise<Effect> {
    return this.#alone(session, call, (state) => this.#save(session, state, call));
  }

  /** Changes the stored payload in one step, or the values at hand where there is no record yet. */
  modify<V extends object, T>(
    session: Session<V>,
    change: (payload: Payload) => Awaitable<readonly [Payload, T]>,
    call: Call,
  ): Promise<T> {
    return this.#alone(session, call, async (state) => {
      if (state.ended) throw gone();
      const draft = draftOf(session);
      const written = { ...draft, text: encodePayload(draft.payload, draft.subject) };
      const base = state.snapshot;
      if (!base) {
        const changing = change(readPayload(written.text));
        const [payload, result] = changing instanceof Promise
          ? await inTime(this.#parts.clock, call, changing, endless)
          : changing;
        this.#reconcile(session, written, {
          ...written,
          text: encodePayload(payload, draft.subject),
        });
        return result;
      }
      const idle = this.#parts.idleOf(session.options.maxAge);
      const [snapshot, result] = await this.#parts.repository.modify(base, change, idle, call);
      this.#settle(session, state, base, snapshot);
      return result;
    });
  }

  /** The flashes that this session object has given away and not yet saved. */
  shown<V extends object>(session: Session<V>): ReadonlySet<string> {
    const { snapshot } = stateOf(session);
    const left = new Set(draftOf(session).payload.flashes.map((flash) => flash.id));
    const stored = snapshot ? readPayload(snapshot.text).flashes : [];
    return new Set(stored.map((flash) => flash.id).filter((id) => !left.has(id)));
  }

  /** Deletes the record. The session is never written again. */
  end<V extends object>(session: Session<V>, call: Call): Promise<void> {
    return this.#alone(session, call, (state) => this.#end(session, state, call));
  }

  async #save<V extends object>(
    session: Session<V>,
    state: SessionState,
    call: Call,
  ): Promise<Effect> {
    const { clock, emit, repository, backend } = this.#parts;
    const { name, options } = session;
    const idle = this.#parts.idleOf(checkMaxAge(options.maxAge));
    if (options.maxAge < 0) await this.#end(session, state, call);
    if (state.ended) return "clear";
    const draft = draftOf(session);
    checkSubject(draft.subject);
    const base = state.snapshot;
    if (!base && isEmpty(draft) && !this.#parts.saveEmpty) return "nothing";
    const written = { ...draft, text: encodePayload(draft.payload, draft.subject) };
    const started = clock.monotonic();
    // Who joined through a replaced token may not replace the id again: that would shut the owner out.
    const regenerating = state.regenerating && !state.joined;
    if (!base || regenerating) {
      await this.#move(session, state, written, idle, call);
    } else {
      const time = backend.now(call);
      const due = this.#isDue(base, idle, time instanceof Promise ? await time : time);
      if (differs(written, base) || (base.stale && due)) {
        this.#settle(session, state, written, await repository.commit(base, written, idle, call));
      } else if (due || state.announce) {
        // A token that is given out again has to be alive.
        this.#place(state, await repository.touch(base, idle, call));
        emit({ type: "touch", name, ms: clock.monotonic() - started });
        return await this.#sign(session, state, call);
      } else {
        return state.staleToken ? await this.#sign(session, state, call) : "nothing";
      }
    }
    const ms = clock.monotonic() - started;
    emit({ type: "save", name, created: !base, length: written.text.length, ms });
    return await this.#sign(session, state, call);
  }

  /** Whether an unchanged session has gone long enough without a write. Data under an older key is then written anew. */
  #isDue(base: Snapshot, idle: number, now: number): boolean {
    const { touchAfter = idle / 10 } = this.#parts;
    return now - base.modified >= touchAfter;
  }

  /** Gives the session a record under a new id: its first, or one in place of the one it has. */
  async #move<V extends object>(
    session: Session<V>,
    state: SessionState,
    written: Written,
    idle: number,
    call: Call,
  ): Promise<void> {
    const { repository, emit } = this.#parts;
    const { name } = session;
    const base = state.snapshot;
    const wanted = state.regenerating;
    // Asked for again while this is under way, it is done again by the next save.
    state.regenerating = false;
    try {
      const { id, snapshot } = base
        ? await repository.replace(base, written, idle, call)
        : await repository.create(name, written, idle, call);
      this.#settle(session, state, written, snapshot);
      if (id) Object.assign(state, { id, token: undefined, joined: false });
      if (id && base) emit({ type: "regenerate", name });
    } catch (error) {
      state.regenerating ||= wanted;
      throw error;
    }
  }

  /** Takes over what a write left in the record, keeping what the application changed since `from`. */
  #settle<V extends object>(
    session: Session<V>,
    state: SessionState,
    from: Pick<Written, "text" | "subject">,
    snapshot: Snapshot,
  ): void {
    this.#place(state, snapshot);
    if (differs(from, snapshot)) this.#reconcile(session, from, snapshot);
  }

  /** Notes where the session stands. One that moved under this request was replaced by another, which alone holds the new token. */
  #place(state: SessionState, snapshot: Snapshot): void {
    if (state.snapshot && state.snapshot.key.text !== snapshot.key.text) {
      Object.assign(state, { id: undefined, token: undefined, joined: true });
    }
    state.announce ||= state.snapshot !== snapshot;
    state.snapshot = snapshot;
  }

  #reconcile<V extends object>(
    session: Session<V>,
    from: Pick<Written, "text" | "subject">,
    to: Pick<Written, "text" | "subject">,
  ): void {
    const live = draftOf(session);
    adopt(session, {
      payload: mergePayloads(readPayload(from.text), live.payload, readPayload(to.text)),
      subject: live.subject === from.subject ? to.subject : live.subject,
    });
  }

  /** Makes a token where the one at hand does not carry the id or an older key protects it. */
  async #sign<V extends object>(
    { name }: Session<V>,
    state: SessionState,
    call: Call,
  ): Promise<Effect> {
    if (state.joined || !state.id) return "nothing";
    if (!state.token || state.staleToken) {
      const now = await this.#parts.backend.now(call);
      state.token = await this.#parts.codec.encode(name, state.id, now);
      state.staleToken = false;
    }
    return "token";
  }

  async #end<V extends object>(
    session: Session<V>,
    state: SessionState,
    call: Call,
  ): Promise<void> {
    if (state.ended) return;
    if (state.snapshot) await this.#parts.repository.remove(state.snapshot, call);
    state.ended = true;
    clear(session);
    this.#parts.emit({ type: "destroy", name: session.name });
  }

  /** Runs what changes a session object after what already changes it. A session found gone is never written again. */
  async #alone<V extends object, T>(
    session: Session<V>,
    call: Call,
    work: (state: SessionState) => Promise<T>,
  ): Promise<T> {
    const state = stateOf(session);
    const { clock, emit } = this.#parts;
    const { name } = session;
    const started = clock.monotonic();
    const running = this.#lanes.run(session, call, () => work(state));
    this.#underWay.set(running, session.name);
    try {
      return await running;
    } catch (error) {
      if (error instanceof SessionGoneError) {
        state.ended = true;
        emit({ type: "gone", name });
      } else if (error instanceof SessionError) {
        const ms = clock.monotonic() - started;
        emit({ type: "fail", operation: "write", name, reason: error.code, ms });
      }
      throw error;
    } finally {
      this.#underWay.delete(running);
    }
  }
}

function differs(
  a: Pick<Written, "text" | "subject">,
  b: Pick<Written, "text" | "subject">,
): boolean {
  return a.text !== b.text || a.subject !== b.subject;
}

function checkMaxAge(maxAge: number): number {
  if (Number.isInteger(maxAge)) return maxAge;
  throw new RangeError("cannot save the session: its maxAge must be a whole number of seconds");
}

function checkSubject(subject: unknown): void {
  if (subject === undefined || typeof subject === "string") return;
  throw new TypeError("cannot save the session: its subject must be text");
}
