import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The command line as it was built: what `npx mongostore` runs. */
export const CLI: string = fileURLToPath(new URL("../../dist/cli.js", import.meta.url));

/** What came of a call. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export type Env = Readonly<Record<string, string>>;

/** Starts the command line with this environment and no other. */
export function start(
  args: readonly string[],
  env: Env = {},
  runtime: readonly string[] = [process.execPath],
  cwd?: string,
): ChildProcess {
  if (!existsSync(CLI)) throw new Error("there is no dist/cli.js: npm run build makes it");
  const [command = "", ...flags] = runtime;
  const { PATH = "", HOME = "" } = process.env;
  return spawn(command, [...flags, CLI, ...args], {
    env: { PATH, HOME, NO_COLOR: "1", ...env },
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 110_000,
  });
}

/** Runs the command line to its end. */
export async function run(...call: Parameters<typeof start>): Promise<Ended> {
  return await ended(start(...call));
}

/** Waits for a started one. */
export function ended(child: ChildProcess): Promise<Ended> {
  let [out, err] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (text: string) => out += text);
  child.stderr?.setEncoding("utf8").on("data", (text: string) => err += text);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, out, err }));
  });
}
