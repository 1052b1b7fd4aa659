import * as fc from "fast-check";

/** Where a search begins, and where it ends. */
interface Search {
  readonly seed: number;
  /** How many inputs to try. Default: the target's own number. */
  readonly runs?: number | undefined;
  /** The one input of this seed to try, as a failure names it. */
  readonly path?: string | undefined;
  /** When to stop, whatever the number. */
  readonly milliseconds?: number | undefined;
}

/** An input that breaks a promise. */
interface Failure {
  readonly seed: number;
  readonly path: string;
  /** The smallest input that was found, and what went wrong with it. */
  readonly report: string;
}

/** What came of a search. */
interface Found {
  readonly runs: number;
  readonly failure: Failure | undefined;
  /** How many inputs came to each end. */
  readonly ends: ReadonlyMap<string, number>;
}

/** A decoder, and what it promises of every input. */
export interface Target {
  readonly name: string;
  /** The ends that a search has to come to: one that nothing opens in proves little. */
  readonly reaches: readonly string[];
  readonly search: (search: Search) => Promise<Found>;
}

/** What a target is, beside its inputs and its promise. */
interface About {
  readonly name: string;
  /** How many inputs are tried in `npm test`. */
  readonly runs: number;
  readonly reaches: readonly string[];
}

/** A target. `holds` throws for an input that breaks a promise; else it tells which end the input came to. */
export function target<T>(
  { name, runs, reaches }: About,
  input: fc.Arbitrary<T>,
  holds: (input: T) => string | Promise<string>,
): Target {
  return {
    name,
    reaches,
    async search({ seed, path, milliseconds, runs: numRuns = runs }) {
      const ends = new Map<string, number>();
      const property = fc.asyncProperty(input, async (one) => {
        const end = await holds(one);
        ends.set(end, (ends.get(end) ?? 0) + 1);
      });
      const details = await fc.check(property, {
        seed,
        numRuns,
        includeErrorInReport: true,
        ...(path === undefined ? {} : { path, endOnFailure: true }),
        ...(milliseconds === undefined
          ? {}
          : { interruptAfterTimeLimit: milliseconds, markInterruptAsFailure: false }),
      });
      const { failed, counterexamplePath } = details;
      const report = failed ? await fc.asyncDefaultReportMessage(details) : undefined;
      const failure = report === undefined
        ? undefined
        : { seed: details.seed, path: counterexamplePath ?? "", report };
      return { runs: details.numRuns, failure, ends };
    },
  };
}
