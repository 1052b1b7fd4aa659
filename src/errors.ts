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

/** The presented token is malformed, forged, made for another name, or protected by a key this store lacks. Met as `session.error`, never thrown. */
export class InvalidTokenError extends SessionError {
  /** Makes the error with a message that says what was refused, never the token. */
  constructor(message: string, options?: ErrorOptions) {
    super("INVALID_TOKEN", message, options);
  }
}

/** The presented token is authentic but older than the store's `lifetime`. Met as `session.error`, never thrown. */
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
 */
export class SessionGoneError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("SESSION_GONE", message, options);
  }
}

/** Other writers came between on every try. Nothing of this save was written; the caller may try again. */
export class SessionConflictError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("SESSION_CONFLICT", message, options);
  }
}

/** The serialized session is larger than the store's `maxBytes`. Nothing was sent to the database. */
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

/** A value cannot be stored and come back the same (a function, a class instance, a cycle). Nothing was written. */
export class UnserializableValueError extends SessionError {
  /** Where the value is, for example `values.cart[2].total`. */
  readonly path: string;

  /** Makes the error for the value at `path`; `what` says what kind of thing it is. */
  constructor(path: string, what: string) {
    super("UNSERIALIZABLE_VALUE", `${path} cannot be stored: ${what}`);
    this.path = path;
  }
}

/** The session's values do not satisfy the store's `schema`. At a save nothing was written; after a load it is `session.error`. */
export class InvalidValuesError extends SessionError {
  /** The paths that the schema refused, for example `["cart.0.price"]`. The schema's own messages may quote values and are left out. */
  readonly paths: readonly string[];

  /** Makes the error for the refused paths. */
  constructor(paths: readonly string[]) {
    super("INVALID_VALUES", `the schema refuses the session's values at: ${paths.join(", ")}`);
    this.paths = paths;
  }
}

/** The stored record is not one of ours, or its data does not open: altered, swapped, or sealed under a dropped key. Met as `session.error`. */
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

/** An index of the collection contradicts the options and could not be mended: a conflict or a missing privilege. */
export class IndexConflictError extends SessionError {
  /** Makes the error; the message names the index and what to do. */
  constructor(message: string, options?: ErrorOptions) {
    super("INDEX_CONFLICT", message, options);
  }
}

/** A key is shorter than 32 bytes, is one repeated byte, or stands in the list twice. */
export class WeakKeyError extends SessionError {
  /** Makes the error; the message names the key's place in the list, never the key. */
  constructor(message: string, options?: ErrorOptions) {
    super("WEAK_KEY", message, options);
  }
}

/**
 * A page of another origin made a browser send a request that changes things, with the cookie of a session. Thrown by the
 * session getter of `store.handle`, which answers 403 where the handler lets it through.
 */
export class CrossOriginError extends SessionError {
  /** Makes the error. */
  constructor(message: string, options?: ErrorOptions) {
    super("CROSS_ORIGIN", message, options);
  }
}
