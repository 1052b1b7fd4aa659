import assert from "node:assert/strict";
import { inspect } from "node:util";
import { SessionError } from "#mongostore";

/** Fails where anything that prints of the error, or of what caused it, holds one of the secrets. */
export function assertNoSecret(error: unknown, secrets: Readonly<Record<string, string>>): void {
  assert.ok(error instanceof Error, `not an error: ${inspect(error)}`);
  const printed = printedForms(error).join("\n");
  for (const [what, secret] of Object.entries(secrets)) {
    assert.ok(secret.length >= 4, `the ${what} is too short to be looked for`);
    assert.ok(!printed.includes(secret), `${error.name} shows the ${what}`);
  }
}

/** The error that the work rejects with, of this class and without these secrets. */
export async function rejection<E extends Error>(
  work: () => unknown,
  kind: abstract new (...args: never[]) => E,
  secrets: Readonly<Record<string, string>> = {},
): Promise<E> {
  let outcome: unknown;
  try {
    outcome = await work();
  } catch (error) {
    assertNoSecret(error, secrets);
    if (error instanceof kind) return error;
    throw error;
  }
  throw new assert.AssertionError({
    message: `no ${kind.name} was thrown, but ${typeof outcome} came back`,
  });
}

/** The reason why a presented token did not lead to a session: of this code, and without these secrets. */
export function assertFresh(
  session: {
    readonly isNew: boolean;
    readonly id: string;
    readonly error: unknown;
    values: object;
  },
  code: string | undefined,
  secrets: Readonly<Record<string, string>> = {},
): void {
  assert.equal(session.isNew, true);
  assert.equal(session.id, "");
  assert.deepEqual({ ...session.values }, {});
  const { error } = session;
  assert.equal(error instanceof SessionError ? error.code : error, code);
  if (error !== undefined) assertNoSecret(error, secrets);
}

function printedForms(error: Error): string[] {
  const { message, stack = "", cause } = error;
  const own = [message, stack, String(error), JSON.stringify(error), inspect(error, DEEP)];
  return cause instanceof Error ? [...own, ...printedForms(cause)] : own;
}

const DEEP = { depth: 8, showHidden: true, maxStringLength: Infinity, maxArrayLength: Infinity };
