import type { Operation } from "./contestant.ts";

/** Something to measure: `callers` do it at once, and each begins anew when it is done. */
export interface Case {
  readonly name: string;
  readonly contestant: string;
  /** The operation of each caller. */
  readonly callers: readonly Operation[];
}

/** A number over the rounds. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** What came of a case. */
export interface Result {
  readonly name: string;
  readonly contestant: string;
  readonly callers: number;
  readonly opsPerSecond: Spread;
  /** Milliseconds that half of the operations took at most. */
  readonly p50: Spread;
  /** Milliseconds that 99 of 100 operations took at most. */
  readonly p99: Spread;
}

/** How long to measure. */
export interface Plan {
  readonly rounds: number;
  /** The length of one case in one round, in milliseconds. */
  readonly ms: number;
}

interface Sample {
  readonly opsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
}

/**
 * Measures all cases in every round, so that what slows the machine for a while slows each of them; every other round goes
 * backwards, so that none always follows the same one. A first round warms up and does not count.
 */
export async function measure(
  cases: readonly Case[],
  { rounds, ms }: Plan,
  progress: (text: string) => void,
): Promise<Result[]> {
  const samples = new Map<Case, Sample[]>(cases.map((one) => [one, []]));
  for (let round = 0; round <= rounds; round++) {
    progress(round === 0 ? "warming up" : `round ${round} of ${rounds}`);
    for (const one of round % 2 === 0 ? cases : cases.toReversed()) {
      const sample = await run(one.callers, ms);
      if (round > 0) samples.get(one)?.push(sample);
    }
  }
  return cases.map((one) => {
    const taken = samples.get(one) ?? [];
    return {
      name: one.name,
      contestant: one.contestant,
      callers: one.callers.length,
      opsPerSecond: spread(taken.map(({ opsPerSecond }) => opsPerSecond)),
      p50: spread(taken.map(({ p50 }) => p50)),
      p99: spread(taken.map(({ p99 }) => p99)),
    };
  });
}

async function run(callers: readonly Operation[], ms: number): Promise<Sample> {
  const times: number[] = [];
  const started = performance.now();
  const until = started + ms;
  await Promise.all(callers.map(async (operation) => {
    let now = performance.now();
    while (now < until) {
      const begun = now;
      await operation();
      now = performance.now();
      times.push(now - begun);
    }
  }));
  const seconds = (performance.now() - started) / 1000;
  times.sort((a, b) => a - b);
  return {
    opsPerSecond: times.length / seconds,
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

function spread(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  const low = sorted[Math.floor(middle)] ?? NaN;
  const high = sorted[Math.ceil(middle)] ?? NaN;
  return { median: (low + high) / 2, min: sorted[0] ?? NaN, max: sorted.at(-1) ?? NaN };
}
