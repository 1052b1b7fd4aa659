import { parseUrl } from "../url.ts";
import { assertB64Token, isB64Token } from "./grammar.ts";
import type { Answer, Presented, RequestLike, Transport } from "./transport.ts";

/** How a {@linkcode QueryToken} is called and when it writes. */
export interface QueryTokenOptions {
  /** The name of the query parameter. Default the session's name. A fixed name suits stores with one session name. */
  param?: string | undefined;
  /** `redirect`: a save adds the token to the `Location` of a redirect to the same origin. Default: a save writes nothing. */
  issue?: "redirect" | undefined;
}

/**
 * Carries the token in a parameter of the URL's query: for links that must work without cookies and headers.
 *
 * Off unless asked for, because URLs leak: they stay in the browser's history, in logs of servers and proxies, in what people
 * copy and send, and in `Referer`. RFC 9700 section 4.3.2 says that tokens must not be passed so. Its responses carry
 * `Referrer-Policy: no-referrer` and are kept out of caches, which helps with the last of these only. Where you use it, keep
 * `maxAge` short, `regenerate()` at login, and move to a cookie at the first request.
 *
 * A parameter that stands in the URL twice is refused, and so is a malformed token or one of more than 4,096 characters; an
 * empty one presents nothing.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey, QueryToken } from "mongostore";
 *
 * const token = new QueryToken();
 * const store = createMemoryStore({ keys: [generateKey()], token });
 * const request = new Request("https://app.example/");
 * const session = await store.get(request, "sid");
 * session.values["userId"] = "42";
 * await store.save(request, new Response("ok"), session);
 *
 * const next = new Request(token.url("https://app.example/cart", session));
 * console.log((await store.get(next, "sid")).isNew); // false
 * ```
 */
export class QueryToken implements Transport {
  /** Only a client that means to sends it. */
  readonly ambient = false;
  readonly #param: string | undefined;
  readonly #redirects: boolean;

  /** Throws `TypeError` for an empty `param`. */
  constructor(options: QueryTokenOptions = {}) {
    if (options.param === "") throw new TypeError("the query parameter cannot have an empty name");
    this.#param = options.param;
    this.#redirects = options.issue === "redirect";
  }

  /** The token in the request's URL. */
  read(request: RequestLike, name: string): Presented | undefined {
    const { query } = split(request.url);
    const [token, another] = new URLSearchParams(query).getAll(this.#paramOf(name));
    if (another !== undefined) {
      return { channel: this, refused: "the parameter stands in the URL twice" };
    }
    if (!token) return undefined;
    if (isB64Token(token)) return { channel: this, tokens: [token] };
    return { channel: this, refused: "the parameter does not hold a well-formed token" };
  }

  /**
   * Makes a link that carries the session: `url`, absolute or relative, with the session's parameter added or replaced and all
   * else as it was. Do not give it a URL of another site, which could use the token. Throws `TypeError` before the session's first save.
   */
  url(
    url: string | URL,
    session: { readonly name: string; readonly token: string | undefined },
  ): string {
    const { name, token } = session;
    if (token === undefined) {
      throw new TypeError(`no link can carry the session ${JSON.stringify(name)}: save it first`);
    }
    assertB64Token(token);
    return withParam(String(url), this.#paramOf(name), token);
  }

  /** With `issue: "redirect"`: adds the token to the `Location` of a redirect to the same origin. Else does nothing. */
  write(headers: Headers, token: string, answer: Answer): void {
    assertB64Token(token);
    const { request, name, status } = answer;
    if (!this.#redirects || !(status === undefined || isRedirect(status))) return;
    const location = headers.get("location");
    if (location === null || !isSameOrigin(location, request.url)) return;
    headers.set("location", withParam(location, this.#paramOf(name), token));
  }

  /** Takes the parameter out of a `Location` on the same origin. A link that the client has kept is dead by itself. */
  clear(headers: Headers, answer: Answer): void {
    const location = headers.get("location");
    if (location === null || !isSameOrigin(location, answer.request.url)) return;
    const stripped = withParam(location, this.#paramOf(answer.name), undefined);
    if (stripped !== location) headers.set("location", stripped);
  }

  /** Sets `Referrer-Policy: no-referrer`, and `Cache-Control: no-store, private` unless the application set its own. */
  annotate(headers: Headers): void {
    headers.set("referrer-policy", "no-referrer");
    if (!headers.has("cache-control")) headers.set("cache-control", "no-store, private");
  }

  /** Accepts every name and all options: the query holds any text, and no attributes. */
  check(): void {}

  #paramOf(name: string): string {
    return this.#param ?? name;
  }
}

/** RFC 3986 section 3, by its separators alone, so that nothing is malformed: what comes before the query, `?query`, `#fragment`. */
function split(url: string): { base: string; query: string; fragment: string } {
  const hash = url.indexOf("#");
  const fragment = hash < 0 ? "" : url.slice(hash);
  const rest = hash < 0 ? url : url.slice(0, hash);
  const mark = rest.indexOf("?");
  if (mark < 0) return { base: rest, query: "", fragment };
  return { base: rest.slice(0, mark), query: rest.slice(mark), fragment };
}

/** The URL with its parameter set or, without a token, removed; the other parameters keep their spelling. */
function withParam(url: string, param: string, token: string | undefined): string {
  const { base, query, fragment } = split(url);
  const parts = (query === "" ? [] : query.slice(1).split("&"))
    .filter((part) => !new URLSearchParams(`?${part}`).has(param));
  if (token !== undefined) parts.push(String(new URLSearchParams([[param, token]])));
  return base + (parts.length > 0 ? `?${parts.join("&")}` : "") + fragment;
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/**
 * Whether a browser that follows `location` stays on the origin of `url`. A location with a scheme must name that origin, without
 * userinfo. One without must stay on whatever origin it is resolved against: `//evil` and `/\evil` leave it.
 */
function isSameOrigin(location: string, url: string): boolean {
  const absolute = parseUrl(location);
  if (absolute) return stays(absolute, url);
  const homes = ["https://one.invalid", "https://two.invalid"];
  return homes.every((home) => stays(parseUrl(location, home), home));
}

function stays(target: URL | undefined, url: string): boolean {
  const home = parseUrl(url);
  if (!target || !home) return false;
  const { protocol, host, username, password } = target;
  return protocol === home.protocol && host === home.host && username === "" && password === "";
}
