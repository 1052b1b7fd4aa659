// node scripts/test.mjs [--only=name,name]
// Runs the steps of steps.mjs, two at a time, and goes on after a failure. What a step printed is
// shown when it failed, or as it comes when it is the only one asked for. The last line counts the
// tests of all runtimes.
import { parseArgs } from "node:util";
import { install } from "./install.mjs";
import { startMongo } from "./mongo.mjs";
import { findMongod } from "./mongod.mjs";
import { start } from "./run.mjs";
import { STEPS } from "./steps.mjs";

const STEP_TIMEOUT = 10 * 60_000;

const { values } = parseArgs({ options: { only: { type: "string" } } });
const only = values.only?.split(",");
const steps = only ? select(only) : STEPS;

install();

let mongo;
const servers = {
  running: async () => (await (mongo ??= startMongo())).env,
  binary: async () => ({ MONGOMS_SYSTEM_BINARY: await findMongod() }),
};
const results = new Map(); // name of a step that has started → promise of its result
const started = performance.now();

const together = steps.filter((step) => !step.alone);
const alone = steps.filter((step) => step.alone);
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => together.length = alone.length = 0);
}
await Promise.all([work(together), work(together)]);
await work(alone);
await mongo?.then((server) => server.stop(), () => {}); // the steps have told why it did not start

const notRun = { failure: "did not run" };
summarize(
  await Promise.all(
    steps.map(async ({ name }) => ({ name, ...((await results.get(name)) ?? notRun) })),
  ),
);

/** The steps named, those of the groups named, and what these need. */
function select(names) {
  const known = new Set(STEPS.flatMap(({ name, group }) => group ? [name, group] : [name]));
  const unknown = names.filter((name) => !known.has(name));
  if (unknown.length > 0) {
    throw new Error(`no step is called ${unknown.join(", ")}: there are ${[...known].join(", ")}`);
  }
  const named = STEPS.filter(({ name, group }) => names.includes(name) || names.includes(group));
  const needed = new Set(named.map((step) => step.needs));
  return STEPS.filter((step) => named.includes(step) || needed.has(step.name));
}

/** Takes one step after the other from `queue`, until it is empty. */
async function work(queue) {
  for (let step = queue.shift(); step; step = queue.shift()) {
    const began = performance.now();
    const running = runStep(step);
    results.set(step.name, running);
    const result = await running;
    result.seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(`■ ${step.name}: ${describe(result)} in ${result.seconds} s`);
    if (result.failure && result.output) console.log(`\n${result.output.trim()}\n`);
  }
}

/** Resolves to what became of a step: `failure` says why it failed, and is undefined otherwise. */
async function runStep(step) {
  if (step.needs && (await results.get(step.needs))?.failure !== undefined) {
    return { failure: `needs ${step.needs}`, output: "" };
  }
  if (step.files?.length === 0) return { failure: "there are no such tests", output: "" };
  let env;
  try {
    env = await servers[step.server]?.();
  } catch (error) {
    return { failure: "there is no MongoDB", output: error.message };
  }
  console.log(`▶ ${step.name}`);
  const { failure, output } = await capture(step, env);
  const counts = step.counts?.(output);
  const result = { counts, output: isLive(step) ? "" : output }; // what is live was shown already
  return { ...result, failure: failure ?? (step.counts && whyNotCounted(counts, step)) };
}

function whyNotCounted(counts, step) {
  if (!counts) return "it does not say how many tests it ran";
  if (counts.failed > 0) return "a test failed";
  if (counts.passed === 0 && !step.optional) return "it ran no test";
  return undefined;
}

function capture(step, env) {
  const child = start([...step.command, ...(step.files ?? [])], {
    env: { ...env, NO_COLOR: "1", FORCE_COLOR: undefined },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: STEP_TIMEOUT,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
      if (isLive(step)) process.stdout.write(text);
    });
  }
  return new Promise((resolve) => {
    child.on("error", (error) => resolve({ failure: error.message, output }));
    child.on("close", (code, signal) => {
      const failure = code === 0 ? undefined : signal ? `ended by ${signal}` : `exit code ${code}`;
      resolve({ failure, output });
    });
  });
}

function isLive(step) {
  return only?.length === 1 && only[0] === step.name;
}

function describe({ failure, counts }) {
  const verdict = failure
    ? `FAILED (${failure})`
    : counts?.passed === 0
    ? "skipped, what it needs is not installed"
    : "ok";
  return counts ? `${verdict}, ${counts.passed} passed, ${counts.failed} failed` : verdict;
}

/** Prints the table and the count; a failed step that counts no failed test counts as one. */
function summarize(rows) {
  console.log("");
  const total = { passed: 0, failed: 0 };
  for (const { name, seconds = "0.0", ...result } of rows) {
    console.log(`${name.padEnd(14)}${seconds.padStart(7)} s  ${describe(result)}`);
    total.passed += result.counts?.passed ?? 0;
    total.failed += result.failure ? Math.max(1, result.counts?.failed ?? 0) : 0;
  }
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${"all".padEnd(14)}${seconds.padStart(7)} s\n`);
  if (steps.some((step) => step.counts)) {
    console.log(`${total.passed} passed, ${total.failed} failed`);
  }
  if (total.failed > 0) process.exitCode = 1;
}
