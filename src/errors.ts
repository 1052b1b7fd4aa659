/** What went wrong, as text that never changes between versions. */
export type SessionErrorCode =
  | "INVALID_TOKEN"
  | "EXPIRED_TOKEN"
  | "SESSION_GONE"
  | "SESSION_CONFLICT"
  | "SESSION_TOO_LARGE"
  | "UNSERIALIZABLE_VALUE"
  | "INVALID_VALUES"
  | "CORRUPT_RECORD"
  | "STORE_UNAVAILABLE"
  | "INDEX_CONFLICT"
  | "WEAK_KEY"
  | "CROSS_ORIGIN";

/**
 * The base of every error of this library. Branch on {@linkcode SessionError.code} or on the subclass;
 * messages are for people and may change. No message holds a token, an id, a key or a value.
 * Misuse (a bad argument) throws `TypeError` or `RangeError` instead.
 *
 * @example
 * ```ts
 * import { SessionError, SessionGoneError } from "mongostore";
 *
 * const error: unknown = new SessionGoneError("the session has ended");
 * console.log(error instanceof SessionError && error.code); // SESSION_GONE
 * ```
 */
export class SessionError extends Error {
  /** A stable name of what went wrong. */
  readonly code: SessionErrorCode;

  /** Makes an error with a code; `options.cause` keeps what it came from. */
  constructor(code: SessionErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/**
 * The presented token is malformed, forged, made for another name, or protected by a key this store lacks. Met as `session.error`, never thrown.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey, InvalidTokenError } from "mongostore";
 *
 * const store = createMemoryStore({ keys: [generateKey()] });
 * const headers = { cookie: "session=no-token-of-ours" };
 * const { error } = await store.get(new Request("https://shop.example/", { headers }));
 * console.log(error instanceof InvalidTokenError); // true
 * ```
 */
export class InvalidTokenError extends SessionError {
  /** Makes the error with a message that says what was refused, never the token. */
  constructor(message: string, options?: ErrorOptions) {
    super("INVALID_TOKEN", message, options);
  }
}

/**
 * The presented token is authentic but older than the store's `lifetime`. Met as `session.error`, never thrown.
 *
 * @example
 * ```ts
 * import { ExpiredTokenError, InvalidTokenError, type SessionError } from "mongostore";
 *
 * const why = (error: SessionError | undefined) =>
 *   error instanceof ExpiredTokenError
 *     ? "please sign in again"
 *     : error instanceof InvalidTokenError
 *     ? "please sign in"
 *     : "welcome";
 * console.log(why(new ExpiredTokenError("the token is old"))); // please sign in again
 * ```
 */
export class ExpiredTokenError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("EXPIRED_TOKEN", message, options);
  }
}

/**
 * The session has ended: it was destroyed, revoked, replaced or has expired. As `session.error` after a
 * load it explains why the session is new; thrown by a save it means that nothing was written and
 * the client's token was cleared.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey, SessionGoneError } from "mongostore";
 *
 * const store = createMemoryStore<{ n: number }>({ keys: [generateKey()] });
 * const request = new Request("https://shop.example/");
 * const session = await store.get(request);
 * session.values.n = 1;
 * await store.save(request, new Response(), session);
 * await store.revoke(store.handleOf(session) ?? "");
 * session.values.n = 2;
 * const error: unknown = await store.save(request, new Response(), session).catch((e) => e);
 * console.log(error instanceof SessionGoneError); // true
 * ```
 */
export class SessionGoneError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("SESSION_GONE", message, options);
  }
}

/**
 * Other writers came between on every try. Nothing of this save was written; the caller may try again.
 *
 * @example
 * ```ts
 * import { SessionConflictError } from "mongostore";
 *
 * const statusOf = (error: unknown) => error instanceof SessionConflictError ? 409 : 500;
 * console.log(statusOf(new SessionConflictError("32 tries"))); // 409
 * ```
 */
export class SessionConflictError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("SESSION_CONFLICT", message, options);
  }
}

/**
 * The serialized session is larger than the store's `maxBytes`. Nothing was sent to the database.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey, SessionTooLargeError } from "mongostore";
 *
 * const store = createMemoryStore<{ text: string }>({ keys: [generateKey()], maxBytes: 100 });
 * const request = new Request("https://shop.example/");
 * const session = await store.get(request);
 * session.values.text = "x".repeat(1_000);
 * const error: unknown = await store.save(request, new Response(), session).catch((e) => e);
 * console.log(error instanceof SessionTooLargeError && error.limit); // 100
 * ```
 */
export class SessionTooLargeError extends SessionError {
  /** The size of the serialized session, in bytes. */
  readonly bytes: number;
  /** The limit that it passed, in bytes. */
  readonly limit: number;

  /** Makes the error from the size and the limit, both in bytes. */
  constructor(bytes: number, limit: number) {
    super("SESSION_TOO_LARGE", `the session takes ${bytes} bytes, the limit is ${limit}`);
    this.bytes = bytes;
    this.limit = limit;
  }
}

