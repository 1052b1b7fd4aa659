// Runs a command of this project: from its root, with the commands of node_modules on PATH.
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Starts `command`; a SIGINT and SIGTERM to us goes on to it. */
export function start([command, ...args], { env, ...options }) {
  const bin = join(root, "node_modules", ".bin");
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env, PATH: `${bin}${delimiter}${process.env.PATH}` },
    shell: process.platform === "win32", // the commands of node_modules are .cmd files there
    ...options,
  });
  const forward = (signal) => child.kill(signal);
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, forward);
  child.on("close", () => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.off(signal, forward);
  });
  return child;
}

/** Runs `command` in the foreground; resolves to its exit code. */
export function run(command, env) {
  const child = start(command, { env, stdio: "inherit" });
  return new Promise((resolve) => {
    child.on("error", (error) => {
      console.error(`${command[0]} cannot be started: ${error.message}`);
      resolve(127);
    });
    child.on("close", (code, signal) => resolve(code ?? 128 + constants.signals[signal]));
  });
}
