import type { Backend, Call } from "./backend/backend.ts";
import { parseHandle, sameBytes } from "./backend/record.ts";
import { encodeBase64Url } from "./codec/base64url.ts";
import type { Awaitable, OpenedToken, TokenCodec } from "./codec/codec.ts";
import {
  ExpiredTokenError,
  InvalidTokenError,
  SessionError,
  SessionGoneError,
  StoreUnavailableError,
} from "./errors.ts";
import type { SessionEvent } from "./events.ts";
import { resolveOptions, seconds } from "./options.ts";
import type { ResolvedOptions, StoreOptions } from "./options.ts";
import { encodePayload, mergePayloads, readPayload } from "./payload.ts";
import type { Draft, Payload, Snapshot } from "./payload.ts";
import { Registry } from "./registry.ts";
import { Repository } from "./repository.ts";
import type { Created, Limits, Lookup } from "./repository.ts";
import { writable } from "./response.ts";
import { validate } from "./schema.ts";
import { adopt, clear, draftOf, isEmpty, Session, stateOf } from "./session.ts";
import type { SessionState, SessionStore } from "./session.ts";
import type { Answer, RequestLike, SessionOptions, Transport } from "./transport/transport.ts";

/** Gives the session of a name, or of the store's default name, for the request that is being handled. */
export type SessionGetter<V extends object> = (name?: string) => Promise<Session<V>>;

/** One session of a user, as `store.list` shows it. */
export interface SessionInfo {
  /** Good for `store.revoke`; useless as a token. */
  readonly handle: string;
  readonly name: string;
  readonly createdAt: Date;
  readonly modifiedAt: Date;
  readonly expiresAt: Date;
  /** The session's `meta`. */
  readonly meta: unknown;
}

/** What a save did, and so what the response must say. */
type Effect = "nothing" | "token" | "clear";

interface Failure {
  readonly name: string;
  readonly error: unknown;
}

type Saver = (
  request: RequestLike,
  headers: Headers,
  status: number | undefined,
) => Promise<readonly Failure[]>;

/** Which stores a request asked for sessions: what `saveAll` goes through. */
const savers = new WeakMap<object, Set<Saver>>();

/**
 * Sessions of web requests, kept in a backend. Use `createMongoStore` or `createMemoryStore`, or construct one with a
 * backend of your own.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey } from "mongostore";
 *
 * const store = createMemoryStore<{ userId: string }>({ keys: [generateKey()] });
 * const handler = store.handle(async (request, session) => {
 *   const { values } = await session();
 *   values.userId ??= new URL(request.url).searchParams.get("user") ?? "guest";
 *   return new Response(`hello ${values.userId}`);
 * });
 * const response = await handler(new Request("https://shop.example/?user=ann"));
 * console.log(await response.text()); // hello ann
 * ```
 */
