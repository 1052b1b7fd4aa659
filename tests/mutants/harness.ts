import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { outputOf, type Ran } from "../support/output.ts";

/** A change of one file: `find` stands in it exactly once. */
export interface Patch {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** A fault in the source, and the tests that have to notice it. */
export interface Mutant {
  readonly name: string;
  readonly patches: readonly Patch[];
  /** Runs from the root of the copy, with the commands of node_modules on PATH. */
  readonly command: readonly [string, ...string[]];
  readonly env?: Readonly<Record<string, string>>;
  /** What the command says when it notices. */
  readonly says: RegExp;
}

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const COPIED = ["src", "tests", "scripts", "package.json", "tsconfig.json", "deno.json"];
/** A mutant that runs in circles is stopped. */
const TIMEOUT = 100_000;

/** Runs a command on a copy of this project with these changes; the copy is gone afterwards. */
export async function runOn(
  patches: readonly Patch[],
  { command, env = {} }: Pick<Mutant, "command" | "env">,
): Promise<Ran> {
  const copy = mkdtempSync(join(tmpdir(), "mongostore-mutant-"));
  try {
    for (const name of COPIED) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"), "dir");
    for (const patch of patches) apply(copy, patch);
    return await run(copy, command, env);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** Fails unless the tests notice the fault, and say what it breaks. */
export async function assertCaught(mutant: Mutant): Promise<void> {
  const { code, output } = await runOn(mutant.patches, mutant);
  assert.notEqual(code, 0, `nothing noticed the mutant "${mutant.name}"`);
  assert.match(output, mutant.says);
}

function apply(root: string, { file, find, replace }: Patch): void {
  const path = join(root, file);
  const text = readFileSync(path, "utf8");
  const times = text.split(find).length - 1;
  assert.equal(times, 1, `${file} has the text of the mutant ${times} times: ${find}`);
  writeFileSync(path, text.replace(find, () => replace));
}

function run(
  cwd: string,
  [name, ...args]: readonly [string, ...string[]],
  env: Readonly<Record<string, string>>,
): Promise<Ran> {
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env; // a runner within a runner reports for itself
  const child = spawn(name === "node" ? process.execPath : name, args, {
    cwd,
    env: {
      ...inherited,
      ...env,
      PATH: `${join(ROOT, "node_modules", ".bin")}:${process.env["PATH"] ?? ""}`,
    },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: TIMEOUT,
  });
  return outputOf(child);
}
