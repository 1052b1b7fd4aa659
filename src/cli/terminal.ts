import process from "node:process";

/** What a command sees of the process it runs in. */
export interface Terminal {
  /** The environment. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Whether somebody watches what goes to `err`: then progress moves, else it is told in lines. */
  readonly isWatched: boolean;
  /** Writes results. */
  out(text: string): void;
  /** Writes everything else: progress, errors, hints. */
  err(text: string): void;
}

/** The process itself. */
export const processTerminal: Terminal = {
  env: process.env,
  isWatched: process.stderr.isTTY,
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
};
