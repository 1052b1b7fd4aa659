import { addMember, addVary, assertB64Token, isB64Token, isToken } from "./grammar.ts";
import type { Answer, Presented, RequestLike, Transport } from "./transport.ts";

/** Where a {@linkcode HeaderToken} reads and writes. */
export interface HeaderTokenOptions {
  /**
   * The request header that holds the token. Default `Authorization`. A header holds one token: where the sessions of several
   * names travel, give each name a header of its own, for example `{ sid: "Authorization", cart: "X-Cart" }`; other names
   * then have none.
   */
  header?: string | Readonly<Record<string, string>> | undefined;
  /** The authentication scheme before the token; `null` for none. Default `Bearer` in Authorization, none elsewhere. */
  scheme?: string | null | undefined;
  /** The response header that holds a new token. Default `X-Session-Token` for Authorization, else the request header. */
  responseHeader?: string | undefined;
}

/** One way through the headers, with every choice made. */
interface Route {
  readonly request: string;
  readonly response: string;
  readonly scheme: string | null;
  /** Whose token a response holds. Only a second name on one response asks, and it must not silently take the first one's place. */
  readonly owners: WeakMap<Headers, string>;
}

/**
 * Carries the token in request and response headers: for clients that keep it themselves, such as apps and other servers.
 *
 * The client sends `Authorization: Bearer <token>` (RFC 6750). A new token comes back alone in the response header
 * `X-Session-Token`, which scripts of other origins may read (`Access-Control-Expose-Headers`): it takes the place of the one
 * that the client has. An empty response header means that the client's token is dead and should be forgotten.
 *
 * A header that holds a comma, a second credential, a malformed token or one of more than 4,096 characters is refused. Another
 * scheme, or an empty header without a scheme, presents nothing.
 *
 * Any session name can use the one header, since a token works under its own name only; but one response then carries one
 * name, and writing a second throws `TypeError`. See {@linkcode HeaderTokenOptions.header} for several names side by side.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey, HeaderToken } from "mongostore";
 *
 * const store = createMemoryStore({ keys: [generateKey()], token: new HeaderToken() });
 * const request = new Request("https://api.example/login", { method: "POST" });
 * const session = await store.get(request, "sid");
 * session.values["userId"] = "42";
 * const response = await store.save(request, new Response("ok"), session);
 *
 * const authorization = `Bearer ${response.headers.get("x-session-token")}`;
 * const next = new Request("https://api.example/", { headers: { authorization } });
 * console.log((await store.get(next, "sid")).isNew); // false
 * ```
 */
export class HeaderToken implements Transport {
  /** Only a client that means to sends it. */
  readonly ambient = false;
  readonly #routes = new Map<string, Route>();
  readonly #common: Route | undefined;

  /** Throws `TypeError` for a header or a scheme that is not an RFC 9110 token, and where two names would share a header. */
  constructor(options: HeaderTokenOptions = {}) {
    const { header = "Authorization" } = options;
    if (typeof header === "string") {
      this.#common = routeOf(header, options);
      return;
    }
    for (const [name, field] of Object.entries(header)) {
      this.#routes.set(name, routeOf(field, options));
    }
    const routes = [...this.#routes.values()];
    for (const side of ["request", "response"] as const) {
      if (new Set(routes.map((route) => route[side].toLowerCase())).size === routes.length) {
        continue;
      }
      throw new TypeError(`two sessions cannot share one ${side} header`);
    }
  }

  /** The token in the request's header. */
  read(request: RequestLike, name: string): Presented | undefined {
    const route = this.#route(name);
    const value = route && request.headers.get(route.request);
    if (!route || !value) return undefined;
    const token = credentials(value, route.scheme);
    if (token === undefined) return undefined;
    if (isB64Token(token)) return { channel: this, tokens: [token] };
    return {
      channel: this,
      refused: token.includes(",")
        ? "the header holds a comma: two were joined"
        : "the header does not hold one well-formed token",
    };
  }

  /** Sets the response header, and exposes it to scripts of other origins. */
  write(headers: Headers, token: string, answer: Answer): void {
    const { response, owners } = this.#routeFor(answer.name);
    assertB64Token(token);
    if ((owners.get(headers) ?? answer.name) !== answer.name) {
      throw new TypeError(cannotTravel(answer.name, `${response} holds another session's token`));
    }
    owners.set(headers, answer.name);
    put(headers, response, token);
  }

  /** Sets the response header to nothing, unless it holds a token of another session: that one replaces the client's anyway. */
  clear(headers: Headers, answer: Answer): void {
    const { response, owners } = this.#routeFor(answer.name);
    if ((owners.get(headers) ?? answer.name) !== answer.name) return;
    owners.delete(headers);
    put(headers, response, "");
  }

  /** Adds the request headers to `Vary`. */
  annotate(headers: Headers): void {
    if (this.#common) addVary(headers, this.#common.request);
    for (const { request } of this.#routes.values()) addVary(headers, request);
  }

  /** Throws `TypeError` where `header` names the sessions that travel, and not this one. */
  check(name: string): void {
    this.#routeFor(name);
  }

  #route(name: string): Route | undefined {
    return this.#common ?? this.#routes.get(name);
  }

  #routeFor(name: string): Route {
    const route = this.#route(name);
    if (route) return route;
    throw new TypeError(cannotTravel(name, "no header is set aside for it"));
  }
}

function routeOf(header: string, options: HeaderTokenOptions): Route {
  const authorization = same(header, "authorization");
  const { scheme = authorization ? "Bearer" : null } = options;
  const { responseHeader = authorization ? "X-Session-Token" : header } = options;
  // RFC 9110 sections 5.1 and 11.1
  for (const text of [header, responseHeader, scheme ?? header]) {
    if (isToken(text)) continue;
    throw new TypeError(`${JSON.stringify(text)} cannot be a header or a scheme: not a token`);
  }
  return { request: header, response: responseHeader, scheme, owners: new WeakMap() };
}

/** Names of headers and schemes have no case (RFC 9110 sections 5.1 and 11.1). */
function same(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/**
 * What follows the scheme; undefined under another scheme. RFC 9110 section 11.4:
 * credentials = auth-scheme [ 1*SP ( token68 / … ) ], the scheme without regard to case.
 */
function credentials(value: string, scheme: string | null): string | undefined {
  if (scheme === null) return value;
  let at = scheme.length;
  if (!same(value.slice(0, at), scheme)) return undefined;
  if (isToken(value.charAt(at))) return undefined;
  if (value[at] !== " ") return "";
  while (value[at] === " ") at++;
  return value.slice(at);
}

function put(headers: Headers, field: string, token: string): void {
  headers.set(field, token);
  // A `*` there does not cover requests with credentials (Fetch, "CORS protocol and credentials"): the name joins it.
  addMember(headers, "access-control-expose-headers", field);
}

function cannotTravel(name: string, why: string): string {
  return `the session ${JSON.stringify(name)} cannot travel in a header: ${why}`;
}
