import type { SessionError } from "../errors.ts";

// RFC 9110 section 5.6.4: qdtext, without what would need a backslash
const realmText = /^[\t !#-[\]-~]*$/;

/**
 * The value of `WWW-Authenticate` for a 401 to a client that sends its token in `Authorization: Bearer` (RFC 6750 section 3).
 * Without an error the client presented nothing, and the challenge says no more than what is wanted; with one it says
 * `invalid_token`, and the client should get itself a new token. Throws `TypeError` for a realm that cannot be quoted.
 *
 * @example
 * ```ts
 * import { bearerChallenge, createMemoryStore, generateKey, HeaderToken } from "mongostore";
 *
 * const store = createMemoryStore({ keys: [generateKey()], token: new HeaderToken() });
 * const headers = { authorization: "Bearer no.token.of.ours" };
 * const session = await store.get(new Request("https://api.example/me", { headers }));
 * console.log(bearerChallenge(session.error, { realm: "api" }));
 * // Bearer realm="api", error="invalid_token", error_description="the token is not valid, or its session has ended"
 * ```
 */
export function bearerChallenge(
  error: SessionError | undefined,
  options: { realm?: string } = {},
): string {
  const { realm } = options;
  if (realm !== undefined && !realmText.test(realm)) {
    throw new TypeError("cannot challenge: the realm holds a character that cannot be quoted");
  }
  const params = [
    ...(realm === undefined ? [] : [`realm="${realm}"`]),
    ...(error === undefined ? [] : [
      'error="invalid_token"',
      'error_description="the token is not valid, or its session has ended"',
    ]),
  ];
  return params.length > 0 ? `Bearer ${params.join(", ")}` : "Bearer";
}
