import type { ChildProcessByStdio } from "node:child_process";
import type { Readable } from "node:stream";

/** What a process did. */
export interface Ran {
  readonly code: number | null;
  readonly output: string;
}

/** Waits for the end of a process and gives all that it printed. */
export function outputOf(child: ChildProcessByStdio<null, Readable, Readable>): Promise<Ran> {
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => void (output += text));
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