/**
 * A value cannot be stored and come back the same (a function, a class instance, a cycle). Nothing was written.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey, UnserializableValueError } from "mongostore";
 *
 * const store = createMemoryStore<{ job: unknown }>({ keys: [generateKey()] });
 * const request = new Request("https://shop.example/");
 * const session = await store.get(request);
 * session.values.job = { run: () => {} };
 * const error: unknown = await store.save(request, new Response(), session).catch((e) => e);
 * console.log(error instanceof UnserializableValueError && error.path); // values.job.run
 * ```
 */
export class UnserializableValueError extends SessionError {
  /** Where the value is, for example `values.cart[2].total`. */
  readonly path: string;

  /** Makes the error for the value at `path`; `what` says what kind of thing it is. */
  constructor(path: string, what: string) {
    super("UNSERIALIZABLE_VALUE", `${path} cannot be stored: ${what}`);
    this.path = path;
  }
}

/**
 * The session's values do not satisfy the store's `schema`. At a save nothing was written; after a load it is `session.error`.
 *
 * @example
 * ```ts
 * import { InvalidValuesError } from "mongostore";
 *
 * const error: unknown = new InvalidValuesError(["cart.0.price"]);
 * if (error instanceof InvalidValuesError) console.log(error.paths); // ["cart.0.price"]
 * ```
 */
export class InvalidValuesError extends SessionError {
  /** The paths that the schema refused, for example `["cart.0.price"]`. The schema's own messages may quote values and are left out. */
  readonly paths: readonly string[];

  /** Makes the error for the refused paths. */
  constructor(paths: readonly string[]) {
    super("INVALID_VALUES", `the schema refuses the session's values at: ${paths.join(", ")}`);
    this.paths = paths;
  }
}

/**
 * The stored record is not one of ours, or its data does not open: altered, swapped, or sealed under a dropped key. Met as `session.error`.
 *
 * @example
 * ```ts
 * import { CorruptRecordError, type SessionError } from "mongostore";
 *
 * // Worth an alarm: somebody writes to the collection, or a key was dropped too early.
 * const isSuspect = (error: SessionError | undefined) => error instanceof CorruptRecordError;
 * console.log(isSuspect(new CorruptRecordError("it does not open"))); // true
 * ```
 */
export class CorruptRecordError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("CORRUPT_RECORD", message, options);
  }
}

/** Whether a write that failed may nevertheless have reached the database. */
export type WriteCertainty = "not-applied" | "unknown";

/**
 * The database did not answer in time, refused, or is overloaded. Never means "no session".
 * {@linkcode StoreUnavailableError.outcome} tells whether a write may have landed all the same.
 *
 * @example
 * ```ts
 * import { StoreUnavailableError } from "mongostore";
 *
 * const answer = (error: unknown) =>
 *   error instanceof StoreUnavailableError
 *     ? new Response("try again", { status: 503, headers: { "retry-after": "5" } })
 *     : new Response("our fault", { status: 500 });
 * const error = new StoreUnavailableError("no primary", { outcome: "not-applied" });
 * console.log(answer(error).status, error.outcome); // 503 not-applied
 * ```
 */
export class StoreUnavailableError extends SessionError {
  /** `not-applied`: nothing was changed. `unknown`: the write may or may not have landed. */
  readonly outcome: WriteCertainty;

  /** Makes the error; a read is always `not-applied`. */
  constructor(message: string, options: ErrorOptions & { outcome: WriteCertainty }) {
    super("STORE_UNAVAILABLE", message, options);
    this.outcome = options.outcome;
  }
}

/**
 * An index of the collection contradicts the options and could not be mended: a conflict or a missing privilege.
 *
 * @example
 * ```ts
 * import { IndexConflictError } from "mongostore";
 *
 * const error: unknown = new IndexConflictError("the index expires_1 has other options: drop it");
 * if (error instanceof IndexConflictError) console.log(error.message);
 * ```
 */
export class IndexConflictError extends SessionError {
  /** Makes the error; the message names the index and what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super("INDEX_CONFLICT", message, options);
  }
}

/**
 * A key is shorter than 32 bytes, is one repeated byte, or stands in the list twice.
 *
 * @example
 * ```ts
 * import { createMemoryStore, WeakKeyError } from "mongostore";
 *
 * try {
 *   createMemoryStore({ keys: ["too short"] });
 * } catch (error) {
 *   console.log(error instanceof WeakKeyError); // true
 * }
 * ```
 */
export class WeakKeyError extends SessionError {
  /** Makes the error; the message names the key's place in the list, never the key. */
  constructor(message: string, options?: ErrorOptions) {
    super("WEAK_KEY", message, options);
  }
}

/**
 * A page of another origin made a browser send a request that changes things, with the cookie of a session. Thrown by the
 * session getter of `store.handle`, which answers 403 where the handler lets it through.
 *
 * @example
 * ```ts
 * import { createMemoryStore, CrossOriginError, generateKey } from "mongostore";
 *
 * const store = createMemoryStore({ keys: [generateKey()] });
 * const handler = store.handle(async (_request, session) => {
 *   try {
 *     await session();
 *   } catch (error) {
 *     if (error instanceof CrossOriginError) return new Response("not from there", { status: 403 });
 *     throw error;
 *   }
 *   return new Response("ok");
 * });
 * console.log((await handler(new Request("https://shop.example/"))).status); // 200
 * ```
 */
export class CrossOriginError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("CROSS_ORIGIN", message, options);
  }
}
