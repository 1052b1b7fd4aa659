// The steps of `npm test`, in the order they start.
//
//   group   another name for --only: "check" is everything that needs no server
//   needs   a step that has to end well before
//   server  "running": MONGODB_URI leads to one; "binary": the step starts its own
//   files   what is added to the command; a step without any fails
//   counts  reads from the output how many tests ran; a step that ran none fails
//   optional  may skip all of its tests, where what they need is not installed
//   alone   times things, so nothing else may run meanwhile
import { existsSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bunCounts, denoCounts, nodeCounts } from "./counts.mjs";
import {
  browserSuites,
  cliSuites,
  faultSuites,
  mutantSuites,
  publicSuites,
  suites,
} from "./suites.mjs";

const denoReport = join(tmpdir(), `mongostore-deno-${process.pid}.xml`);

export const STEPS = [
  check("build", ["npm", "run", "--silent", "build"]),
  check("types", ["tsc", "--noEmit"]),
  check("deno-types", ["deno", "check", "src", "tests", "bench", "examples"]),
  check("format", ["deno", "fmt", "--check"]),
  check("deno-lint", ["deno", "lint"]),
  check("lint", ["oxlint", "--type-aware", "--deny-warnings"]),
  check("unused", ["knip"]),
  check("jsr", ["deno", "publish", "--dry-run", "--allow-dirty"]),
  { ...check("publint", ["publint", "--strict"]), needs: "build" },
  { ...check("package-types", ["attw", "--pack", ".", "--profile", "esm-only"]), needs: "build" },
  { name: "node", ...node([], suites()), server: "running" },
  { name: "dist", ...node(["-C", "dist"], publicSuites()), server: "running", needs: "build" },
  { name: "bun", ...bun(suites()), server: "running" },
  { name: "deno", ...deno(suites()), server: "running" },
  { name: "published", command: ["node", "scripts/published.mjs"] },
  { name: "mutants", ...node([], mutantSuites()), server: "running" },
  {
    name: "cli",
    ...node(["--test-concurrency=1"], cliSuites()),
    server: "running",
    needs: "build",
  },
  {
    name: "browser",
    ...node(["--test-timeout=300000"], browserSuites()),
    server: "running",
    optional: true,
  },
  { name: "docs", ...node([], ["tests/docs.test.ts"]), server: "running" },
  {
    name: "package",
    ...node([], ["tests/package/package.test.ts"]),
    server: "running",
    needs: "build",
  },
  {
    name: "faults",
    ...node(["--test-concurrency=1"], faultSuites()),
    server: "binary",
    alone: true,
  },
];

function check(name, command) {
  return { name, group: "check", command };
}

function node(flags, files) {
  const runner = ["--test", "--test-force-exit", "--test-timeout=120000", "--test-reporter=spec"];
  return { command: ["node", "--import", "tsx", ...runner, ...flags], files, counts: nodeCounts };
}

function bun(files) {
  return {
    command: ["bun", "test", "--timeout", "60000"],
    files: files.map((file) => `./${file}`), // without the dot, bun takes it for a pattern
    counts: bunCounts,
  };
}

function deno(files) {
  const permissions = ["--allow-net", "--allow-env", "--allow-sys", "--allow-read"];
  return {
    command: ["deno", "test", "--no-check", `--junit-path=${denoReport}`, ...permissions],
    files,
    counts: () => {
      if (!existsSync(denoReport)) return undefined;
      const report = readFileSync(denoReport, "utf8");
      rmSync(denoReport);
      return denoCounts(report);
    },
  };
}
