import { decodeBase64Url } from "../base64url.ts";
import type { LegacyCall, LegacyReader, LegacySession } from "./legacy.ts";
import { OldToken, type OldTokenOptions } from "./old-token.ts";
import { sessionOf } from "./values.ts";

// The cookie of express-session, percent-encoded, signed by cookie-signature:
//   "s:" · id · "." · base64 without padding of HMAC-SHA-256 over the id (43)
// The id has no fixed length and may hold a "."; the signature holds none.
const SHAPE = /^s(?::|%3[Aa]).{1,4096}$/s;
const SIGNATURE = /^[A-Za-z0-9+/]{43}$/;

/**
 * Loads the session of an id from an older store, as it is there: `values` may still hold express-session's own `cookie`.
 * Gives `undefined` where there is none, or where it has ended.
 */
export type LegacyLoader = (id: string, call: LegacyCall) => Promise<LegacySession | undefined>;

/** Options of {@linkcode expressSessionReader}. */
export interface ExpressSessionOptions extends OldTokenOptions {
  /** express-session's `name`. Default `connect.sid`, as there. */
  readonly cookie?: string;
  /** express-session's `secret`, as a list: each of them opens. */
  readonly secrets: readonly (string | Uint8Array)[];
  /** Where the sessions are: `connectMongoLoader(collection)`, or a function of yours. */
  readonly load: LegacyLoader;
}

/**
 * Reads the sessions of express-session: the cookie `s:id.signature`, and the values from wherever `load` finds them. Throws
 * `TypeError` where there is no secret, or an empty one.
 *
 * @example
 * ```ts
 * import { CookieToken, createMemoryStore, generateKey } from "mongostore";
 * import { expressSessionReader } from "mongostore/legacy";
 *
 * const old = new Map([["q3Zl8xHv", JSON.stringify({ cookie: {}, userId: "42" })]]);
 * const store = createMemoryStore({
 *   keys: [generateKey()],
 *   legacy: [expressSessionReader({
 *     token: new CookieToken(),
 *     secrets: ["keyboard cat"],
 *     load: async (id) => ({ values: JSON.parse(old.get(id) ?? "null") }),
 *   })],
 * });
 * ```
 */
export function expressSessionReader(options: ExpressSessionOptions): LegacyReader {
  return new ExpressSessionReader(options);
}

class ExpressSessionReader implements LegacyReader {
  readonly name = "express-session";
  readonly ambient: boolean;
  readonly #old: OldToken;
  readonly #load: LegacyLoader;
  readonly #subject: OldTokenOptions["subject"];
  readonly #keys: () => Promise<readonly CryptoKey[]>;

  constructor(options: ExpressSessionOptions) {
    const { cookie = "connect.sid", secrets, load, subject } = options;
    this.#old = new OldToken(cookie, options, (token) => SHAPE.test(token));
    this.ambient = this.#old.ambient;
    this.#load = load;
    this.#subject = subject;
    this.#keys = importOnce(secrets);
  }

  read(...[request, sessionName]: Parameters<LegacyReader["read"]>): readonly string[] {
    return this.#old.presentedIn(request, sessionName);
  }

  async open(token: string, call: LegacyCall): Promise<LegacySession | undefined> {
    if (!this.#old.countsAt(call.now) || !this.#old.isShaped(token)) return undefined;
    const id = await this.#idOf(token);
    const found = id === undefined ? undefined : await this.#load(id, call);
    return found && sessionOf(found.values, this.#subject, { ...found, omit: "cookie" });
  }

  clear(...[headers, answer, ended]: Parameters<LegacyReader["clear"]>): void {
    this.#old.clear(headers, answer, ended);
  }

  /** The id of an authentic token. */
  async #idOf(token: string): Promise<string | undefined> {
    const text = percentDecoded(token);
    const dot = text?.lastIndexOf(".") ?? -1;
    if (text === undefined || dot <= 2 || !text.startsWith("s:")) return undefined;
    const id = text.slice(2, dot);
    const signature = text.slice(dot + 1);
    if (!SIGNATURE.test(signature)) return undefined;
    const mac = decodeBase64Url(signature.replaceAll("+", "-").replaceAll("/", "_"));
    if (!mac) return undefined;
    const message = encoder.encode(id);
    for (const key of await this.#keys()) {
      if (await crypto.subtle.verify("HMAC", key, mac, message)) return id;
    }
    return undefined;
  }
}

const encoder = new TextEncoder();

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

function importOnce(
  secrets: readonly (string | Uint8Array)[],
): () => Promise<readonly CryptoKey[]> {
  if (!Array.isArray(secrets) || secrets.length === 0) {
    throw new TypeError("cannot use the option secrets: it is no list, or it is empty");
  }
  const bytes = secrets.map((secret: string | Uint8Array) =>
    typeof secret === "string" ? encoder.encode(secret) : new Uint8Array(secret)
  );
  if (bytes.some((secret) => secret.length === 0)) {
    throw new TypeError("cannot use the option secrets: one of them is empty");
  }
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  let keys: Promise<readonly CryptoKey[]> | undefined;
  return () =>
    keys ??= Promise.all(
      bytes.map((secret) => crypto.subtle.importKey("raw", secret, algorithm, false, ["verify"])),
    );
}
