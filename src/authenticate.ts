import { sameBytes } from "./backend/record.ts";
import type { Awaitable, OpenedToken, TokenCodec } from "./codec/codec.ts";
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
export function authenticate(
  codecs: readonly TokenCodec[],
  name: string,
  tokens: readonly string[],
  now: number,
): Awaitable<Authentic | InvalidTokenError | ExpiredTokenError> {
  const openings = tokens.map((token) =>
    codecs.find((codec) => codec.recognizes(token))?.decode(name, token, now) ?? UNRECOGNIZED
  );
  const opened = openings.filter((opening): opening is OpenedToken =>
    !(opening instanceof Promise)
  );
  if (opened.length === openings.length) return choose(tokens, opened);
  return Promise.all(openings.map(async (opening) => await opening))
    .then((all) => choose(tokens, all));
}

const UNRECOGNIZED: OpenedToken = { ok: false, reason: "invalid" };

function choose(
  tokens: readonly string[],
  opened: readonly OpenedToken[],
): Authentic | InvalidTokenError | ExpiredTokenError {
  let found: Authentic | undefined;
  for (const [i, token] of tokens.entries()) {
    const one = opened[i];
    if (!one?.ok) continue;
    if (found && !sameBytes(found.id, one.id)) {
      return new InvalidTokenError(
        "two different tokens of this name were presented, and both open",
      );
    }
    found ??= { token, id: one.id, stale: one.stale };
  }
  if (found) return found;
  if (opened.some((one) => !one.ok && one.reason === "expired")) {
    return new ExpiredTokenError("the token is older than a session may become");
  }
  return new InvalidTokenError("the token is not one that this store made for this name");
}
