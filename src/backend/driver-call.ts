import type { Clock } from "../clock.ts";
import { StoreUnavailableError, type WriteCertainty } from "../errors.ts";
import type { Call } from "./backend.ts";

/** Pinned, so that no setting of the user's client changes what comes back. A broken string is a malformed record, not an error. */
const BSON = {
  raw: false,
  promoteValues: true,
  promoteBuffers: true,
  promoteLongs: true,
  useBigInt64: false,
  enableUtf8Validation: false,
};

/**
 * Reads are local to the primary: right after an election `majority` may show a state from before it, without the last
 * writes that were acknowledged, and a session that was just created or ended would be absent or alive again.
 */
export const READ: object = { ...BSON, readPreference: "primary", readConcern: { level: "local" } };

/** What this finds is durable; what it does not find may be there all the same. */
export const READ_DURABLE: object = { ...READ, readConcern: { level: "majority" } };

/** Without `j` a standalone server acknowledges before its journal is on the disk. */
const WRITE = { ...BSON, writeConcern: { w: "majority", j: true } };

/** A longer timer would fire at once. */
const LONGEST_TIMER = 0x7fff_ffff;

/** The call ended before the driver answered: its deadline came, or its signal was aborted. */
export class Interruption extends Error {}

/**
 * Runs one operation of the driver and settles by the call's deadline, whatever the driver does: its own timeouts
 * leave an operation on a stopped server hanging for more than a minute. The signal makes it give the connection back.
 */
export async function withinDeadline<T>(
  clock: Clock,
  call: Call,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { deadline, signal } = call;
  const left = deadline - clock.monotonic();
  if (signal?.aborted) throw aborted(signal);
  if (!(left > 0)) throw new Interruption("its time was over");

  const controller = new AbortController();
  const interrupted = new Promise<never>((_, reject) => {
    controller.signal.addEventListener("abort", () => reject(controller.signal.reason));
  });
  const cancel = clock.after(
    Math.min(left, LONGEST_TIMER),
    () => controller.abort(new Interruption("MongoDB did not answer in time")),
  );
  const onAbort = () => signal && controller.abort(aborted(signal));
  signal?.addEventListener("abort", onAbort);
  try {
    // What the driver says after an interruption is heard by the race, and ignored.
    return await Promise.race([run(controller.signal), interrupted]);
  } finally {
    cancel();
    signal?.removeEventListener("abort", onAbort);
  }
}

/**
 * What is known of a write command that failed. `refused`: the server did not begin. `unsent`: it never left.
 * `lost`: it may have landed, and may still land.
 */
export type Fate = "refused" | "unsent" | "lost";

/** Sends write commands, and tells of those that fail whether they may have reached the database. */
export class WriteSender {
  readonly #clock: Clock;
  /** Whether a command was ever seen being serialized. A stand-in for a collection that never does it proves nothing by it. */
  #isSeen = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs a command with these options, within the call's deadline. */
  async send<T>(
    call: Call,
    run: (options: object) => Promise<T>,
  ): Promise<{ readonly result: T } | { readonly error: unknown; readonly fate: Fate }> {
    // The driver serializes the comment just before it sends a command. Its errors tell less: on a second try of its
    // own it may fail to find a server, and says no more than that.
    let times = 0;
    const comment = {
      toBSON: () => {
        times++;
        this.#isSeen = true;
        return "mongostore";
      },
    };
    let isBegun = false;
    try {
      const result = await withinDeadline(this.#clock, call, (signal) => {
        isBegun = true;
        return run({ ...WRITE, comment, signal });
      });
      return { result };
    } catch (error) {
      if (!isBegun || (times === 0 && this.#isSeen)) return { error, fate: "unsent" };
      return { error, fate: times < 2 && isRefusal(codeOf(error)) ? "refused" : "lost" };
    }
  }
}

/** The server's error code; `undefined` where the error is none of the server's. */
export function codeOf(error: unknown): number | undefined {
  const code = field(error, "code");
  return typeof code === "number" ? code : undefined;
}

/** The code of a write whose `_id` is taken. */
export const DUPLICATE_KEY = 11_000;

/**
 * Whether the server refused to begin: bad value, parse error, privilege, type, authentication, operation, option,
 * validation, size. After any other error a write may be in the database.
 */
export function isRefusal(code: number | undefined): boolean {
  return code !== undefined && REFUSALS.has(code);
}

const REFUSALS = new Set([2, 9, 13, 14, 18, 20, 72, 121, 10_334]);

/** The codes of the operations of a bulk write that failed, by their place in it; `undefined` where there are none. */
export function writeErrorsOf(error: unknown): Map<number, number> | undefined {
  const listed = field(error, "writeErrors");
  const codes = new Map<number, number>();
  for (const one of Array.isArray(listed) ? listed : [listed]) {
    const index = field(one, "index");
    if (typeof index === "number") codes.set(index, codeOf(one) ?? 0);
  }
  return codes.size > 0 ? codes : undefined;
}

/** A count in a bulk write's error. */
export function countOf(error: unknown, name: "modifiedCount" | "deletedCount"): number {
  const count = field(error, name);
  return typeof count === "number" ? count : 0;
}

/** The error for a caller. `privilege` is the action that the database user needs. */
export function unavailable(
  what: string,
  privilege: string,
  error: unknown,
  outcome: WriteCertainty,
): StoreUnavailableError {
  const why = error instanceof Interruption
    ? error.message
    : error === undefined
    ? "its answer was lost"
    : codeOf(error) === 13
    ? `the database user lacks the privilege "${privilege}" on the collection`
    : `MongoDB failed (${error instanceof Error ? error.name : typeof error})`;
  return new StoreUnavailableError(`${what}: ${why}`, { outcome, cause: withoutContents(error) });
}

/** The error, unless it carries parts of documents, which a log would show: then only what kind it is. */
function withoutContents(error: unknown): unknown {
  const carries = ["result", "writeErrors", "errInfo", "keyValue"].some((name) =>
    field(error, name)
  );
  if (!carries || !(error instanceof Error)) return error;
  const code = codeOf(error);
  return new Error(code === undefined ? error.name : `${error.name}, code ${code}`);
}

function aborted(signal: AbortSignal): Interruption {
  return new Interruption("the call was aborted", { cause: signal.reason });
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !(name in value)) return undefined;
  return Reflect.get(value, name);
}
