import { createHmac } from "node:crypto";
import { CookieToken } from "../../src/transport/cookie.ts";
import type { LegacyCall, LegacyReader, LegacySession } from "../../src/legacy/legacy.ts";
import type { RequestLike } from "../../src/transport/transport.ts";

/** The time of the tests, in milliseconds since 1970. */
export const NOW = 1_795_440_424_000;

/** Reads cookies. */
export const token: CookieToken = new CookieToken();

/** A request that presents these cookies. */
export function visit(...cookies: readonly string[]): RequestLike {
  return new Request("https://app.example/", { headers: { cookie: cookies.join("; ") } });
}

/** A call of a store at a time. */
export function callAt(now: number = NOW, sessionName = "session"): LegacyCall {
  return { sessionName, now, signal: new AbortController().signal };
}

/** What the reader makes of the first token that it finds in these cookies. */
export async function openFirst(
  reader: LegacyReader,
  cookies: readonly string[],
  call: LegacyCall = callAt(),
): Promise<LegacySession | undefined> {
  const [first] = reader.read(visit(...cookies), call.sessionName);
  return first === undefined ? undefined : await reader.open(first, call);
}

/** The cookie's value as express-session writes it. */
export function expressCookie(id: string, secret: string): string {
  const mac = createHmac("sha256", secret).update(id).digest("base64").replace(/=+$/, "");
  return encodeURIComponent(`s:${id}.${mac}`);
}

/** A collection that holds one document and notes how it was asked. */
export function collectionOf(
  document: object | null,
  asked: object[] = [],
): { findOne(filter: object): Promise<object | null> } {
  return {
    findOne: (filter) => {
      asked.push(filter);
      return Promise.resolve(document);
    },
  };
}
