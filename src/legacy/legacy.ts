import type { Answer, RequestLike } from "../transport/transport.ts";

/** A session of an older system, as far as it goes on here. */
export interface LegacySession {
  /** The values that the fresh session begins with. */
  readonly values: object;
  /** The user that the session belongs to, for `store.list` and `store.revokeAll`. */
  readonly subject?: string | undefined;
  /** The label of the fresh session. */
  readonly meta?: unknown;
  /** When the older system would have ended the session, in milliseconds since 1970. One that is over does not count. */
  readonly expires?: number | undefined;
}

/** The request that a reader works for. */
export interface LegacyCall {
  /** The name of the session that is asked for. */
  readonly sessionName: string;
  /** The time in milliseconds since 1970. */
  readonly now: number;
  /** Aborts where the store no longer waits. */
  readonly signal: AbortSignal;
}

/**
 * Reads the sessions of one older system, so that moving in logs nobody out. A store asks its readers, in order, only where
 * the request presents no token of the store's own. Readers change nothing in the older system.
 */
export interface LegacyReader {
  /** Names the older system in events. */
  readonly name: string;
  /** Whether clients present this system's tokens by themselves, as they do cookies: cross-origin requests have to be refused then. */
  readonly ambient: boolean;
  /** The texts in the request that have the shape of this system's tokens; never a text that has the shape of ours. */
  read(request: RequestLike, sessionName: string): readonly string[];
  /**
   * The session of a text that `read` gave, once it is known to be authentic; `undefined` where it is not, or where the session
   * has ended. Rejects with `CorruptRecordError` where the session is there and cannot be read, with any other error in an outage.
   */
  open(token: string, call: LegacyCall): Promise<LegacySession | undefined>;
  /**
   * Tells the client to forget this system's token, if the request presented one. `ended` says that the session is over
   * (it would come back with the next request otherwise), and not just taken over. Comes before our own token is written.
   */
  clear(headers: Headers, answer: Answer, ended: boolean): void;
}

/** The one method of a MongoDB `Collection` that readers call; one of the driver's versions 6 and 7 fits. */
export interface LegacyCollection {
  /** Finds at most one document. */
  findOne(filter: object, options?: object): Promise<object | null>;
}
