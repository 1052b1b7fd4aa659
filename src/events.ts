import type { SessionErrorCode } from "./errors.ts";

/**
 * What a store tells its `onEvent` handler. Events hold counts, names and times; never a token, an id, a key or a value.
 * A handler that throws changes nothing.
 */
export type SessionEvent =
  /** A request's session was looked up. `found` is false where it has ended. */
  | { readonly type: "load"; readonly name: string; readonly found: boolean; readonly ms: number }
  /** A session was written; `created` is true for its first save. */
  | {
    readonly type: "save";
    readonly name: string;
    readonly created: boolean;
    /** The length of the serialized session, in characters. */
    readonly length: number;
    readonly ms: number;
  }
  /** An unchanged session's expiry was moved. */
  | { readonly type: "touch"; readonly name: string; readonly ms: number }
  /** Another request had written first and both changes were merged; `tries` counts the writes it took. */
  | { readonly type: "merge"; readonly name: string; readonly tries: number }
  /** A lookup or a write (a save, an update, an end) failed with an error of this library other than `SESSION_GONE`. */
  | {
    readonly type: "fail";
    readonly operation: "load" | "write";
    readonly name: string;
    readonly reason: SessionErrorCode;
    readonly ms: number;
  }
  /** A save met a session that has ended. */
  | { readonly type: "gone"; readonly name: string }
  /** A session was destroyed. */
  | { readonly type: "destroy"; readonly name: string }
  /** A session's id was replaced. */
  | { readonly type: "regenerate"; readonly name: string }
  /** A session of an older system was taken over; `reader` names the system. */
  | { readonly type: "legacy"; readonly reader: string; readonly name: string }
  /** A presented token was not accepted. */
  | { readonly type: "reject"; readonly name: string; readonly reason: string }
  /**
   * Watched sessions are followed in another way than before: `stream`, by the changes that the database tells of, or `poll`,
   * by looking at them every interval. `reason` says why there is no stream.
   */
  | { readonly type: "watch"; readonly mode: "stream" | "poll"; readonly reason?: string }
  /** A group of operations went to the database together. */
  | {
    readonly type: "batch";
    readonly operation: "load" | "write";
    readonly size: number;
    readonly bytes: number;
    readonly ms: number;
  };

/** Receives the events of a store. */
export type EventHandler = (event: SessionEvent) => void;

/** Tells a handler of each event, whatever the handler does. */
export function emitTo(handler: EventHandler | undefined): (event: SessionEvent) => void {
  return (event) => {
    try {
      handler?.(event);
    } catch {
      // An observer never changes what happens.
    }
  };
}
