import { sameBytes } from "./backend/record.ts";
import type { TokenCodec } from "./codec/codec.ts";
import { ExpiredTokenError, InvalidTokenError } from "./errors.ts";

/** A token that was presented and opened. */
export interface Authentic {
  readonly token: string;
  /** The session id that it carries. */
  readonly id: Uint8Array<ArrayBuffer>;
  /** True where a new token should take its place at the next save. */
  readonly stale: boolean;
}

/**
 * The one token among the presented ones that opens, or why there is none. Each goes to the first codec that recognizes
 * its shape and to no other. Two that open to different ids are a tossed cookie: neither counts.
 */
export async function authenticate(
  codecs: readonly TokenCodec[],
  name: string,
  tokens: readonly string[],
  now: number,
): Promise<Authentic | InvalidTokenError | ExpiredTokenError> {
  let found: Authentic | undefined;
  let expired = false;
  for (const token of tokens) {
    const decoding = codecs.find((codec) => codec.recognizes(token))?.decode(name, token, now);
    const opened = decoding instanceof Promise ? await decoding : decoding;
    if (opened?.ok) {
      if (found && !sameBytes(found.id, opened.id)) {
        return new InvalidTokenError(
          "two different tokens of this name were presented, and both open",
        );
      }
      found ??= { token, id: opened.id, stale: opened.stale };
    } else {
      expired ||= opened?.reason === "expired";
    }
  }
  if (found) return found;
  if (expired) return new ExpiredTokenError("the token is older than a session may become");
  return new InvalidTokenError("the token is not one that this store made for this name");
}
