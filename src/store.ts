/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, Call } from "./backend/backend.ts";
import { parseHandle } from "./backend/record.ts";
import { authenticate } from "./authenticate.ts";
import type { Authentic } from "./authenticate.ts";
import { encodeBase64Url } from "./base64url.ts";
import type { TokenCodec } from "./codec/codec.ts";
import { inTime } from "./deadline.ts";
import {
  CrossOriginError,
  InvalidTokenError,
  SessionError,
  SessionGoneError,
  StoreUnavailableError,
} from "./errors.ts";
import { isCrossOrigin } from "./cross-origin.ts";
import { emitTo } from "./events.ts";
import type { SessionEvent } from "./events.ts";
import { takeOver } from "./legacy/take-over.ts";
import { Keeper } from "./keeper.ts";
import type { Effect } from "./keeper.ts";
import type { Found, Lookup } from "./lookup.ts";
import { resolveOptions, seconds, wholeSeconds } from "./options.ts";
import type { ResolvedOptions, StoreOptions } from "./options.ts";
import type { Payload } from "./payload.ts";
import { rekey } from "./rekey.ts";
import type { RekeyOptions, RekeyProgress } from "./rekey.ts";
import { isAnswered, Registry } from "./registry.ts";
import { Repository } from "./repository.ts";
import { writable } from "./response.ts";
import { settle, settleResponse } from "./save-all.ts";
import { validate } from "./schema.ts";
import { Session, stateOf } from "./session.ts";
import type { SessionState, SessionStore } from "./session.ts";
import { Watcher } from "./watch.ts";
import type { SessionEnd, StopWatching } from "./watch.ts";
import { isToken } from "./transport/grammar.ts";
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

