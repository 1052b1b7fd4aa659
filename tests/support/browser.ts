import { CookieJar } from "tough-cookie";

/** What keeps a token between requests. */
export interface Client {
  /** The next request of this client. */
  request(path?: string, init?: RequestInit): Request;
  /** Takes the token out of a response, or forgets it where the response says so. */
  receive(response: Response, session?: { readonly token: string | undefined }): void;
  /** The text this client would present; undefined where it has none. */
  readonly token: string | undefined;
  /** Makes the client present this text. */
  present(token: string): void;
}

/** A browser as far as cookies go: a jar that keeps RFC 6265bis by an implementation that is not ours. */
export class Browser implements Client {
  readonly #origin: string;
  readonly #name: string;
  #jar = new CookieJar();

  constructor(name = "session", origin = "https://app.example") {
    this.#name = name;
    this.#origin = origin;
  }

  request(path = "/", init: RequestInit = {}): Request {
    const url = new URL(path, this.#origin);
    const headers = new Headers(init.headers);
    const cookie = this.#jar.getCookieStringSync(url.href);
    if (cookie) headers.set("cookie", cookie);
    return new Request(url.href, { ...init, headers });
  }

  receive(response: Response): void {
    for (const cookie of response.headers.getSetCookie()) {
      this.#jar.setCookieSync(cookie, `${this.#origin}/`);
    }
  }

  get token(): string | undefined {
    return this.#jar.getCookiesSync(`${this.#origin}/`)
      .find((cookie) => cookie.key === this.#name)?.value;
  }

  present(token: string): void {
    this.#jar.setCookieSync(`${this.#name}=${token}; Path=/; Secure`, `${this.#origin}/`);
  }

  /** A second browser with the same cookies: a thief, or the other tab. */
  copy(): Browser {
    const other = new Browser(this.#name, this.#origin);
    other.#jar = this.#jar.cloneSync() ?? new CookieJar();
    return other;
  }
}

/** Sets the one Set-Cookie apart: its value, and its attributes by lower-case name. */
export function parseSetCookie(line: string): { value: string; attributes: Map<string, string> } {
  const [pair = "", ...rest] = line.split("; ");
  const attributes = rest.map((part): [string, string] => {
    const [name = "", ...value] = part.split("=");
    return [name.toLowerCase(), value.join("=")];
  });
  return { value: pair.slice(pair.indexOf("=") + 1), attributes: new Map(attributes) };
}
