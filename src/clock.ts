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

/** Bytes that were drawn from the runtime's source ahead of their use: one draw costs as much as a hundred small ones. */
const pool = new Uint8Array(8192);
let drawn = pool.length;

/** The random source of the runtime (`crypto.getRandomValues`). No byte is given twice, and none is kept once given. */
export const systemRandom: RandomBytes = (length) => {
  if (length > pool.length) return crypto.getRandomValues(new Uint8Array(length));
  if (drawn + length > pool.length) {
    crypto.getRandomValues(pool);
    drawn = 0;
  }
  const bytes = pool.slice(drawn, drawn + length);
  pool.fill(0, drawn, drawn += length);
  return bytes;
};
