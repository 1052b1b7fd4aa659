import { encodeBase64Url } from "./base64url.ts";
import type { SessionError } from "./errors.ts";
import type { Draft, Flash, Payload, Snapshot } from "./payload.ts";
import type { RequestLike, SessionOptions, Transport } from "./transport/transport.ts";

/** What a session asks of the store it came from. */
export interface SessionStore<V extends object> {
  /** See `Store.save`. */
  save<R extends Response | Headers>(
    request: RequestLike,
    response: R,
    session: Session<V>,
  ): Promise<R>;
  /** See {@linkcode Session.update}. */
  update(session: Session<V>, change: (values: Partial<V>) => void | Promise<void>): Promise<void>;
  /** See {@linkcode Session.takeFlashes}. */
  takeFlashes(session: Session<V>, key: string): Promise<unknown[]>;
  /** See {@linkcode Session.destroy}. */
  destroy(session: Session<V>): Promise<void>;
}

/** What the library knows of a session beside what the application sees. */
export interface SessionState {
  /** The record as last read or written; undefined until there is one. */
  snapshot: Snapshot | undefined;
  /** The session id; undefined until saved, and for a request that joined a successor. */
  id: Uint8Array<ArrayBuffer> | undefined;
  /** The token that carries the id. */
  token: string | undefined;
  /** Where the token travels for this request. */
  readonly channel: Transport;
  /** Where the values come from an older system: whether clients present its tokens by themselves. */
  readonly takenOver: { readonly ambient: boolean } | undefined;
  /** True where the token should be made anew: an older key protects it. */
  staleToken: boolean;
  /** True where this request found the session through a replaced token: it issues none. */
  joined: boolean;
  /** True where the next save replaces the id. */
  regenerating: boolean;
  /** True once the session was destroyed or found gone: it is never written again. */
  ended: boolean;
  /** True where this request made the token or moved the expiry: every response of it carries the token. */
  announce: boolean;
  /** The store's `maxAge` when the session was made: only another one is stored. */
  readonly defaultMaxAge: number;
}

/** What a session is made from. */
export interface SessionInit<V extends object> {
  readonly name: string;
  readonly store: SessionStore<V>;
  readonly options: SessionOptions;
  readonly values: Partial<V>;
  readonly flashes: readonly Flash[];
  readonly meta: unknown;
  readonly subject: string | undefined;
  readonly error: SessionError | undefined;
  readonly state: SessionState;
  /** Makes the id of a flash. */
  readonly flashId: () => string;
}

/** The state behind a session. Not exported by the package. */
export let stateOf: <V extends object>(session: Session<V>) => SessionState;

/** What a save of the session would store now. Shares the live values. */
export let draftOf: <V extends object>(session: Session<V>) => Draft;

/** Makes the session hold what its record now holds. */
export let adopt: <V extends object>(session: Session<V>, draft: Draft) => void;

/** Empties a session that has ended. */
export let clear: <V extends object>(session: Session<V>) => void;

/** The key of flashes that name none. */
const DEFAULT_FLASH_KEY = "_flash";

/**
 * One client's session under one name. Change {@linkcode Session.values} as you like: nothing is written until `store.save`,
 * which writes only what changed and keeps what other requests changed meanwhile.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey } from "mongostore";
 *
 * const store = createMemoryStore<{ visits: number }>({ keys: [generateKey()] });
 * const request = new Request("https://shop.example/");
 * const session = await store.get(request, "session");
 * session.values.visits = (session.values.visits ?? 0) + 1;
 * const response = await store.save(request, new Response("hello"), session);
 * console.log(response.headers.has("set-cookie")); // true
 * ```
 */
export class Session<V extends object = Record<string, unknown>> {
  /** The session's name: with the cookie transport, the cookie's. */
  readonly name: string;
  /** The store it came from. */
  readonly store: SessionStore<V>;
  /** False only where the request's token led to a stored session. */
  readonly isNew: boolean;
  /** Why a presented token was not accepted; undefined where it was, or where none was presented. */
  readonly error: SessionError | undefined;
  /** This session's own copy of the store's options. A changed `maxAge` (seconds) is kept with the session. */
  readonly options: SessionOptions;
  /** The application's data. Whatever `structuredClone` copies and JSON or `Date`, `Map`, `Set`, `bigint`, `Uint8Array`, `URL`, `RegExp` can tell. */
  values: Partial<V>;
  /** A label that `store.list` shows, for example the device. Stored with the values. */
  meta: unknown;
  /** Whose session it is, for `store.list` and `store.revokeAll`. Stored readable beside the values. */
  subject: string | undefined;

  #flashes: readonly Flash[];
  readonly #state: SessionState;
  readonly #flashId: () => string;

  /** Sessions are made by a store: use `store.get`. */
  constructor(init: SessionInit<V>) {
    this.name = init.name;
    this.store = init.store;
    this.options = init.options;
    this.values = init.values;
    this.meta = init.meta;
    this.subject = init.subject;
    this.error = init.error;
    this.isNew = init.state.snapshot === undefined;
    this.#flashes = init.flashes;
    this.#state = init.state;
    this.#flashId = init.flashId;
  }

