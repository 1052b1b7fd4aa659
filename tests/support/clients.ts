import { CookieToken, firstOf, HeaderToken, QueryToken } from "#mongostore";
import type { Transport } from "#mongostore";
import { Browser } from "./browser.ts";
import type { Client } from "./browser.ts";

const ORIGIN = "https://app.example";

/** A client that sends `Authorization: Bearer` and keeps what `X-Session-Token` gives it. */
class HeaderClient implements Client {
  #token: string | undefined;

  request(path = "/", init: RequestInit = {}): Request {
    const headers = new Headers(init.headers);
    if (this.#token !== undefined) headers.set("authorization", `Bearer ${this.#token}`);
    return new Request(new URL(path, ORIGIN).href, { ...init, headers });
  }

  receive(response: Response): void {
    const token = response.headers.get("x-session-token");
    if (token !== null) this.#token = token || undefined;
  }

  get token(): string | undefined {
    return this.#token;
  }

  present(token: string): void {
    this.#token = token;
  }
}

/** A client that follows links: the token stands in their query. */
class QueryClient implements Client {
  #token: string | undefined;

  request(path = "/", init: RequestInit = {}): Request {
    const url = new URL(path, ORIGIN);
    if (this.#token !== undefined) url.searchParams.set("session", this.#token);
    return new Request(url.href, init);
  }

  receive(_response: Response, session?: { readonly token: string | undefined }): void {
    this.#token = session?.token ?? this.#token;
  }

  get token(): string | undefined {
    return this.#token;
  }

  present(token: string): void {
    this.#token = token;
  }
}

/** Every way a token travels, with the client that goes with it. */
export const TRANSPORTS: readonly (readonly [
  name: string,
  transport: () => Transport,
  client: () => Client,
])[] = [
  ["a cookie", () => new CookieToken(), () => new Browser()],
  ["a header", () => new HeaderToken(), () => new HeaderClient()],
  ["the query", () => new QueryToken(), () => new QueryClient()],
  [
    "the first of cookie and header, to a browser",
    () => firstOf(new CookieToken(), new HeaderToken()),
    () => new Browser(),
  ],
  [
    "the first of header and cookie, to an app",
    () => firstOf(new HeaderToken(), new CookieToken()),
    () => new HeaderClient(),
  ],
];
