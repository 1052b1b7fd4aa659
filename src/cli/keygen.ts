import { writeFileSync } from "node:fs";
import { generateKey } from "../index.ts";
import { UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";

/** Makes a key. */
export const keygen: Command = {
  name: "keygen",
  summary: "make a key for the option keys",
  help: `\
mongostore keygen [--out FILE] [--json]

Makes a key: 32 random bytes as 43 characters. It is shown once and kept nowhere. Whoever has it can
make tokens and read sessions: give it to the servers as a secret, and to nobody else.

  --out FILE    write it to a new file that only you can read, and show nothing
  --json        { "key": "…" }, or { "file": "…" }

Examples:

  mongostore keygen --out session.key       then SESSION_KEY=$(cat session.key), or --keys-file
  export SESSION_KEY=$(mongostore keygen)   for this shell only

To rotate: put the new key last, deploy, then first, deploy, then mongostore rekey, and drop the old
one when its last session has ended.
`,
  texts: ["out"],
  flags: [],
  operands: [],
  run(args, terminal) {
    const key = generateKey();
    const file = args.text("out");
    if (file === undefined) {
      terminal.out(args.flag("json") ? `${JSON.stringify({ key })}\n` : `${key}\n`);
      return Promise.resolve(0);
    }
    try {
      writeFileSync(file, `${key}\n`, { mode: 0o600, flag: "wx" });
    } catch {
      throw new UsageError(
        "the file of --out cannot be written; one that exists is not overwritten",
      );
    }
    terminal.out(args.flag("json") ? `${JSON.stringify({ file })}\n` : `the key is in ${file}\n`);
    return Promise.resolve(0);
  },
};