/** How often `revokeAll` goes over a user's sessions at most. */
const MAX_PASSES = 5;

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
  readonly #keeper: Keeper;
  readonly #watcher: Watcher;
  readonly #registry: Registry<Session<V>>;
  readonly #emit: (event: SessionEvent) => void;
  readonly #flashId = (): string => encodeBase64Url(this.#resolved.random(6));
  #closed = false;

  /** Joins a backend with the transports and codecs that the options choose. Throws `WeakKeyError`, `RangeError` or `TypeError`. */
  constructor(options: StoreOptions<V> & { backend: Backend }) {
    const resolved = resolveOptions(options.backend, options);
    const { schema, lifetime, codecs } = resolved;
    this.#resolved = resolved;
    this.options = { ...resolved.session };
    this.token = resolved.transport;
    this.codecs = codecs;
    this.#admit(resolved.name, this.options);
    this.#emit = emitTo(resolved.onEvent);
    const check = schema && (async (values: object) => {
      const output = await validate(schema, values);
      if (output instanceof SessionError) throw output;
    });
    const emit = this.#emit;
    this.#repository = new Repository({ ...resolved, emit, check });
    const idleOf = (maxAge: number) => maxAge * 1000 || this.options.maxAge * 1000 || lifetime;
    this.#keeper = new Keeper({
      ...resolved,
      repository: this.#repository,
      codec: codecs[0],
      emit,
      idleOf,
    });
    this.#watcher = new Watcher({
      ...resolved,
      lookup: this.#repository.lookup,
      emit,
      interval: resolved.watchIntervalMS,
      call: () => this.#call(),
    });
    this.#registry = new Registry((request, headers, status, session) =>
      this.#save(request, headers, status, session)
    );
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
  get(request: RequestLike, name: string = this.#resolved.name): Promise<Session<V>> {
    return this.#registry.get(request, name, () => this.new(request, name));
  }

  /** The same as `get`, decoded afresh and not registered. */
  async new(request: RequestLike, name: string = this.#resolved.name): Promise<Session<V>> {
    this.#admit(name, this.options);
    const call = this.#call();
    const presented = this.token.read(request, name);
    if (presented && "refused" in presented) {
      return this.#reject(name, presented.channel, new InvalidTokenError(presented.refused));
    }
    if (
      this.#resolved.legacy.length > 0 && !presented?.tokens.some((token) => this.#isOurs(token))
    ) {
      const older = await this.#takeOver(request, name, presented?.channel ?? this.token, call);
      if (older) return older;
    }
    if (!presented) return this.#make(name, this.token, undefined);
    const time = this.#resolved.backend.now(call);
    const now = time instanceof Promise ? await time : time;
    const opening = authenticate(this.codecs, name, presented.tokens, now);
    const opened = opening instanceof Promise ? await opening : opening;
    if (opened instanceof SessionError) return this.#reject(name, presented.channel, opened);
    const { clock } = this.#resolved;
    const started = clock.monotonic();
    const key = this.#repository.keyOf(name, opened.id);
    let found: Awaited<ReturnType<Lookup["follow"]>>;
    try {
      found = await this.#repository.lookup.follow(name, key, call);
    } catch (error) {
      if (error instanceof SessionError) {
        const ms = clock.monotonic() - started;
        this.#emit({ type: "fail", operation: "load", name, reason: error.code, ms });
      }
      throw error;
    }
    const ms = clock.monotonic() - started;
    this.#emit({ type: "load", name, found: found.status === "found", ms });
    if (found.status === "missing") {
      const { error } = found;
      if (error.code === "CORRUPT_RECORD") return this.#reject(name, presented.channel, error);
      return this.#make(name, presented.channel, error);
    }
    const joined = found.snapshot.key !== key;
    const { schema } = this.#resolved;
    const checked = schema && await validate(schema, found.payload.values);
    if (checked instanceof SessionError) return this.#reject(name, presented.channel, checked);
    const payload = checked ? { ...found.payload, values: checked } : found.payload;
    return this.#revive(name, presented.channel, { ...found, payload }, opened, joined);
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
    await this.#keeper.modify(session, async (payload) => {
      // The application vouches for the type of its own values, or gives a schema that checks it.
      const values: Partial<V> = payload.values;
      await change(values);
      return [{ ...payload, values }, undefined];
    }, this.#call());
  }

  /** See `Session.takeFlashes`. */
  async takeFlashes(session: Session<V>, key: string): Promise<unknown[]> {
    const shown = this.#keeper.shown(session);
    return await this.#keeper.modify(session, (payload) => {
      const taken = payload.flashes.filter((flash) => flash.key === key);
      const flashes = payload.flashes.filter((flash) => flash.key !== key);
      const unseen = taken.filter((flash) => !shown.has(flash.id));
      return [{ ...payload, flashes }, unseen.map((flash) => flash.value)];
    }, this.#call());
  }

  /** See `Session.destroy`. */
  async destroy(session: Session<V>): Promise<void> {
    await this.#keeper.end(session, this.#call());
  }

  /** Sets the idle limit of new sessions, in seconds. Sessions at hand keep theirs. */
  maxAge(value: number): void {
    this.options.maxAge = wholeSeconds("maxAge", value);
  }

  /**
   * Wraps a handler for `Bun.serve` or `Deno.serve`: gives it the sessions of its request and saves, before the response
   * leaves, those it asked for. Where a session ended meanwhile the response leaves with the client's token cleared.
   * A handler that throws saves nothing. A session whose cookie a page of another origin made the browser send, with a method
   * that changes things, is not given: the answer is 403 (see `trustedOrigins`).
   */
  handle<
    Q extends RequestLike = Request,
    A extends unknown[] = [],
    R extends Response | undefined = Response,
  >(
    handler: (request: Q, session: SessionGetter<V>, ...rest: A) => R | Promise<R>,
  ): (request: Q, ...rest: A) => Promise<R | Response> {
    return async (request, ...rest) => {
      let response: R;
      try {
        response = await handler(request, this.getter(request), ...rest);
      } catch (error) {
        if (error instanceof CrossOriginError) return new Response(error.message, { status: 403 });
        throw error;
      }
      if (response) return await settleResponse(request, response);
      await settle(request, new Headers(), undefined);
      return response;
    };
  }

  /**
   * What `handle` gives its handler, for whoever adapts the store to a framework: gives the sessions of the request. Rejects as `get`
   * does, with `CrossOriginError` for a session whose cookie a page of another origin made the browser send, and with
   * `TypeError` once the response has left, when nothing would be saved any more.
   *
   * @example
   * ```ts
   * import { createMemoryStore, generateKey, saveAll } from "mongostore";
   *
   * const store = createMemoryStore<{ visits: number }>({ keys: [generateKey()] });
   * const request = new Request("https://shop.example/");
   * const getSession = store.getter(request);
   * (await getSession()).values.visits = 1;
   * const response = await saveAll(request, new Response("hello"));
   * console.log(response.headers.has("set-cookie")); // true
   * ```
   */
  getter(request: RequestLike): SessionGetter<V> {
    const crosses = isCrossOrigin(request, this.#resolved.trustedOrigins);
    return async (name) => {
      if (isAnswered(request)) {
        throw new TypeError("no session can be asked for any more: the response has left");
      }
      const session = await this.get(request, name);
      const { channel, takenOver } = stateOf(session);
      const carried = takenOver?.ambient ?? (!session.isNew && channel.ambient);
      if (crosses && carried) throw crossOrigin();
      return session;
    };
  }

  /** The living sessions of a user, last used first; at most `limit` (default 1,000). */
  async list(subject: string, limit = 1_000): Promise<SessionInfo[]> {
    checkSubject(subject);
    const records = await this.#resolved.backend.list(subject, limit, this.#call());
    return await Promise.all(records.map(async (record) => ({
      handle: record.key.text,
      name: record.name,
      createdAt: new Date(record.created),
      modifiedAt: new Date(record.modified),
      expiresAt: new Date(record.expires),
      meta: await this.#repository.lookup.meta(record),
    })));
  }

  /**
   * Ends the session of a handle, at once and everywhere; false where there is none. Where the handle comes from a user, name
   * the subject too: then only that user's sessions can be ended.
   */
  async revoke(handle: string, options: { subject?: string } = {}): Promise<boolean> {
    // A subject that is there and undefined is a mistake that would end anyone's session.
    if ("subject" in options) checkSubject(options.subject);
    const key = parseHandle(handle);
    if (!key) return false;
    return await this.#repository.revoke(key, options.subject, this.#call());
  }

  /** Ends the sessions of a user and gives their number; `except` stays (the one at hand, by itself or by its handle). */
  async revokeAll(
    subject: string,
    options: { except?: Session<V> | string } = {},
  ): Promise<number> {
    checkSubject(subject);
    const { except } = options;
    const spared = typeof except === "string"
      ? parseHandle(except)
      : except instanceof Session
      ? stateOf(except).snapshot?.key
      : undefined;
    if (!spared && except !== undefined && !(except instanceof Session)) {
      throw new TypeError("cannot except what is neither a session nor a handle");
    }
    const selection = { subject, ...(spared ? { except: [spared] } : {}) };
    const call = this.#call();
    // A session that is replaced while the first pass goes over the index can slip from what is ahead to what is behind.
    let removed = await this.#resolved.backend.remove(selection, call);
    for (let pass = 2; pass <= MAX_PASSES; pass++) {
      const late = await this.#resolved.backend.remove(selection, call).catch((cause) => {
        const message = "some of the sessions were ended, and perhaps not all";
        throw new StoreUnavailableError(message, { outcome: "unknown", cause });
      });
      if (late === 0) break;
      removed += late;
    }
    return removed;
  }

  /**
   * Protects the stored data of every session with the first key, so that older keys can be dropped. Sessions in use go on
   * meanwhile: nothing expires earlier or later, and a save that comes between wins. Tokens are made anew when their
   * clients come by; a dropped key ends those that never did. Rejects with `StoreUnavailableError` in an outage (go on with
   * `after: progress.last`) and with the signal's reason.
   *
   * @example
   * ```ts
   * import { createMemoryStore, generateKey } from "mongostore";
   *
   * const [newest, older] = [generateKey(), generateKey()];
   * const store = createMemoryStore({ keys: [newest, older] });
   * const { seen, resealed } = await store.rekey({ rate: 1000, onProgress: console.log });
   * console.log(seen, resealed); // 0 0
   * ```
   */
  async rekey(options: RekeyOptions = {}): Promise<RekeyProgress> {
    return await rekey({ ...this.#resolved, call: () => this.#call() }, options);
  }

  /**
   * Calls `onEnd` once when the session has ended, wherever that happened: within a second on a replica set, by a change stream that
   * all watched sessions of the store share, else within `watchIntervalMS` or a little more (an event `watch` says which). For
   * what outlives its request: WebSockets and event streams. Watch a session after its save; one that was never saved is a
   * `TypeError`. A session whose id is replaced has ended: its client comes back with the new token. In an outage nothing is known
   * and `onEnd` waits. What `onEnd` throws is an unhandled rejection.
   *
   * @example
   * ```ts
   * import { createMemoryStore, generateKey } from "mongostore";
   *
   * const store = createMemoryStore<{ userId: string }>({ keys: [generateKey()] });
   * const request = new Request("https://shop.example/");
   * const session = await store.get(request, "session");
   * session.subject = "ann";
   * await store.save(request, new Response(), session);
   * const ended = new Promise((resolve) => store.watch(session, resolve));
   * await store.revokeAll("ann");
   * console.log(await ended); // ended
   * ```
   */
  watch(
    session: Session<V>,
    onEnd: (end: SessionEnd) => void,
    options: { readonly signal?: AbortSignal } = {},
  ): StopWatching {
    this.#call(); // a store that is closed watches nothing
    if (session.store !== this) throw new TypeError("cannot watch the session of another store");
    const { snapshot, ended } = stateOf(session);
    if (!snapshot) throw new TypeError("cannot watch a session that was never saved");
    const { signal } = options;
    let isOver = signal?.aborted ?? false;
    const finish = (end: SessionEnd) => {
      if (isOver) return;
      stop();
      onEnd(end);
    };
    let remove: (() => void) | undefined;
    const stop = () => {
      isOver = true;
      remove?.();
      signal?.removeEventListener("abort", stop);
    };
    if (!isOver) {
      signal?.addEventListener("abort", stop);
      if (ended) void Promise.resolve<SessionEnd>("ended").then(finish);
      else remove = this.#watcher.add(snapshot, finish);
    }
    return Object.assign(stop, { [Symbol.dispose]: stop });
  }

  /** The handle under which `list` shows this session; undefined until saved. */
  handleOf(session: Session<V>): string | undefined {
    return stateOf(session).snapshot?.key.text;
  }

  /**
   * Refuses new work, stops watching and waits for the saves under way, for at most `timeoutMS` (default: the store's). Rejects with
   * `StoreUnavailableError` that names the sessions it could not see saved.
   */
  async close(timeoutMS: number = this.#resolved.timeoutMS): Promise<void> {
    this.#watcher.close();
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

  /** Throws `TypeError` for a name that is no token of RFC 9110 (section 5.6.2), or that the transport cannot carry. */
  #admit(name: string, options: SessionOptions): void {
    if (!isToken(name)) {
      throw new TypeError("cannot name a session so: the name must be a token of RFC 9110");
    }
    this.token.check(name, options);
  }

  #call(): Call {
    if (this.#closed) {
      throw new StoreUnavailableError("the store is closed", { outcome: "not-applied" });
    }
    return { deadline: this.#resolved.clock.monotonic() + this.#resolved.timeoutMS };
  }

  #reject(name: string, channel: Transport, error: SessionError): Session<V> {
    this.#emit({ type: "reject", name, reason: error.code });
    return this.#make(name, channel, error);
  }

  #isOurs(token: string): boolean {
    return this.codecs.some((codec) => codec.recognizes(token));
  }

  async #takeOver(
    request: RequestLike,
    name: string,
    channel: Transport,
    call: Call,
  ): Promise<Session<V> | undefined> {
    const { legacy: readers, backend, clock, schema } = this.#resolved;
    if (readers.every((reader) => reader.read(request, name).length === 0)) return undefined;
    const now = await backend.now(call);
    const isOurs = (token: string) => this.#isOurs(token);
    const older = await takeOver({
      readers,
      request,
      sessionName: name,
      isOurs,
      clock,
      now,
      ...call,
    });
    if (!older) return undefined;
    if (older instanceof SessionError) return this.#reject(name, channel, older);
    const { reader, ambient, session: { values, subject, meta } } = older;
    const checked = schema ? await validate(schema, values) : values;
    if (checked instanceof SessionError) return this.#reject(name, channel, checked);
    this.#emit({ type: "legacy", reader, name });
    const payload: Payload = { values: checked, flashes: [], meta, maxAge: undefined };
    const state = { ...this.#state(channel), takenOver: { ambient } };
    return this.#session(name, payload, subject, undefined, state);
  }

  #make(name: string, channel: Transport, error: SessionError | undefined): Session<V> {
    const payload: Payload = { values: {}, flashes: [], meta: undefined, maxAge: undefined };
    return this.#session(name, payload, undefined, error, this.#state(channel));
  }

  /** A request that was led here from a replaced id knows neither the new id nor its token, and learns neither. */
  #revive(
    name: string,
    channel: Transport,
    { snapshot, payload }: Found & { status: "found" },
    { id, token, stale }: Authentic,
    joined: boolean,
  ): Session<V> {
    const state = this.#state(channel);
    state.snapshot = snapshot;
    state.joined = joined;
    if (!joined) {
      state.id = id;
      state.token = token;
      state.staleToken = stale;
    }
    return this.#session(name, payload, snapshot.subject, undefined, state);
  }

  #state(channel: Transport): SessionState {
    return {
      snapshot: undefined,
      id: undefined,
      token: undefined,
      channel,
      takenOver: undefined,
      staleToken: false,
      joined: false,
      regenerating: false,
      ended: false,
      announce: false,
      defaultMaxAge: this.options.maxAge,
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
    return new Session<V>({
      name,
      store: this,
      options: { ...this.options, maxAge },
      values,
      flashes,
      meta,
      subject,
      error,
      state,
      flashId: this.#flashId,
    });
  }

  async #save(
    request: RequestLike,
    headers: Headers,
    status: number | undefined,
    session: Session<V>,
  ): Promise<void> {
    const { name, options } = session;
    const state = stateOf(session);
    if (session.store !== this) throw new TypeError("cannot save the session of another store");
    this.#admit(name, options);
    this.token.annotate(headers);
    const answer = { request, name, options, status };
    try {
      this.#answer(headers, answer, state, await this.#keeper.save(session, this.#call()));
    } catch (error) {
      if (error instanceof SessionGoneError) this.#answer(headers, answer, state, "clear");
      throw error;
    }
  }

  #answer(
    headers: Headers,
    answer: Omit<Answer, "now">,
    { channel, token, snapshot }: SessionState,
    effect: Effect,
  ): void {
    if (effect === "nothing") return;
    const now = snapshot?.modified ?? this.#resolved.clock.now();
    for (const reader of this.#resolved.legacy) {
      reader.clear(headers, { ...answer, now }, effect === "clear");
    }
    if (effect === "token" && token) channel.write(headers, token, { ...answer, now });
    else channel.clear(headers, { ...answer, now });
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store");
  }

  async #drain(call: Call): Promise<void> {
    const { busy } = this.#keeper;
    await inTime(this.#resolved.clock, call, Promise.allSettled(busy.keys()), () => {
      const names = [...new Set(busy.values())].join(", ");
      const message = `${busy.size} saves were not done in time, of sessions named ${names}`;
      return { message, outcome: "unknown" };
    });
  }
}

/** An object from a client would be an operator to the database. */
function checkSubject(subject: unknown): void {
  if (typeof subject !== "string") throw new TypeError("a subject must be text");
}

function crossOrigin(): CrossOriginError {
  return new CrossOriginError("a page of another origin may not change this session");
}
