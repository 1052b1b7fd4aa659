import * as fc from "fast-check";

/** Where a search begins, and where it ends. */
export interface Search {
  readonly seed: number;
  /** How many inputs to try. Default: the target's own number. */
  readonly runs?: number | undefined;
  /** The one input of this seed to try, as a failure names it. */
  readonly path?: string | undefined;
  /** When to stop, whatever the number. */
  readonly milliseconds?: number | undefined;
}

/** An input that breaks a promise. */
export interface Failure {
  readonly seed: number;
  readonly path: string;
  /** The smallest input that was found, and what went wrong with it. */
  readonly report: string;
}

/** What came of a search. */
export interface Found {
  readonly runs: number;
  readonly failure: Failure | undefined;
}

/** A decoder, and what it promises of every input. */
export interface Target {
  readonly name: string;
  search(search: Search): Promise<Found>;
}

/** A target whose `holds` throws for an input that breaks a promise. `runs` inputs are tried in `npm test`. */
export function target<T>(
  name: string,
  runs: number,
  input: fc.Arbitrary<T>,
  holds: (input: T) => void | Promise<void>,
): Target {
  return {
    name,
    async search({ seed, path, milliseconds, runs: numRuns = runs }) {
      const property = fc.asyncProperty(input, async (one) => {
        await holds(one);
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
      return {
        runs: details.numRuns,
        failure: report === undefined
          ? undefined
          : { seed: details.seed, path: counterexamplePath ?? "", report },
      };
    },
  };
}
