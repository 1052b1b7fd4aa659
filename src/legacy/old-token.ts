import type { Answer, RequestLike, SessionOptions, Transport } from "../transport/transport.ts";

/** Options that all readers share. */
export interface OldTokenOptions {
  /** Where the older system's tokens travel, such as `new CookieToken()`. */
  readonly token: Transport;
  /** Ask nothing of the older system from this time on. Default: never stop. */
  readonly until?: Date;
  /** The Path of the older system's cookie. Default `/`. */
  readonly path?: string;
  /** The Domain of the older system's cookie. Default none. */
  readonly domain?: string;
  /**
   * Leave the older system's token with the client after a session was taken over, while both systems serve the same clients
   * or a way back is needed. Default false. A session that ends here takes it along in either case.
   */
  readonly keep?: boolean;
  /** The user that a session with these values belongs to. Default: none is known. */
  readonly subject?: (values: Readonly<Record<string, unknown>>) => string | undefined;
}

/** The shape of the tokens of `signedToken`. No reader looks at one, whatever its own shape would allow. */
const OURS = /^[A-Za-z0-9_-]{88}$/;

/** Finds and clears the tokens of an older system. */
export class OldToken {
  /** See `LegacyReader.ambient`. */
  readonly ambient: boolean;
  readonly #transport: Transport;
  readonly #name: string | undefined;
  readonly #hasShape: (token: string) => boolean;
  readonly #keep: boolean;
  readonly #until: number;
  readonly #place: Pick<SessionOptions, "path" | "domain">;

  /**
   * `name` is that of the cookie; without one, the session's. Throws `TypeError` for a name, a path or a domain that no cookie has,
   * and `RangeError` for an `until` that is no time.
   */
  constructor(
    name: string | undefined,
    { token, keep = false, until, path = "/", domain }: OldTokenOptions,
    hasShape: (token: string) => boolean,
  ) {
    this.ambient = token.ambient;
    this.#transport = token;
    this.#name = name;
    this.#hasShape = hasShape;
    this.#keep = keep;
    this.#until = until?.getTime() ?? Infinity;
    if (Number.isNaN(this.#until)) {
      throw new RangeError("cannot use the option until: it is no time");
    }
    this.#place = { path, domain };
    if (name !== undefined) token.check(name, { ...EXPIRED, ...this.#place });
  }

  /** The name of the older system's cookie. */
  nameIn(sessionName: string): string {
    return this.#name ?? sessionName;
  }

  /** The texts in the request that have the shape of the older system's tokens. */
  presentedIn(request: RequestLike, sessionName: string): readonly string[] {
    const presented = this.#transport.read(request, this.nameIn(sessionName));
    if (!presented || "refused" in presented) return [];
    return presented.tokens.filter((token) => this.isShaped(token));
  }

  /** Whether a text has the shape of the older system's tokens, and not of ours. */
  isShaped(token: string): boolean {
    return !OURS.test(token) && this.#hasShape(token);
  }

  /** Whether the older system still counts at this time, in milliseconds since 1970. */
  countsAt(now: number): boolean {
    return now < this.#until;
  }

  /** See `LegacyReader.clear`. */
  clear(headers: Headers, answer: Answer, ended: boolean): void {
    const { request, name, options } = answer;
    if ((this.#keep && !ended) || this.presentedIn(request, name).length === 0) return;
    const cleared = { ...EXPIRED, ...this.#place, secure: options.secure };
    this.#transport.clear(headers, { ...answer, name: this.nameIn(name), options: cleared });
  }
}

const EXPIRED: SessionOptions = {
  path: "/",
  maxAge: 0,
  secure: true,
  httpOnly: true,
  sameSite: "lax",
  partitioned: false,
};
