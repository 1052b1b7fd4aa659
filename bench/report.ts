import type { Plan, Result } from "./measure.ts";

/** What one runtime measured. */
export interface Report {
  /** For example `Bun 1.4.5`. */
  readonly runtime: string;
  readonly mongodb: string;
  readonly plan: Plan;
  readonly results: readonly Result[];
}

/** One table of several reports: a row a case, a column for each contestant on each runtime. */
export function table(reports: readonly Report[]): string {
  const columns = reports.flatMap(({ runtime, results }) =>
    [...new Set(results.map(({ contestant }) => contestant))].map((contestant) => ({
      heading: `${contestant}, ${runtime}`,
      cells: new Map(
        results.filter((result) => result.contestant === contestant)
          .map((result) => [result.name, cell(result)] as const),
      ),
    }))
  );
  const names = [...new Set(reports.flatMap(({ results }) => results.map(({ name }) => name)))];
  const rows = [
    ["operations per second", ...columns.map(({ heading }) => heading)],
    ...names.map((name) => [name, ...columns.map(({ cells }) => cells.get(name) ?? "–")]),
  ];
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? [];
  return rows.map((row) =>
    row.map((text, i) => i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))
      .join("  ")
  ).join("\n");
}

/** The median over the rounds, half the distance from the slowest to the fastest round, and the 99th percentile of the times. */
function cell({ opsPerSecond: { median, min, max }, p99 }: Result): string {
  const around = (max - min) / 2 / median * 100;
  const number = Math.round(median).toLocaleString("en");
  return `${number} ±${around.toFixed(0)}%, p99 ${p99.median.toFixed(p99.median < 1 ? 2 : 1)} ms`;
}

/** How one contestant does against each other one, case by case: medians over medians. */
export function ratios({ runtime, results }: Report, ours: string): string {
  const lines = results.flatMap((theirs) => {
    const own = results.find(({ name, contestant }) => name === theirs.name && contestant === ours);
    if (!own || theirs.contestant === ours) return [];
    const factor = own.opsPerSecond.median / theirs.opsPerSecond.median;
    const tail = `p99 ${own.p99.median.toFixed(1)} ms against their p50 ${
      theirs.p50.median.toFixed(1)
    } ms`;
    return [
      `${theirs.name.padEnd(34)} ${factor.toFixed(2).padStart(6)}× ${
        theirs.contestant.padEnd(14)
      } ${tail}`,
    ];
  });
  return lines.length === 0 ? "" : [`${ours} on ${runtime}:`, ...lines].join("\n");
}
