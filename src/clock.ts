/**
 * Time as the library sees it. Inject one to test expiry, deadlines and jitter without waiting.
 */
export interface Clock {
  /** The wall clock of this process, in milliseconds since 1970. */
  now(): number;
  /** A clock that never goes backwards, in milliseconds from an arbitrary start. Deadlines are on it. */
  monotonic(): number;
  /** Calls `callback` once after `ms` milliseconds unless the returned function is called before. */
  after(ms: number, callback: () => void): () => void;
}

/** The clock of the runtime. Its timers keep a process alive while an operation waits on them. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/** Gives `length` random bytes from a cryptographically secure source. */
export type RandomBytes = (length: number) => Uint8Array<ArrayBuffer>;

/** The random source of the runtime (`crypto.getRandomValues`). */
export const systemRandom: RandomBytes = (length) => crypto.getRandomValues(new Uint8Array(length));
