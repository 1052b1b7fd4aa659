import type { Clock } from "../clock.ts";

/** For how long a sample counts as good, in milliseconds: two clocks drift apart by less than 10 ms in it. */
const GOOD_FOR = 30_000;

/**
 * The database's clock, as the answers of the database tell it. A sample lies somewhere between the sending of a
 * request and the receipt of its answer; the tightest of the last 30 seconds counts. One that contradicts it counts at
 * once, because the clock was set or another server has taken over.
 */
export class ServerClock {
  readonly #clock: Clock;
  #best: { readonly offset: number; readonly error: number; readonly taken: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Learns that the database's clock showed `time` between `sent` and `received` of the monotonic clock. */
  sample(sent: number, received: number, time: number): void {
    const best = this.#best;
    const offset = time - (sent + received) / 2;
    const error = (received - sent) / 2 + 1; // the database counts whole milliseconds
    const better = !best || error <= best.error || received - best.taken > GOOD_FOR ||
      Math.abs(offset - best.offset) > error + best.error;
    if (better) this.#best = { offset, error, taken: received };
  }

  /** The database's time in whole milliseconds since 1970; `undefined` before the first sample. */
  now(): number | undefined {
    return this.#best && Math.round(this.#clock.monotonic() + this.#best.offset);
  }

  /** Whether a new sample is due. */
  get isStale(): boolean {
    return !this.#best || this.#clock.monotonic() - this.#best.taken > GOOD_FOR;
  }
}
