// node scripts/soak.mjs [--seed=1] [--runs=1000000] [--jobs=<number of cores>]
// Runs schedules of the simulation (tests/simulation) until one breaks a guarantee or all are done.
// A broken guarantee is shown with the trace of its schedule; --seed=<it> --runs=1 shows it again.
import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { tsImport } from "tsx/esm/api";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "1000000" },
    jobs: { type: "string", default: String(availableParallelism()) },
  },
});
const [seed, runs, most] = [values.seed, values.runs, values.jobs].map(Number);
if (![seed, runs, most].every((number) => Number.isSafeInteger(number) && number >= 1)) {
  console.error("--seed, --runs and --jobs take whole numbers of at least 1");
  process.exit(2);
}
const jobs = Math.min(most, runs);

if (jobs === 1) process.exitCode = await soak();
else process.exitCode = await divide();

/** Runs all schedules here. */
async function soak() {
  const { explore, describeFailure } = await tsImport(
    "../tests/simulation/explore.ts",
    import.meta.url,
  );
  const started = performance.now();
  let told = started;
  const { failed, runs: done, tally } = await explore(seed, runs, (count) => {
    const now = performance.now();
    if (now - told < 10_000) return;
    told = now;
    const pace = Math.round(count / ((now - started) / 1000));
    console.log(`seeds ${seed} to ${seed + count - 1} hold, ${pace} a second`);
  });
  if (failed) {
    console.error(describeFailure(failed));
    return 1;
  }
  const pace = Math.round(done / ((performance.now() - started) / 1000));
  console.log(`seeds ${seed} to ${seed + done - 1} hold, ${pace} a second`);
  if (runs === 1) console.log(Object.fromEntries(tally));
  return 0;
}

/** Divides the schedules among processes; the first that fails ends the others. */
async function divide() {
  const size = Math.ceil(runs / jobs);
  const children = [];
  const endings = [];
  for (let from = seed; from < seed + runs; from += size) {
    const share = Math.min(size, seed + runs - from);
    const args = [fileURLToPath(import.meta.url), `--seed=${from}`, `--runs=${share}`, "--jobs=1"];
    const child = spawn(process.execPath, args, { stdio: "inherit" });
    children.push(child);
    endings.push(
      new Promise((resolve) => {
        child.on("error", () => resolve(1));
        child.on("exit", (code, signal) => {
          if (code !== 0 && signal === null) { for (const other of children) other.kill(); }
          resolve(signal === null ? code ?? 1 : 0);
        });
      }),
    );
  }
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
      for (const child of children) child.kill();
      process.exitCode = 130;
    });
  }
  return Math.max(...await Promise.all(endings));
}