  /** The session id as base64url text; `""` until first saved. It is a secret: log a handle of `store.list` instead. */
  get id(): string {
    return this.#state.id === undefined ? "" : encodeBase64Url(this.#state.id);
  }

  /** The token that the client holds or will get; undefined until first saved. It is a secret. */
  get token(): string | undefined {
    return this.#state.token;
  }

  /** When the session was first saved, by the database's clock. */
  get createdAt(): Date | undefined {
    return dateOf(this.#state.snapshot?.created);
  }

  /** When the session ends if it is not saved again, by the database's clock. */
  get expiresAt(): Date | undefined {
    return dateOf(this.#state.snapshot?.expires);
  }

  /**
   * Reads and removes the flashes of a key, first in first out. Only a save makes the removal last; where two
   * requests may read at once, use {@linkcode Session.takeFlashes}.
   */
  flashes(key: string = DEFAULT_FLASH_KEY): unknown[] {
    const taken = this.#flashes.filter((flash) => flash.key === key);
    if (taken.length > 0) this.#flashes = this.#flashes.filter((flash) => flash.key !== key);
    return taken.map((flash) => flash.value);
  }

  /** Adds a message to be shown once, usually after a redirect. */
  addFlash(value: unknown, key: string = DEFAULT_FLASH_KEY): void {
    this.#flashes = [...this.#flashes, { key, id: this.#flashId(), value }];
  }

  /**
   * Reads and removes the flashes of a key in the database at once, so that of two requests only one gets them.
   * Throws `SessionGoneError` where the session has ended and `StoreUnavailableError` in an outage; with
   * `outcome: "unknown"` the flashes may be gone.
   */
  takeFlashes(key: string = DEFAULT_FLASH_KEY): Promise<unknown[]> {
    return this.store.takeFlashes(this, key);
  }

  /**
   * Reads, changes and writes as one step: `change` runs again on fresh values until no other request came between. What a
   * counter needs. Other unsaved changes of this session stay unsaved. On a session that was never saved it changes the values at hand.
   * Throws `SessionGoneError`, `SessionConflictError` after too many tries, `StoreUnavailableError` in an outage.
   *
   * @example
   * ```ts
   * import { createMemoryStore, generateKey } from "mongostore";
   *
   * const store = createMemoryStore<{ visits: number }>({ keys: [generateKey()] });
   * const session = await store.get(new Request("https://shop.example/"), "session");
   * await session.update((values) => {
   *   values.visits = (values.visits ?? 0) + 1;
   * });
   * ```
   */
  update(change: (values: Partial<V>) => void | Promise<void>): Promise<void> {
    return this.store.update(this, change);
  }

  /**
   * Replaces the id at the next save and keeps the rest. Call it whenever rights change, above all at login
   * (OWASP ASVS 5.0, 7.2.4): who knew the old token is shut out.
   */
  regenerate(): void {
    this.#state.regenerating = true;
  }

  /**
   * Ends the session now: the record is deleted before the promise settles, and the next save tells the client
   * to forget its token. Safe to repeat.
   */
  destroy(): Promise<void> {
    return this.store.destroy(this);
  }

  /** The same as `session.store.save(request, response, session)`. */
  save<R extends Response | Headers>(request: RequestLike, response: R): Promise<R> {
    return this.store.save(request, response, this);
  }

  /** Shows the name and the state, never values, id or token. */
  toJSON(): { name: string; isNew: boolean } {
    return { name: this.name, isNew: this.isNew };
  }

  static {
    // What console.log shows on Node, Bun and Deno: the same as toJSON.
    for (const name of ["nodejs.util.inspect.custom", "Deno.customInspect"]) {
      Object.defineProperty(this.prototype, Symbol.for(name), { value: show });
    }
    stateOf = (session) => session.#state;
    draftOf = (session) => {
      const { maxAge } = session.options;
      const own = maxAge === session.#state.defaultMaxAge ? undefined : maxAge;
      const payload = {
        values: session.values,
        flashes: session.#flashes,
        meta: session.meta,
        maxAge: own,
      };
      return { payload, subject: session.subject };
    };
    adopt = (session, { payload, subject }) => {
      replaceEntries(session.values, payload.values);
      session.#flashes = payload.flashes;
      session.meta = payload.meta;
      session.subject = subject;
      session.options.maxAge = payload.maxAge ?? session.#state.defaultMaxAge;
    };
    clear = (session) => {
      replaceEntries(session.values, {});
      session.#flashes = [];
      session.meta = undefined;
      session.subject = undefined;
    };
  }
}

/** Whether there is anything worth a record. */
export function isEmpty({ payload, subject }: Draft): boolean {
  const { values, flashes, meta }: Payload = payload;
  return Object.keys(values).length === 0 && flashes.length === 0 && meta === undefined &&
    subject === undefined;
}

function replaceEntries(target: object, source: object): void {
  for (const key of Object.keys(target)) {
    if (!Object.hasOwn(source, key)) Reflect.deleteProperty(target, key);
  }
  for (const [key, value] of Object.entries(source)) Reflect.set(target, key, value);
}

function dateOf(ms: number | undefined): Date | undefined {
  return ms === undefined ? undefined : new Date(ms);
}

function show(this: Session): string {
  return `Session ${JSON.stringify(this)}`;
}
