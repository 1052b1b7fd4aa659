import type { Clock } from "../clock.ts";
import { InvalidTokenError, SessionError, StoreUnavailableError } from "../errors.ts";
import type { RequestLike } from "../transport/transport.ts";
import type { LegacyCall, LegacyReader, LegacySession } from "./legacy.ts";

/** What the older systems' sessions are asked with. */
export interface TakeOver {
  readonly readers: readonly LegacyReader[];
  readonly request: RequestLike;
  readonly sessionName: string;
  /** Whether a text has the shape of a token of ours; readers never get one that has. */
  readonly isOurs: (token: string) => boolean;
  readonly clock: Clock;
  /** The time in milliseconds since 1970. */
  readonly now: number;
  /** Until when an answer is of use, on the clock's monotonic time. */
  readonly deadline: number;
}

/** A session of an older system, and the reader that found it. */
export interface TakenOver {
  readonly reader: string;
  /** See `LegacyReader.ambient`. */
  readonly ambient: boolean;
  readonly session: LegacySession;
}

/**
 * The session of the first reader that finds one; `undefined` where none does; why a session that is there does not count.
 * Two different tokens of one system that both open are a tossed cookie: neither counts. Rejects with
 * `StoreUnavailableError` where an older system does not answer.
 */
export async function takeOver(
  { readers, request, sessionName, isOurs, clock, now, deadline }: TakeOver,
): Promise<TakenOver | SessionError | undefined> {
  const controller = new AbortController();
  const call = { sessionName, now, signal: controller.signal };
  const late = new Promise<never>((_, reject) => {
    call.signal.addEventListener("abort", () => reject(new Error("its time was over")));
  });
  late.catch(() => {}); // nobody waits for it where every reader answers in time
  const cancel = clock.after(Math.max(0, deadline - clock.monotonic()), () => controller.abort());
  try {
    for (const reader of readers) {
      const tokens = reader.read(request, sessionName).filter((token) => !isOurs(token));
      const found = await openOne(reader, tokens, call, late);
      if (found) return found;
    }
    return undefined;
  } finally {
    cancel();
  }
}

async function openOne(
  reader: LegacyReader,
  tokens: readonly string[],
  call: LegacyCall,
  late: Promise<never>,
): Promise<TakenOver | SessionError | undefined> {
  let found: TakenOver | undefined;
  for (const token of tokens) {
    try {
      const session = await Promise.race([reader.open(token, call), late]);
      if (!session || (session.expires !== undefined && !(session.expires > call.now))) continue;
      if (found) {
        return new InvalidTokenError(
          `two different tokens of ${reader.name} were presented, and both open`,
        );
      }
      found = { reader: reader.name, ambient: reader.ambient, session };
    } catch (cause) {
      if (cause instanceof SessionError && cause.code === "CORRUPT_RECORD") return cause;
      const message =
        `${reader.name} did not answer: whether there is an older session is not known`;
      throw new StoreUnavailableError(message, { outcome: "not-applied", cause });
    }
  }
  return found;
}