export class Store<V extends object = Record<string, unknown>>
  implements SessionStore<V>, AsyncDisposable {
  /** The options that new sessions get a copy of. */
  readonly options: SessionOptions;
  /** Where tokens travel. */
  readonly token: Transport;
  /** What opens tokens; the first makes them. */
  readonly codecs: readonly [TokenCodec, ...TokenCodec[]];

  readonly #resolved: ResolvedOptions<V>;
  readonly #repository: Repository;
  readonly #registry = new Registry<Session<V>>();
  readonly #saver: Saver;
  readonly #saves = new Map<Promise<unknown>, string>();
  #closed = false;

  /** Joins a backend with the transports and codecs that the options choose. Throws `WeakKeyError`, `RangeError` or `TypeError`. */
  constructor(options: StoreOptions<V> & { backend: Backend }) {
    const resolved = resolveOptions(options.backend, options);
    this.#resolved = resolved;
    this.options = { ...resolved.session };
    this.token = resolved.transport;
    this.codecs = resolved.codecs;
    this.token.check(resolved.name, this.options);
    const { schema } = resolved;
    this.#repository = new Repository({
      ...resolved,
      emit: (event) => this.#emit(event),
      check: schema && (async (values) => {
        const output = await validate(schema, values);
        if (output instanceof SessionError) throw output;
      }),
    });
    this.#saver = (request, headers, status) => this.#saveRegistered(request, headers, status);
  }

  /** Waits until the keys are derived and the backend has answered. Optional: the first request waits otherwise. */
  async ready(): Promise<void> {
    const call = this.#call();
    await Promise.all([this.#resolved.ready(), this.#resolved.backend.now(call)]);
  }

  /**
   * The session of this name for the request; the same object however often it is asked for. A client that presents nothing,
   * or nothing good, gets a new session (see `session.error`). Rejects with `TypeError` for an invalid name and with
   * `StoreUnavailableError` in an outage.
   */
  async get(request: RequestLike, name: string = this.#resolved.name): Promise<Session<V>> {
    const asked = savers.get(request);
    if (asked) asked.add(this.#saver);
    else savers.set(request, new Set([this.#saver]));
    return await this.#registry.get(request, name, () => this.new(request, name));
  }

  /** The same as `get`, decoded afresh and not registered. */
  async new(request: RequestLike, name: string = this.#resolved.name): Promise<Session<V>> {
    this.token.check(name, this.options);
    const call = this.#call();
    const presented = this.token.read(request, name);
    if (!presented) return this.#make(name, this.token, undefined);
    if ("refused" in presented) {
      return this.#reject(name, presented.channel, new InvalidTokenError(presented.refused));
    }
    const now = await this.#resolved.backend.now(call);
    const opened = await this.#open(name, presented.tokens, now);
    if (opened instanceof SessionError) return this.#reject(name, presented.channel, opened);
    const started = this.#resolved.clock.monotonic();
    const found = await this.#repository.load(
      name,
      opened.id,
      this.#resolved.lifetime * 1000,
      call,
    );
    this.#emit({
      type: "load",
      name,
      found: found.status === "found",
      ms: this.#resolved.clock.monotonic() - started,
    });
    if (found.status === "missing") return this.#make(name, presented.channel, found.error);
    return await this.#revive(name, presented.channel, found, opened);
  }

  /**
   * Writes what changed and puts the token on the response. A response whose headers are immutable comes back as a
   * copy; `Headers` are changed in place. Rejects with `SessionGoneError` where the session has ended meanwhile (a
   * second save then clears the client's token), `SessionTooLargeError`, `UnserializableValueError`, `InvalidValuesError`,
   * `SessionConflictError`, and `StoreUnavailableError` in an outage.
   */
  async save<R extends Response | Headers>(
    request: RequestLike,
    response: R,
    session: Session<V>,
  ): Promise<R>;
  async save(
    request: RequestLike,
    response: Response | Headers,
    session: Session<V>,
  ): Promise<Response | Headers> {
    if (response instanceof Headers) {
      await this.#save(request, response, undefined, session);
      return response;
    }
    const answer = writable(response);
    await this.#save(request, answer.headers, answer.status, session);
    return answer;
  }

  /** See `Session.update`. */
  async update(
    session: Session<V>,
    change: (values: Partial<V>) => void | Promise<void>,
  ): Promise<void> {
    await this.#modify(session, async (payload) => {
      // The application vouches for the type of its own values, or gives a schema that checks it.
      const values: Partial<V> = payload.values;
      await change(values);
      return [{ ...payload, values }, undefined];
    });
  }

  /** See `Session.takeFlashes`. */
  async takeFlashes(session: Session<V>, key: string): Promise<unknown[]> {
    const stored = await this.#modify(session, (payload) => {
      const taken = payload.flashes.filter((flash) => flash.key === key);
      return [
        { ...payload, flashes: payload.flashes.filter((flash) => flash.key !== key) },
        taken.map((flash) => flash.value),
      ];
    });
    return stored;
  }

  /** See `Session.destroy`. */
  async destroy(session: Session<V>): Promise<void> {
    await this.#exclusive(session, async (state) => await this.#end(session, state, this.#call()));
  }

  /** Sets the idle limit of new sessions, in seconds. Sessions at hand keep theirs. */
  maxAge(value: number): void {
    this.options.maxAge = seconds("maxAge", value);
  }

  /**
   * Wraps a handler for `Bun.serve` or `Deno.serve`: gives it the sessions of its request and saves, before the response
   * leaves, those it asked for. Where a session ended meanwhile the response leaves with the client's token cleared.
   * A handler that throws saves nothing.
   */
  handle<Q extends RequestLike, A extends unknown[]>(
    handler: (request: Q, session: SessionGetter<V>, ...rest: A) => Response | Promise<Response>,
  ): (request: Q, ...rest: A) => Promise<Response> {
    return async (request, ...rest) => {
      const response = await handler(request, (name) => this.get(request, name), ...rest);
      const answer = writable(response);
      const failures = await saveEach(request, answer.headers, answer.status);
      const serious = failures.filter(({ error }) => !(error instanceof SessionGoneError));
      if (serious.length === 1) throw serious[0]?.error;
      failIfAny(serious);
      return answer;
    };
  }

  /** The living sessions of a user, last used first; at most `limit` (default 1,000). */
  async list(subject: string, limit = 1_000): Promise<SessionInfo[]> {
    const records = await this.#resolved.backend.list(subject, limit, this.#call());
    return await Promise.all(records.map(async (record) => ({
      handle: record.key.text,
      name: record.name,
      createdAt: new Date(record.created),
      modifiedAt: new Date(record.modified),
      expiresAt: new Date(record.expires),
      meta: await this.#repository.meta(record),
    })));
  }

  /**
   * Ends the session of a handle, at once and everywhere; false where there is none. Where the handle comes from a user, name
   * the subject too: then only that user's sessions can be ended.
   */
  async revoke(handle: string, options: { subject?: string } = {}): Promise<boolean> {
    const key = parseHandle(handle);
    if (!key) return false;
    return await this.#resolved.backend.remove({ key, ...options }, this.#call()) > 0;
  }

  /** Ends the sessions of a user and gives their number; `except` stays (the one at hand, by itself or by its handle). */
  async revokeAll(
    subject: string,
    options: { except?: Session<V> | string } = {},
  ): Promise<number> {
    const { except } = options;
    const spared = typeof except === "string"
      ? parseHandle(except)
      : except && stateOf(except).snapshot?.key;
    return await this.#resolved.backend.remove(
      { subject, ...(spared ? { except: [spared] } : {}) },
      this.#call(),
    );
  }

  /** The handle under which `list` shows this session; undefined until saved. */
  handleOf(session: Session<V>): string | undefined {
    return stateOf(session).snapshot?.key.text;
  }

  /**
   * Refuses new work and waits for the saves under way, for at most `timeoutMS` (default: the store's). Rejects with
   * `StoreUnavailableError` that names the sessions it could not see saved.
   */
  async close(timeoutMS: number = this.#resolved.timeoutMS): Promise<void> {
    this.#closed = true;
    const { backend, clock } = this.#resolved;
    const call = { deadline: clock.monotonic() + seconds("timeoutMS", timeoutMS) };
    await this.#drain(call);
    await backend.close(call);
  }

  /** The same as `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #call(): Call {
    if (this.#closed) {
      throw new StoreUnavailableError("the store is closed", { outcome: "not-applied" });
    }
    return { deadline: this.#resolved.clock.monotonic() + this.#resolved.timeoutMS };
  }

  #emit(event: SessionEvent): void {
    try {
      this.#resolved.onEvent?.(event);
    } catch {
      // An observer never changes what happens.
    }
  }

  #limits({ maxAge }: SessionOptions): Limits {
    const { lifetime } = this.#resolved;
    return { idle: (maxAge || this.options.maxAge || lifetime) * 1000, lifetime: lifetime * 1000 };
  }

  /** The one id that the presented tokens open, or why there is none. */
  async #open(
    name: string,
    tokens: readonly string[],
    now: number,
  ): Promise<OpenedToken & { ok: true; token: string } | SessionError> {
    let found: OpenedToken & { ok: true; token: string } | undefined;
    let error: SessionError | undefined;
    for (const token of tokens) {
      const decoding = this.codecs.find((codec) => codec.recognizes(token))?.decode(
        name,
        token,
        now,
      );
      const opened = decoding instanceof Promise ? await decoding : decoding;
      if (!opened?.ok) {
        error ??= opened?.reason === "expired"
          ? new ExpiredTokenError("the token is older than sessions may become")
          : undefined;
      } else if (found && !sameBytes(found.id, opened.id)) {
        return new InvalidTokenError(
          "two different tokens of this name were presented, and both open",
        );
      } else {
        found ??= { ...opened, token };
      }
    }
    return found ?? error ?? new InvalidTokenError("the token is not one of this store's");
  }

  #reject(name: string, channel: Transport, error: SessionError): Session<V> {
    this.#emit({ type: "reject", name, reason: error.code });
    return this.#make(name, channel, error);
  }

  #make(name: string, channel: Transport, error: SessionError | undefined): Session<V> {
    const payload: Payload = { values: {}, flashes: [], meta: undefined, maxAge: undefined };
    return this.#session(name, payload, undefined, error, this.#state(channel));
  }

  async #revive(
    name: string,
    channel: Transport,
    found: Lookup & { status: "found" },
    opened: OpenedToken & { ok: true; token: string },
  ): Promise<Session<V>> {
    const { schema } = this.#resolved;
    const { snapshot, joined, now } = found;
    let { payload } = found;
    if (schema) {
      const values = await validate(schema, payload.values);
      if (values instanceof SessionError) return this.#reject(name, channel, values);
      payload = { ...payload, values };
    }
    const own = joined ? {} : { id: opened.id, token: opened.token, staleToken: opened.stale };
    const state = { ...this.#state(channel), snapshot, joined, loadedAt: now, ...own };
    return this.#session(name, payload, snapshot.subject, undefined, state);
  }

  #state(channel: Transport): SessionState {
    return {
      snapshot: undefined,
      id: undefined,
      token: undefined,
      channel,
      staleToken: false,
      joined: false,
      regenerating: false,
      ended: false,
      slid: false,
      loadedAt: 0,
      defaultMaxAge: this.options.maxAge,
      busy: undefined,
    };
  }

  #session(
    name: string,
    payload: Payload,
    subject: string | undefined,
    error: SessionError | undefined,
    state: SessionState,
  ): Session<V> {
    const { values, flashes, meta, maxAge = this.options.maxAge } = payload;
    const options = { ...this.options, maxAge };
    const flashId = () => encodeBase64Url(this.#resolved.random(6));
    const live = { values, flashes, meta, subject };
    return new Session<V>({ name, store: this, options, ...live, error, state, flashId });
  }

  /** Runs what changes a session after what already changes it. */
  async #exclusive<T>(session: Session<V>, work: (state: SessionState) => Promise<T>): Promise<T> {
    const state = stateOf(session);
    const before = state.busy;
    const running = before ? before.then(() => work(state), () => work(state)) : work(state);
    state.busy = running;
    this.#saves.set(running, session.name);
    try {
      return await running;
    } finally {
      this.#saves.delete(running);
      if (state.busy === running) state.busy = undefined;
    }
  }

  async #save(
    request: RequestLike,
    headers: Headers,
    status: number | undefined,
    session: Session<V>,
  ): Promise<void> {
    const { name, options } = session;
    const state = stateOf(session);
    this.token.check(name, options);
    this.token.annotate(headers);
    const answer = { request, name, options, status };
    try {
      const call = this.#call();
      const effect = await this.#exclusive(session, () => this.#persist(session, state, call));
      this.#answer(headers, answer, state, effect);
    } catch (error) {
      if (error instanceof SessionGoneError) {
        state.ended = true;
        this.#emit({ type: "gone", name });
        this.#answer(headers, answer, state, "clear");
      }
      throw error;
    }
  }

  async #persist(session: Session<V>, state: SessionState, call: Call): Promise<Effect> {
    if (session.options.maxAge < 0) await this.#end(session, state, call);
    if (state.ended) return "clear";
    const draft = draftOf(session);
    const base = state.snapshot;
    if (!base && isEmpty(draft) && !this.#resolved.saveEmpty) return "nothing";
    const text = encodePayload(draft.payload);
    const started = this.#resolved.clock.monotonic();
    const limits = this.#limits(session.options);
    const moves = !base || state.regenerating;
    if (!base) {
      const created = await this.#repository.create(session.name, { ...draft, text }, limits, call);
      this.#renew(session, state, draft, text, created);
    } else if (state.regenerating) {
      const created = await this.#repository.replace(
        base,
        { ...draft, text },
        limits,
        this.#resolved.grace * 1000,
        call,
      );
      this.#renew(session, state, draft, text, created);
      this.#emit({ type: "regenerate", name: session.name });
    } else if (
      text !== base.text || draft.subject !== base.subject ||
      (base.stale && this.#due(state, limits))
    ) {
      this.#settle(
        session,
        state,
        draft,
        text,
        await this.#repository.commit(base, { ...draft, text }, limits, call),
      );
    } else if (this.#due(state, limits)) {
      state.snapshot = await this.#repository.touch(base, limits, call);
      this.#emit({
        type: "touch",
        name: session.name,
        ms: this.#resolved.clock.monotonic() - started,
      });
      return await this.#sign(session, state, call);
    } else {
      return state.slid || state.staleToken ? await this.#sign(session, state, call) : "nothing";
    }
    const ms = this.#resolved.clock.monotonic() - started;
    this.#emit({ type: "save", name: session.name, created: moves, bytes: text.length, ms });
    return await this.#sign(session, state, call);
  }

  /** Gives the session the new id that its record has now. */
  #renew(
    session: Session<V>,
    state: SessionState,
    draft: Draft,
    text: string,
    { id, snapshot }: Created,
  ): void {
    this.#settle(session, state, draft, text, snapshot);
    Object.assign(state, { id, token: undefined, joined: false, regenerating: false });
  }

  /** Takes over what a write left in the record, keeping what the application changed since it began. */
  #settle(
    session: Session<V>,
    state: SessionState,
    draft: Draft,
    text: string,
    snapshot: Snapshot,
  ): void {
    const moved = state.snapshot && state.snapshot.key.text !== snapshot.key.text;
    if (moved) Object.assign(state, { id: undefined, token: undefined, joined: true });
    state.snapshot = snapshot;
    if (text === snapshot.text && draft.subject === snapshot.subject) return;
    const live = draftOf(session);
    adopt(session, {
      payload: mergePayloads(readPayload(text), live.payload, readPayload(snapshot.text)),
      subject: live.subject === draft.subject ? snapshot.subject : live.subject,
    });
  }

  /** Whether an unchanged session has gone long enough without a write. */
  #due({ snapshot, loadedAt }: SessionState, { idle }: Limits): boolean {
    const { touchAfter } = this.#resolved;
    return snapshot !== undefined &&
      loadedAt - snapshot.modified >= (touchAfter === undefined ? idle / 10 : touchAfter * 1000);
  }

  /** Makes a token where the one at hand does not carry the id or an older key protects it. */
  async #sign(session: Session<V>, state: SessionState, call: Call): Promise<Effect> {
    if (state.joined || !state.id) return "nothing";
    if (!state.token || state.staleToken) {
      state.token = await this.codecs[0].encode(
        session.name,
        state.id,
        await this.#resolved.backend.now(call),
      );
      state.staleToken = false;
    }
    state.slid = false;
    return "token";
  }

  #answer(
    headers: Headers,
    answer: Omit<Answer, "now">,
    { channel, token, snapshot }: SessionState,
    effect: Effect,
  ): void {
    if (effect === "nothing") return;
    const now = snapshot?.modified ?? this.#resolved.clock.now();
    if (effect === "token" && token) channel.write(headers, token, { ...answer, now });
    else channel.clear(headers, { ...answer, now });
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  }

  async #end(session: Session<V>, state: SessionState, call: Call): Promise<void> {
    if (!state.ended && state.snapshot) await this.#repository.remove(state.snapshot, call);
    state.ended = true;
    clear(session);
    this.#emit({ type: "destroy", name: session.name });
  }

  /** Changes the stored payload in one step, or the values at hand where there is no record yet. */
  async #modify<T>(
    session: Session<V>,
    change: (payload: Payload) => Awaitable<readonly [Payload, T]>,
  ): Promise<T> {
    return await this.#exclusive(session, async (state) => {
      const call = this.#call();
      if (state.ended) throw new SessionGoneError("the session has ended");
      const { payload, subject } = draftOf(session);
      const base = state.snapshot;
      if (!base) {
        const [changed, result] = await change(payload);
        adopt(session, { payload: changed, subject });
        return result;
      }
      try {
        const limits = this.#limits(session.options);
        const [snapshot, result] = await this.#repository.modify(base, limits, call, change);
        this.#settle(session, state, { payload, subject: base.subject }, base.text, snapshot);
        state.slid = true;
        return result;
      } catch (error) {
        if (error instanceof SessionGoneError) state.ended = true;
        throw error;
      }
    });
  }

  async #saveRegistered(
    request: RequestLike,
    headers: Headers,
    status: number | undefined,
  ): Promise<readonly Failure[]> {
    const failures = this.#registry.of(request).map(
      async (loading): Promise<readonly Failure[]> => {
        const session = await loading;
        try {
          await this.#save(request, headers, status, session);
          return [];
        } catch (error) {
          return [{ name: session.name, error }];
        }
      },
    );
    return (await Promise.all(failures)).flat();
  }

  async #drain({ deadline }: Call): Promise<void> {
    const { clock } = this.#resolved;
    let cancel: (() => void) | undefined;
    const late = new Promise<boolean>((resolve) => {
      cancel = clock.after(Math.max(0, deadline - clock.monotonic()), () => resolve(true));
    });
    const drained = Promise.allSettled(this.#saves.keys()).then(() => false);
    const timedOut = await Promise.race([drained, late]);
    cancel?.();
    if (!timedOut) return;
    const names = [...new Set(this.#saves.values())].join(", ");
    throw new StoreUnavailableError(
      `${this.#saves.size} saves were not done in time, of sessions named ${names}`,
      {
        outcome: "unknown",
      },
    );
  }
}

/**
 * Saves every session that was asked for during the request, whichever store it came from. Goes on past a failure, then
 * rejects with one `AggregateError` that names each session it could not save.
 */
export async function saveAll<R extends Response | Headers>(
  request: RequestLike,
  response: R,
): Promise<R>;
export async function saveAll(
  request: RequestLike,
  response: Response | Headers,
): Promise<Response | Headers> {
  if (response instanceof Headers) {
    failIfAny(await saveEach(request, response, undefined));
    return response;
  }
  const answer = writable(response);
  failIfAny(await saveEach(request, answer.headers, answer.status));
  return answer;
}

async function saveEach(
  request: RequestLike,
  headers: Headers,
  status: number | undefined,
): Promise<readonly Failure[]> {
  const asked = [...savers.get(request) ?? []];
  return (await Promise.all(asked.map((save) => save(request, headers, status)))).flat();
}

function failIfAny(failures: readonly Failure[]): void {
  if (failures.length === 0) return;
  const names = failures.map(({ name, error }) =>
    `${name} (${error instanceof Error ? error.name : "unknown error"})`
  );
  throw new AggregateError(
    failures.map(({ error }) => error),
    `could not save the sessions: ${names.join(", ")}`,
  );
}
