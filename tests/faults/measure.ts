import assert from "node:assert/strict";
import { performance } from "node:perf_hooks";
import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SessionError, SessionGoneError, StoreUnavailableError } from "#mongostore";

/** By how much an operation may pass its deadline. */
const GRACE_MS = 100;

const TICK_MS = 5;

/**
 * When this process could not run what was due: it was busy, or nobody let it run and its timers came late. A promise about time can
 * be kept only by a process that runs: what this saw while an operation was at its deadline is taken off its overshoot, and
 * nothing else is.
 */
export class LoopLag {
  #stalls: { readonly from: number; readonly to: number }[] = [];
  #last = performance.now();
  #busy = performance.eventLoopUtilization().active;
  readonly #timer = setInterval(() => this.#tick(), TICK_MS);

  /** For how long nothing could run between these times, in milliseconds. */
  between(from: number, to: number): number {
    this.#tick();
    let sum = 0;
    for (const stall of this.#stalls) {
      sum += Math.max(0, Math.min(to, stall.to) - Math.max(from, stall.from));
    }
    return sum;
  }

  /** The longest time in which nothing could run. */
  get worst(): number {
    return Math.max(0, ...this.#stalls.map(({ from, to }) => to - from));
  }

  /** Forgets what was seen. */
  clear(): void {
    this.#tick();
    this.#stalls = [];
  }

  dispose(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const now = performance.now();
    const busy = performance.eventLoopUtilization().active;
    const stall = Math.max(busy - this.#busy, now - this.#last - TICK_MS);
    this.#last = now;
    this.#busy = busy;
    if (stall > 1) this.#stalls.push({ from: now - stall, to: now });
  }
}

/** What came of one operation: how it ended, and when, by a clock that never goes back. */
export interface Sample {
  readonly what: string;
  readonly begin: number;
  /** When the call had given its promise: its deadline was set by then, and stood still with the process before. */
  readonly begun: number;
  readonly end: number;
  /** `ok`, or the error's code, with its outcome where it has one. */
  readonly result: string;
}

/** Runs an operation and notes what came of it; gives its value, or its error where that is one of the library's. */
export async function sampled<T>(
  samples: Sample[],
  what: string,
  run: () => Promise<T>,
): Promise<{ readonly value: T } | { readonly error: SessionError }> {
  const begin = performance.now();
  const running = run();
  const begun = performance.now();
  const note = (result: string) =>
    samples.push({ what, begin, begun, end: performance.now(), result });
  try {
    const value = await running;
    note("ok");
    return { value };
  } catch (error) {
    note(resultOf(error));
    // Any other class, and the end of a session that nobody ended, is a bug that the samples show.
    if (!(error instanceof SessionError) || error instanceof SessionGoneError) throw error;
    return { error };
  }
}

function resultOf(error: unknown): string {
  if (error instanceof StoreUnavailableError) return `${error.code}/${error.outcome}`;
  return error instanceof SessionError ? error.code : `unnamed: ${String(error)}`;
}

/** By how much an operation passed its deadline; `net` without what the process itself was held up. */
export interface Overshoot {
  readonly raw: number;
  readonly net: number;
  readonly what: string;
}

/** The worst overshoot of all, by its net time. */
export function worstOvershoot(
  samples: readonly Sample[],
  timeoutMS: number,
  lag: LoopLag,
): Overshoot {
  let worst: Overshoot = { raw: 0, net: 0, what: "none" };
  for (const { what, begun, end, result } of samples) {
    const raw = end - begun - timeoutMS;
    if (raw <= worst.net) continue;
    // The deadline is looked at from time to time: a stall right before it counts as well.
    const net = raw - lag.between(Math.max(begun, begun + timeoutMS - GRACE_MS), end);
    if (net > worst.net || worst.what === "none") worst = { raw, net, what: `${what} (${result})` };
  }
  return worst;
}

/** Every operation settled within its deadline and 100 ms. */
export function assertInTime(
  samples: readonly Sample[],
  timeoutMS: number,
  lag: LoopLag,
): Overshoot {
  const worst = worstOvershoot(samples, timeoutMS, lag);
  assert.ok(
    worst.net <= GRACE_MS,
    `${worst.what} passed its deadline by ${ms(worst.raw)} ms, of which the process was held up ` +
      `${ms(worst.raw - worst.net)} ms`,
  );
  return worst;
}

/** How many samples failed with each code; of a `StoreUnavailableError` its outcome says enough. */
export function failures(samples: readonly Sample[]): string {
  const counts = new Map<string, number>();
  for (const { what, result } of samples) {
    const kind = `${what} ${result.replace("STORE_UNAVAILABLE/", "")}`;
    if (result !== "ok") counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(", ") || "none";
}

/** The time that this share of the samples took at most. */
export function percentile(samples: readonly Sample[], share: number): number {
  const times = samples.map(({ begin, end }) => end - begin).toSorted((a, b) => a - b);
  return times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? Number.NaN;
}

/** Prints rows below their titles. */
export function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [titles, ...rows];
  const widths = titles.map((_, i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all.map((row) => row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  ").trimEnd())
    .join("\n");
}

export function ms(time: number): string {
  return time.toFixed(time < 10 ? 1 : 0);
}

/** The heap in use once everything that can go is gone, in bytes. */
export function heapUsed(): number {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  assert.ok(typeof gc === "function");
  for (let i = 0; i < 3; i++) gc();
  return process.memoryUsage().heapUsed;
}
