import type { Call } from "./backend/backend.ts";
import type { Clock } from "./clock.ts";
import { StoreUnavailableError } from "./errors.ts";

/** The turn of one caller. `latest` is what the one before left for it. */
export interface Turn<T> {
  latest: T | undefined;
}

interface Waiter<T> {
  readonly start: (turn: Turn<T>) => void;
}

/**
 * Lets the callers that change one record go one after the other within this process, first come first served, and hands each
 * what the one before it left: two hundred requests on one session cost two hundred writes and no conflict.
 */
export class Lanes<K, T> {
  readonly #lanes = new Map<K, Waiter<T>[]>();
  readonly #clock: Clock;
  readonly #maxWaiting: number;
  #waiting = 0;

  /** At most `maxWaiting` callers wait over all lanes; beyond it they are refused at once. */
  constructor(clock: Clock, maxWaiting: number) {
    this.#clock = clock;
    this.#maxWaiting = maxWaiting;
  }

  /** Runs `work` when the lane of `key` is free. Rejects, with `work` never run, when the call's time is up before. */
  async run<R>(key: K, call: Call, work: (turn: Turn<T>) => Promise<R>): Promise<R> {
    const lane = this.#lanes.get(key);
    let turn: Turn<T> = { latest: undefined };
    if (lane) turn = await this.#wait(lane, call);
    else this.#lanes.set(key, []);
    try {
      return await work(turn);
    } finally {
      this.#next(key, turn);
    }
  }

  #wait(lane: Waiter<T>[], call: Call): Promise<Turn<T>> {
    if (call.signal?.aborted) throw late(call);
    if (this.#waiting >= this.#maxWaiting) {
      throw new StoreUnavailableError(`more than ${this.#maxWaiting} saves wait for their turn`, {
        outcome: "not-applied",
      });
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting--;
        cancel();
        call.signal?.removeEventListener("abort", giveUp);
      };
      const giveUp = () => {
        lane.splice(lane.indexOf(waiter), 1);
        leave();
        reject(late(call));
      };
      const waiter: Waiter<T> = {
        start: (turn) => {
          leave();
          resolve(turn);
        },
      };
      lane.push(waiter);
      this.#waiting++;
      const cancel = this.#clock.after(
        Math.max(0, call.deadline - this.#clock.monotonic()),
        giveUp,
      );
      call.signal?.addEventListener("abort", giveUp);
    });
  }

  #next(key: K, turn: Turn<T>): void {
    const waiter = this.#lanes.get(key)?.shift();
    if (waiter) waiter.start(turn);
    else this.#lanes.delete(key);
  }
}

function late(call: Call): StoreUnavailableError {
  const message = "the saves before this one took too long";
  return new StoreUnavailableError(message, { outcome: "not-applied", cause: call.signal?.reason });
}
