import process from "node:process";

/** The promises that were rejected and had no handler: nothing may leave any, in the worst outage. */
export class Rejections {
  readonly seen: unknown[] = [];
  readonly #note = (reason: unknown) => void this.seen.push(reason);

  constructor() {
    process.on("unhandledRejection", this.#note);
  }

  dispose(): void {
    process.off("unhandledRejection", this.#note);
  }
}
