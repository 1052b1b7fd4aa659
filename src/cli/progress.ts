import type { Terminal } from "./terminal.ts";

const WIDTH = 24;
const FRAME_MS = 100;

/** Shows how far something has come: a bar that moves where somebody watches, a line for each tenth elsewhere. */
export class Progress {
  readonly #terminal: Terminal;
  readonly #what: string;
  readonly #total: number;
  readonly #started: number = performance.now();
  #shown = -Infinity;
  #tenth = 0;
  #isOpen = false;

  /** `what` is done, for example "imported"; `total` is how many there are, as far as is known. */
  constructor(terminal: Terminal, what: string, total: number) {
    this.#terminal = terminal;
    this.#what = what;
    this.#total = total;
  }

  /** So many are done. */
  show(done: number): void {
    const now = performance.now();
    if (this.#terminal.isWatched) {
      if (now - this.#shown < FRAME_MS) return;
      this.#shown = now;
      this.#terminal.err(`\r${this.#text(done, now)}\u001B[K`);
      this.#isOpen = true;
      return;
    }
    const tenth = Math.floor(this.#share(done) * 10);
    if (tenth <= this.#tenth) return;
    this.#tenth = tenth;
    this.#terminal.err(`${this.#text(done, now)}\n`);
  }

  /** Nothing more comes: what else is written begins on a line of its own. */
  end(done?: number): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const last = done === undefined ? "" : `\r${this.#text(done, performance.now())}\u001B[K`;
    this.#terminal.err(`${last}\n`);
  }

  #share(done: number): number {
    return this.#total > 0 ? Math.min(1, done / this.#total) : 1;
  }

  #text(done: number, now: number): string {
    const share = this.#share(done);
    const pace = Math.round(done / Math.max(0.001, (now - this.#started) / 1000));
    const percent = `${Math.floor(share * 100)}%`.padStart(5);
    return `${
      bar(share, WIDTH)
    }${percent}  ${done} of ${this.#total} ${this.#what}, ${pace} a second`;
  }
}

/** A bar of at most `width` characters, filled up with a lighter shade. */
export function bar(share: number, width: number): string {
  const full = Math.round(share * width);
  return "█".repeat(full) + "░".repeat(width - full);
}
