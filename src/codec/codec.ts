/** A value, or the promise of one where the work under it has to wait. Await it only if it is a promise. */
export type Awaitable<T> = T | Promise<T>;

/** What came of opening a token. */
export type OpenedToken =
  | {
    readonly ok: true;
    /** The session id. */
    readonly id: Uint8Array<ArrayBuffer>;
    /** True where a new token should take its place at the next save: an older key protects it. */
    readonly stale: boolean;
  }
  | {
    readonly ok: false;
    /** `expired`: authentic and too old. `invalid`: anything else. */
    readonly reason: "invalid" | "expired";
  };

/**
 * Protects a session id as text that travels.
 *
 * `decode` never throws for what a client sent. Both methods may give a promise and do so only when they wait.
 */
export interface TokenCodec {
  /** Whether the text has this codec's shape. Looks at length and alphabet only; needs no key. A token goes to the first codec that recognizes it and to no other. */
  recognizes(token: string): boolean;
  /** Makes the token of an id, bound to the session's name. `now` is in milliseconds since 1970. */
  encode(name: string, id: Uint8Array<ArrayBuffer>, now: number): Awaitable<string>;
  /** Opens a token that was presented under this name. `now` is in milliseconds since 1970. */
  decode(name: string, token: string, now: number): Awaitable<OpenedToken>;
  /** Sets the greatest age of a token, in seconds. */
  maxAge(seconds: number): void;
}

/** The record that a session's data belongs to; data bound to one record does not open in another. */
export interface DataBinding {
  /** The session's name. */
  readonly name: string;
  /** The record's `_id`, 20 bytes. */
  readonly key: Uint8Array<ArrayBuffer>;
  /** When the session was created, in milliseconds since 1970. */
  readonly created: number;
}

/** What came of opening data. */
export type OpenedData =
  | {
    readonly ok: true;
    /** The serialized session. */
    readonly text: string;
    /** True where the data should be written again under the first key. */
    readonly stale: boolean;
  }
  | { readonly ok: false };

/**
 * Protects a session's serialized values at rest.
 *
 * `open` never throws for what stands in the database. Both methods may give a promise and do so only when they wait.
 */
export interface DataCodec {
  /** Turns text into what the record holds. */
  protect(text: string, binding: DataBinding): Awaitable<Uint8Array<ArrayBuffer> | string>;
  /** Turns what a record holds back into text; `ok: false` where it is not this record's authentic data. */
  open(data: Uint8Array<ArrayBuffer> | string, binding: DataBinding): Awaitable<OpenedData>;
}
