// How many tests a runner says it ran, as { passed, failed }; undefined when it does not say.

/** The last lines of node's spec reporter; a test whose suite broke down is "cancelled". */
export function nodeCounts(output) {
  const passed = lastNumber(output, /^ℹ pass (\d+)$/gm);
  const failed = lastNumber(output, /^ℹ fail (\d+)$/gm);
  if (passed === undefined || failed === undefined) return undefined;
  return { passed, failed: failed + (lastNumber(output, /^ℹ cancelled (\d+)$/gm) ?? 0) };
}

/** The last lines of `bun test`; an error outside of a test (a failing hook) is counted apart. */
export function bunCounts(output) {
  const passed = lastNumber(output, /^ *(\d+) pass$/gm);
  const failed = lastNumber(output, /^ *(\d+) fail$/gm);
  if (passed === undefined || failed === undefined) return undefined;
  return { passed, failed: failed + (lastNumber(output, /^ *(\d+) errors?$/gm) ?? 0) };
}

/** Deno's JUnit report. Deno lists suites among the tests: those are the parents of other names. */
export function denoCounts(report) {
  const cases = [...report.matchAll(/<testcase name="([^"]*)"[^>]*>(.*?)<\/testcase>/gs)]
    .map(([, name, body]) => ({ name, body: body.trim() }));
  if (cases.length === 0) return undefined;
  const parents = new Set(cases.flatMap(({ name }) => parentsOf(name)));
  const tests = cases.filter(({ name }) => !parents.has(name));
  return {
    passed: tests.filter(({ body }) => body === "").length,
    failed: tests.filter(({ body }) => /^<(failure|error)/.test(body)).length,
  };
}

function parentsOf(name) {
  const parts = name.split(" &gt; ");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join(" &gt; "));
}

function lastNumber(text, pattern) {
  const last = [...text.matchAll(pattern)].at(-1);
  return last && Number(last[1]);
}
