import { SessionError } from "../index.ts";
import { Arguments, UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";
import { doctor } from "./doctor.ts";
import { describe } from "./failure.ts";
import { importCommand } from "./import.ts";
import { keygen } from "./keygen.ts";
import { list } from "./list.ts";
import { rekey } from "./rekey.ts";
import { revoke } from "./revoke.ts";
import { secretsIn } from "./secrets.ts";
import { stats } from "./stats.ts";
import type { Terminal } from "./terminal.ts";

const COMMANDS: readonly Command[] = [keygen, doctor, stats, list, revoke, rekey, importCommand];

const HELP = `\
mongostore: look after HTTP sessions in MongoDB

  mongostore <command> [options]

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)}${summary}`).join("\n")}

  mongostore <command> --help teaches a command, with examples.

Every command takes --json: results go to standard output as JSON, everything else to standard
error. Exit codes: 0 all is well, 1 something was found or failed, 2 the command line was wrong.
Secrets come from the environment or from files, never from the command line.

A first look:

  export MONGODB_URI=mongodb://127.0.0.1:27017/shop
  export SESSION_KEY=$(mongostore keygen)
  mongostore doctor
`;

/** Runs a command line and gives its exit code. Never rejects. */
export async function main(
  argv: readonly string[],
  terminal: Terminal,
  version: string,
): Promise<0 | 1 | 2> {
  const [first = "help", ...rest] = argv;
  if (first === "--version") {
    terminal.out(`${version}\n`);
    return 0;
  }
  const isHelp = first === "help" || first === "--help" || first === "-h";
  const name = isHelp ? rest[0] : first;
  const command = COMMANDS.find((one) => one.name === name);
  if (isHelp || !command) {
    if (isHelp && (command || name === undefined)) {
      terminal.out(command?.help ?? HELP);
      return 0;
    }
    terminal.err(`mongostore: there is no such command\n\n${HELP}`);
    return 2;
  }
  const wantsJson = rest.includes("--json");
  try {
    const args = new Arguments(rest, command);
    if (!args.flag("help")) return await command.run(args, terminal);
    terminal.out(command.help);
    return 0;
  } catch (error) {
    const message = describe(error, secretsIn(terminal.env, rest));
    const isMisuse = error instanceof UsageError;
    const code = isMisuse ? "USAGE" : error instanceof SessionError ? error.code : "FAILED";
    if (wantsJson) terminal.out(`${JSON.stringify({ error: { code, message } })}\n`);
    terminal.err(`mongostore ${command.name}: ${message}\n`);
    if (isMisuse) terminal.err(`mongostore ${command.name} --help says more\n`);
    return isMisuse ? 2 : 1;
  }
}
