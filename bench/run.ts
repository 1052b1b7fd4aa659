// npm run bench [-- --quick]
// Runs bench/index.ts on Node, Bun and Deno one after the other, prints one table, and keeps the numbers in bench/results/.
import { spawn } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { cpus } from "node:os";
import process from "node:process";
import { ratios, type Report, table } from "./report.ts";

const RUNTIMES: readonly (readonly [string, ...string[]])[] = [
  ["node", "--import", "tsx"],
  ["bun"],
  ["deno", "run", "--no-check", "--allow-net", "--allow-env", "--allow-sys"],
];

const reports: Report[] = [];
for (const [command, ...args] of RUNTIMES) {
  reports.push(await run(command, [...args, "bench/index.ts", "--json", ...process.argv.slice(2)]));
}

const machine = { cpu: cpus()[0]?.model ?? "unknown", cores: cpus().length };
const date = new Date().toISOString();
const results = new URL("results/", import.meta.url);
await mkdir(results, { recursive: true });
const file = new URL(`${date.replaceAll(":", "-")}.json`, results);
await writeFile(file, `${JSON.stringify({ date, machine, reports }, null, 2)}\n`);

console.log(`
${table(reports)}

${reports.map((report) => ratios(report, "mongostore")).join("\n\n")}

Medians over ${
  reports[0]?.plan.rounds
} rounds; ± is half the distance from the slowest to the fastest of them.
MongoDB ${reports[0]?.mongodb} on the same machine: ${machine.cores} cores, ${machine.cpu}.`);

function run(command: string, args: readonly string[]): Promise<Report> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output));
      else reject(new Error(`${command} ended with ${code}`));
    });
  });
}
