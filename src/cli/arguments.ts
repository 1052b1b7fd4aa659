import { parseArgs } from "node:util";
import type { Command } from "./command.ts";

/** The command line was not understood, or something that it needs is not there. Exit code 2. */
export class UsageError extends Error {}

/** The options and operands of one call. */
export class Arguments {
  /** What came without dashes. */
  readonly operands: readonly string[];
  readonly #values: Readonly<Record<string, unknown>>;

  /** Reads what follows the command's name. Throws `UsageError` for what the command does not take. */
  constructor(argv: readonly string[], command: Pick<Command, "texts" | "flags" | "operands">) {
    const { texts, flags, operands } = command;
    const text = texts.map((name) => [name, { type: "string" as const }] as const);
    const flag = [...flags, "json", "help"].map((name) =>
      [name, { type: "boolean" as const }] as const
    );
    try {
      const parsed = parseArgs({
        args: [...argv],
        options: Object.fromEntries([...text, ...flag]),
        allowPositionals: true,
      });
      this.#values = { ...parsed.values };
      this.operands = parsed.positionals;
    } catch (error) {
      throw new UsageError(firstSentence(error));
    }
    if (this.flag("help")) return;
    const least = operands.filter((name) => !name.endsWith("?")).length;
    if (this.operands.length < least) {
      throw new UsageError(`it needs ${operands.map((name) => `<${name}>`).join(" ")}`);
    }
    if (this.operands.length > operands.length) {
      throw new UsageError("there is more on the line than it takes");
    }
  }

  /** Whether the option is there. */
  flag(name: string): boolean {
    return this.#values[name] === true;
  }

  /** The text of an option, if it is there. */
  text(name: string): string | undefined {
    const value = this.#values[name];
    return typeof value === "string" ? value : undefined;
  }

  /** The whole number of an option. Throws `UsageError` for anything else. */
  count(name: string, fallback: number): number {
    const text = this.text(name);
    if (text === undefined) return fallback;
    if (!/^[0-9]{1,15}$/.test(text)) throw new UsageError(`--${name} takes a whole number`);
    return Number(text);
  }

  /** The option as one of these words. Throws `UsageError` for any other. */
  choice<const T extends string>(name: string, choices: readonly [T, ...T[]]): T {
    const text = this.text(name) ?? choices[0];
    const chosen = choices.find((choice) => choice === text);
    if (chosen === undefined) throw new UsageError(`--${name} takes ${choices.join(" or ")}`);
    return chosen;
  }
}

/** Node goes on with advice about "--" that seldom fits; and what it quotes of a long value may be a secret. */
function firstSentence(error: unknown): string {
  const message = error instanceof Error ? error.message : "it is not understood";
  const [, option] = /^Unknown option '(-{1,2}[\w-]{1,30})'/.exec(message) ?? [];
  if (option !== undefined) return `there is no option ${option}`;
  const [, lacking] = /^Option '(-{1,2}[\w-]{1,30})/.exec(message) ?? [];
  return lacking === undefined
    ? "the options are not understood"
    : `the option ${lacking} is not used so`;
}
