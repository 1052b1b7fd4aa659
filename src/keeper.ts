import type { Backend, Call } from "./backend/backend.ts";
import type { Clock } from "./clock.ts";
import type { Awaitable, TokenCodec } from "./codec/codec.ts";
import { SessionGoneError } from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { Lanes } from "./lanes.ts";
import { encodePayload, mergePayloads, readPayload } from "./payload.ts";
import type { Payload, Snapshot, Written } from "./payload.ts";
import type { Created, Repository } from "./repository.ts";
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
      const { payload, subject } = draftOf(session);
      const base = state.snapshot;
      if (state.ended) throw new SessionGoneError("the session has ended");
      if (!base) {
        const [changed, result] = await change(payload);
        adopt(session, { payload: changed, subject });
        return result;
      }
      const idle = this.#parts.idleOf(session.options.maxAge);
      const [snapshot, result] = await this.#parts.repository.modify(base, change, idle, call);
      this.#settle(session, state, readWritten(base), snapshot);
      state.slid = true;
      return result;
    });
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
    const { clock, emit, repository } = this.#parts;
    const { name, options } = session;
    if (options.maxAge < 0) await this.#end(session, state, call);
    if (state.ended) return "clear";
    const draft = draftOf(session);
    const base = state.snapshot;
    if (!base && isEmpty(draft) && !this.#parts.saveEmpty) return "nothing";
    const written = { ...draft, text: encodePayload(draft.payload) };
    const idle = this.#parts.idleOf(options.maxAge);
    const started = clock.monotonic();
    if (!base) {
      this.#renew(session, state, written, await repository.create(name, written, idle, call));
    } else if (state.regenerating) {
      this.#renew(session, state, written, await repository.replace(base, written, idle, call));
      emit({ type: "regenerate", name });
    } else if (this.#changed(base, written, state, idle)) {
      this.#settle(session, state, written, await repository.commit(base, written, idle, call));
    } else if (this.#due(state, idle)) {
      state.snapshot = await repository.touch(base, idle, call);
      emit({ type: "touch", name, ms: clock.monotonic() - started });
      return await this.#sign(session, state, call);
    } else {
      return state.slid || state.staleToken ? await this.#sign(session, state, call) : "nothing";
    }
    const ms = clock.monotonic() - started;
    emit({ type: "save", name, created: !base, bytes: written.text.length, ms });
    return await this.#sign(session, state, call);
  }

  #changed(base: Snapshot, { text, subject }: Written, state: SessionState, idle: number): boolean {
    // Data under an older key is written anew when a write is due anyway.
    return text !== base.text || subject !== base.subject || (base.stale && this.#due(state, idle));
  }

  /** Whether an unchanged session has gone long enough without a write. */
  #due({ snapshot, loadedAt }: SessionState, idle: number): boolean {
    const { touchAfter = idle / 10 } = this.#parts;
    return snapshot !== undefined && loadedAt - snapshot.modified >= touchAfter;
  }

  /** Gives the session the new id that its record has now. */
  #renew<V extends object>(
    session: Session<V>,
    state: SessionState,
    written: Written,
    { id, snapshot }: Created,
  ): void {
    this.#settle(session, state, written, snapshot);
    Object.assign(state, { id, token: undefined, joined: false, regenerating: false });
  }

  /** Takes over what a write left in the record, keeping what the application changed since the write began. */
  #settle<V extends object>(
    session: Session<V>,
    state: SessionState,
    written: Written,
    snapshot: Snapshot,
  ): void {
    if (state.snapshot && state.snapshot.key.text !== snapshot.key.text) {
      Object.assign(state, { id: undefined, token: undefined, joined: true });
    }
    state.snapshot = snapshot;
    if (written.text === snapshot.text && written.subject === snapshot.subject) return;
    const live = draftOf(session);
    adopt(session, {
      payload: mergePayloads(readPayload(written.text), live.payload, readPayload(snapshot.text)),
      subject: live.subject === written.subject ? snapshot.subject : live.subject,
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
    state.slid = false;
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
    const running = this.#lanes.run(session, call, () => work(state));
    this.#underWay.set(running, session.name);
    try {
      return await running;
    } catch (error) {
      if (error instanceof SessionGoneError) {
        state.ended = true;
        this.#parts.emit({ type: "gone", name: session.name });
      }
      throw error;
    } finally {
      this.#underWay.delete(running);
    }
  }
}

function readWritten({ text, subject }: Snapshot): Written {
  return { payload: readPayload(text), subject, text };
}
