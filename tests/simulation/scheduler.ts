import { setImmediate } from "node:timers";
import type { Clock } from "../../src/clock.ts";
import type { Random } from "./random.ts";

interface Event {
  readonly at: number;
  /** Decides between events of one time. */
  readonly place: number;
  readonly run: () => void;
  isCancelled: boolean;
}

/**
 * Time that moves only when nothing is left to do at the present one. Events of one time run in an order that the seed
 * decides; after each, every promise that can settle has settled.
 */
export class Scheduler {
  readonly #random: Random;
  /** A heap: the next event stands first. */
  readonly #events: Event[] = [];
  #now = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds since the beginning. */
  get now(): number {
    return this.#now;
  }

  /** Runs `run` in so many milliseconds, unless the returned function is called before. */
  after(ms: number, run: () => void): () => void {
    const event = {
      at: this.#now + Math.max(0, ms),
      place: this.#random.unit(),
      run,
      isCancelled: false,
    };
    this.#push(event);
    return () => void (event.isCancelled = true);
  }

  /** Settles in so many milliseconds. */
  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => void this.after(ms, resolve));
  }

  /** The clock of one machine: its wall clock is off by `offset`, its monotonic one has begun somewhere else. */
  clock(offset: number, begun: number): Clock {
    return {
      now: () => Math.floor(this.#now + offset),
      monotonic: () => this.#now + begun,
      after: (ms, callback) => this.after(ms, callback),
    };
  }

  /** Runs until nothing is left to do; rejects where that takes more than so many events. */
  async run(most: number): Promise<void> {
    await settled();
    for (let events = 0;; events++) {
      const event = this.#pop();
      if (!event) return;
      if (event.isCancelled) continue;
      if (events >= most) throw new Error(`there is no end to it: ${most} events so far`);
      this.#now = event.at;
      event.run();
      await settled();
    }
  }

  #push(event: Event): void {
    const heap = this.#events;
    let at = heap.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = heap[above];
      if (!other || isBefore(other, event)) break;
      heap[at] = other;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#events;
    const [first] = heap;
    const last = heap.pop();
    if (!first || !last || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      const [left, right] = [heap[below], heap[below + 1]];
      if (!left) break;
      const next = right && isBefore(right, left) ? (below++, right) : left;
      if (isBefore(last, next)) break;
      heap[at] = next;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.place < b.place);
}

/** Settles when every promise that waits for no event has settled: microtasks run to their end before a macrotask. */
function settled(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
