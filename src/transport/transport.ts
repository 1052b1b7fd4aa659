/** The least of a request that a transport reads. A Web `Request` fits; so does any object a framework wraps it in. */
export interface RequestLike {
  /** The request's header fields; `get` joins repeated fields with `, ` as Fetch does. */
  readonly headers: { get(name: string): string | null };
  /** The absolute URL of the request. */
  readonly url: string;
  /** The request's method; needed by origin checks only. */
  readonly method?: string;
}

/** How a session's token is kept by the client. Each session has a copy; later changes of the store's do not reach it. */
export interface SessionOptions {
  /** The cookie's Path (RFC 6265bis section 4.1.2.4). Default `/`. */
  path: string;
  /** The cookie's Domain (section 4.1.2.3). Default none: the host that set it, and no other. */
  domain?: string | undefined;
  /**
   * Seconds since the last save until the session ends. Above 0: the cookie gets Max-Age and Expires. 0: the cookie ends
   * with the browser, the record with the store's `maxAge`. Below 0: the next save deletes record and token.
   */
  maxAge: number;
  /** Send the cookie over HTTPS only (section 4.1.2.5). Default true. */
  secure: boolean;
  /** Keep the cookie from scripts (section 4.1.2.6). Default true. */
  httpOnly: boolean;
  /** When other sites' requests carry the cookie (section 4.1.2.7). Default `lax`; `none` needs `secure`. */
  sameSite: "strict" | "lax" | "none";
  /** Keep a cookie of an embedded page apart by top-level site (CHIPS). Needs `secure`. Default false. */
  partitioned: boolean;
  /** Which cookies a full browser drops first. Default none. */
  priority?: "low" | "medium" | "high" | undefined;
}

/** What a request presents on one channel. */
export type Presented =
  /** Texts that may be tokens, as they were found. More than one where a client sent several of one name. */
  | { readonly channel: Transport; readonly tokens: readonly [string, ...string[]] }
  /** Something was presented that breaks the channel's rules; the reason never quotes it. */
  | { readonly channel: Transport; readonly refused: string };

/** The response that a token is written to or cleared from. */
export interface Answer {
  /** The request that is being answered. */
  readonly request: RequestLike;
  /** The session's name. */
  readonly name: string;
  /** The session's options. */
  readonly options: Readonly<SessionOptions>;
  /** The response's status; undefined where only its headers are at hand. */
  readonly status: number | undefined;
  /** The time of the answer, in milliseconds since 1970. */
  readonly now: number;
}

/**
 * Where the token travels. A transport is stateless: one object serves all requests.
 *
 * `read` never throws for what a client sent: nothing presented is `undefined`, nonsense is `refused`.
 * `write` and `clear` throw `TypeError` for a name or an option that the channel cannot carry.
 */
export interface Transport {
  /** Whether browsers add the token to requests on their own, also to those that another site's page makes: cookies. */
  readonly ambient: boolean;
  /** What the request presents under this session name. */
  read(request: RequestLike, name: string): Presented | undefined;
  /** Puts the token on the response, replacing what an earlier call for the same name put there. */
  write(headers: Headers, token: string, answer: Answer): void;
  /** Tells the client to forget the token, replacing what an earlier call for the same name put there. */
  clear(headers: Headers, answer: Answer): void;
  /** Marks any response that depends on a session read here: `Vary` and what else keeps it out of caches and logs. */
  annotate(headers: Headers): void;
  /** Throws `TypeError` or `RangeError` where a session of this name and these options could not be carried. */
  check(name: string, options: Readonly<SessionOptions>): void;
}
