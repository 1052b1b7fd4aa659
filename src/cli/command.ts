import type { Arguments } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

/** 0: all is well. 1: something was found, or it failed. Misuse is 2, by a `UsageError`. */
type ExitCode = 0 | 1;

/** A command of the command line. */
export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** What `--help` shows. */
  readonly help: string;
  /** Its options that take text, without the dashes. */
  readonly texts: readonly string[];
  /** Its options that take nothing. */
  readonly flags: readonly string[];
  /** Names of its arguments; those that end with "?" may be left out. */
  readonly operands: readonly string[];
  run(args: Arguments, terminal: Terminal): Promise<ExitCode>;
}

/** Options of every command that opens the collection. */
export const COLLECTION: readonly string[] = ["uri-file", "db", "collection", "timeout"];

/** The help of {@linkcode COLLECTION}. */
export const COLLECTION_HELP = `\
  MONGODB_URI           where MongoDB is; credentials go here, never on the command line
  --uri-file FILE       a file with the connection string, in place of MONGODB_URI
  --db NAME             the database (default: the one in the connection string)
  --collection NAME     the collection of the sessions (default: sessions)
  --timeout MS          how long to wait for the database (default: 5000)`;

/** The help of where keys come from. */
export const KEYS_HELP = `\
  SESSION_KEY           the keys, newest first, with commas between them (or SESSION_KEYS)
  --keys-file FILE      a file with a key a line, newest first, in place of SESSION_KEY`;
