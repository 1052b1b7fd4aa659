import { simulate } from "./world.ts";
import type { Report } from "./world.ts";

/** How many schedules run side by side, each in a world of its own: they share the turns of the event loop. */
const TOGETHER = 16;

/** What came of many schedules. */
export interface Exploration {
  /** How many ran. */
  readonly runs: number;
  /** The first schedule that broke a guarantee, with its trace. */
  readonly failed: Report | undefined;
  /** How often each thing happened in all of them. */
  readonly tally: ReadonlyMap<string, number>;
}

/** Runs the schedules of `runs` seeds from `first` on, until one breaks a guarantee. */
export async function explore(
  first: number,
  runs: number,
  onProgress: (done: number) => void = () => {},
): Promise<Exploration> {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0; // many errors are made here, and none is shown
  const tally = new Map<string, number>();
  try {
    for (let done = 0; done < runs; onProgress(done)) {
      const size = Math.min(TOGETHER, runs - done);
      const seeds = Array.from({ length: size }, (_, i) => first + done + i);
      const reports = await Promise.all(seeds.map((seed) => simulate(seed)));
      done += size;
      for (const report of reports) {
        for (const [what, times] of report.tally) tally.set(what, (tally.get(what) ?? 0) + times);
      }
      const failed = reports.find(({ violations }) => violations.length > 0);
      if (failed) return { runs: done, failed: await simulate(failed.seed, true), tally };
    }
    return { runs, failed: undefined, tally };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** A failed schedule for people: what happened, what broke, and how to see it again. */
export function describeFailure({ seed, violations, trace }: Report): string {
  return [
    `seed ${seed} breaks a guarantee`,
    ...trace,
    "",
    ...violations.map((violation) => `✗ ${violation}`),
    "",
    `see it again: npm run soak -- --seed=${seed} --runs=1`,
  ].join("\n");
}
