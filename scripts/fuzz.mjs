// node scripts/fuzz.mjs [--seed=N] [--minutes=N] [--target=name] [--path=…]
// Searches for inputs that break what the decoders promise (tests/fuzz), in rounds of all targets with a new seed each, until one
// is found or the minutes (default 5; 0: for ever) are over. A failure is shown with the command that shows it again.
// A search that stands still for a minute is a failure too.
import { fork } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const ROUND = 500; // inputs of a target in each round
const STANDSTILL = 60_000;

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    minutes: { type: "string", default: "5" },
    target: { type: "string" },
    path: { type: "string" },
  },
});
const [first, minutes] = [Number(values.seed), Number(values.minutes)];
if (!Number.isSafeInteger(first) || !(minutes >= 0)) {
  console.error("--seed takes a whole number, --minutes a number of at least 0");
  process.exit(2);
}

if (process.send) await search();
else watch();

/** Runs the search in a process of its own, which can be ended where it stands still. */
function watch() {
  const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2), {
    execArgv: ["--import", "tsx"],
  });
  let at; // the search that is under way
  let timer;
  child.on("message", (message) => {
    at = message;
    clearTimeout(timer);
    timer = setTimeout(() => {
      console.error(`✗ ${at.target} stands still\n  ${again(at)}`);
      child.kill("SIGKILL");
    }, STANDSTILL);
  });
  child.on("close", (code) => {
    clearTimeout(timer);
    process.exitCode = code ?? 1;
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
}

async function search() {
  const { TARGETS } = await import("../tests/fuzz/targets.ts");
  const targets = TARGETS.filter(({ name }) => name === (values.target ?? name));
  if (targets.length === 0) {
    console.error(`there is no such target: ${TARGETS.map(({ name }) => name).join(", ")}`);
    process.exit(2);
  }
  const end = minutes === 0 ? Infinity : Date.now() + minutes * 60_000;
  let [inputs, told] = [0, Date.now()];
  for (let seed = first; Date.now() < end; seed++) {
    for (const { name, search: run } of targets) {
      if (Date.now() >= end) break;
      process.send({ target: name, seed });
      const { runs, failure } = await run({
        seed,
        runs: ROUND,
        path: values.path,
        milliseconds: STANDSTILL / 2,
      });
      inputs += runs;
      if (failure) {
        console.error(`✗ ${name}, seed ${failure.seed}, path ${failure.path}\n${failure.report}`);
        console.error(`  ${again({ target: name, ...failure })}`);
        // What only optimized code does wrong shows in a process that has run for as long.
        if (seed > first) {
          console.error(`  or, in a warm process: ${again({ target: name, seed: first })}`);
        }
        process.exit(1);
      }
      if (Date.now() - told > 10_000) {
        told = Date.now();
        console.log(`seeds from ${first}: ${inputs} inputs hold`);
      }
    }
    if (values.path !== undefined) break;
  }
  console.log(`seeds from ${first}: ${inputs} inputs of ${targets.length} targets hold`);
  process.exit(0);
}

function again({ target, seed, path }) {
  const where = path === undefined ? "" : ` --path=${path}`;
  return `again: node scripts/fuzz.mjs --target="${target}" --seed=${seed}${where}`;
}
