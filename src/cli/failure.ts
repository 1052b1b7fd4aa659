import { SessionError } from "../index.ts";
import { UsageError } from "./arguments.ts";
import { redact } from "./secrets.ts";

/** The driver's errors whose messages name servers and reasons, and no part of a document. */
const TELLING = /^Mongo(ServerSelection|Network|NetworkTimeout|Parse|MissingCredentials|API)Error$/;

/** An error as it may be shown: without these secrets, and without what may quote a document. */
export function describe(error: unknown, secrets: readonly string[]): string {
  return redact(told(error), secrets);
}

function told(error: unknown): string {
  if (error instanceof UsageError) return error.message;
  if (error instanceof SessionError) {
    const cause = TELLING.test(nameOf(error.cause)) ? ` (${told(error.cause)})` : "";
    return `${error.message}${cause}`;
  }
  const code = codeOf(error);
  if (code === 18) return "MongoDB refuses the user's name or password";
  if (code === 13) return "the database user may not do that";
  if (error instanceof Error && TELLING.test(error.name)) return error.message;
  if (error instanceof RangeError || error instanceof TypeError) return error.message;
  return `it failed (${nameOf(error)}${code === undefined ? "" : `, code ${code}`})`;
}

/** The server's error code, if the error is the server's. */
export function codeOf(error: unknown): number | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "number" ? error.code : undefined;
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}
