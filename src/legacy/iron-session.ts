import { decodeBase64Url } from "../base64url.ts";
import { CorruptRecordError } from "../errors.ts";
import type { LegacyCall, LegacyReader, LegacySession } from "./legacy.ts";
import { OldToken, type OldTokenOptions } from "./old-token.ts";
import { sessionOf } from "./values.ts";

// The cookie of iron-session 6 to 8, sealed by iron-webcrypto:
//   "Fe26.2" * password id * salt (64) * IV, base64url (22) * AES-256-CBC ciphertext, base64url * ends, ms since 1970, or nothing
//   * salt of the MAC (64) * HMAC-SHA-256, base64url (43) · "~2"
// The MAC covers the text before its salt. Both keys come from the password by PBKDF2-SHA-1, one iteration, over the salt's text.
const SHAPE =
  /^(Fe26\.2\*(\w{0,64})\*([0-9a-f]{64})\*([\w-]{22})\*([\w-]{22,4096})\*([1-9][0-9]{0,15})?)\*([0-9a-f]{64})\*([\w-]{43})~2$/;
const ITERATIONS = 1;
const KEY_BITS = 256;
const MIN_PASSWORD_LENGTH = 32;

/** Options of {@linkcode ironSessionReader}. */
export interface IronSessionOptions extends OldTokenOptions {
  /** iron-session's `cookieName`. Default: the session's name. */
  readonly cookie?: string;
  /** iron-session's `password`: text, or texts by their ids. At least 32 characters each, as there. */
  readonly password: string | Readonly<Record<string, string>>;
}

/**
 * Reads the sessions of iron-session 6 to 8, whose sealed cookie holds the values themselves. What is past its `ttl` counts
 * as ended. Throws `TypeError` where there is no password, `RangeError` for a short one.
 *
 * @example
 * ```ts
 * import { CookieToken } from "mongostore";
 * import { ironSessionReader } from "mongostore/legacy";
 *
 * const reader = ironSessionReader({
 *   token: new CookieToken(),
 *   cookie: "my-app",
 *   password: "complex_password_at_least_32_characters_long",
 * });
 * console.log(reader.name); // iron-session
 * ```
 */
export function ironSessionReader(options: IronSessionOptions): LegacyReader {
  return new IronSessionReader(options);
}

class IronSessionReader implements LegacyReader {
  readonly name = "iron-session";
  readonly ambient: boolean;
  readonly #old: OldToken;
  readonly #subject: OldTokenOptions["subject"];
  readonly #passwords: ReadonlyMap<string, string>;

  constructor(options: IronSessionOptions) {
    const { cookie, password, subject } = options;
    this.#old = new OldToken(cookie, options, (token) => SHAPE.test(token));
    this.ambient = this.#old.ambient;
    this.#subject = subject;
    this.#passwords = passwordsOf(password);
  }

  read(...[request, sessionName]: Parameters<LegacyReader["read"]>): readonly string[] {
    return this.#old.presentedIn(request, sessionName);
  }

  async open(token: string, { now }: LegacyCall): Promise<LegacySession | undefined> {
    // 1. The parts, and the password that the id names.
    if (!this.#old.countsAt(now) || !this.#old.isShaped(token)) return undefined;
    const [
      ,
      signed = "",
      id = "",
      salt = "",
      iv64 = "",
      sealed64 = "",
      ends,
      macSalt = "",
      mac64 = "",
    ] = SHAPE.exec(token) ?? [];
    const password = this.#passwords.get(id);
    const mac = decodeBase64Url(mac64);
    if (password === undefined || !mac) return undefined;
    // 2. The MAC.
    const root = await crypto.subtle.importKey("raw", encoder.encode(password), "PBKDF2", false, [
      "deriveKey",
    ]);
    const hmac = { name: "HMAC", hash: "SHA-256", length: KEY_BITS };
    const macKey = await deriveKey(root, macSalt, hmac, ["verify"]);
    const authentic = await crypto.subtle.verify("HMAC", macKey, mac, encoder.encode(signed));
    if (!authentic) return undefined;
    // 3. The time, now that it can be believed.
    const expires = ends === undefined ? undefined : Number(ends);
    if (expires !== undefined && !(expires > now)) return undefined;
    // 4. The values.
    const key = await deriveKey(root, salt, { name: "AES-CBC", length: KEY_BITS }, ["decrypt"]);
    const session = sessionOf(await unsealed(key, iv64, sealed64), this.#subject, { expires });
    if (!session) throw new CorruptRecordError("the seal of iron-session holds no object");
    return session;
  }

  clear(...[headers, answer, ended]: Parameters<LegacyReader["clear"]>): void {
    this.#old.clear(headers, answer, ended);
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

function deriveKey(
  root: CryptoKey,
  salt: string,
  algorithm: { readonly name: string; readonly hash?: string; readonly length: number },
  usages: ("verify" | "decrypt")[],
): Promise<CryptoKey> {
  const pbkdf2 = {
    name: "PBKDF2",
    hash: "SHA-1",
    salt: encoder.encode(salt),
    iterations: ITERATIONS,
  };
  return crypto.subtle.deriveKey(pbkdf2, root, algorithm, false, usages);
}

/** The JSON in the seal; `undefined` where it does not open. The parser's error would quote it. */
async function unsealed(key: CryptoKey, iv64: string, sealed64: string): Promise<unknown> {
  const iv = decodeBase64Url(iv64);
  const sealed = decodeBase64Url(sealed64);
  if (!iv || !sealed) return undefined;
  try {
    const text = decoder.decode(await crypto.subtle.decrypt({ name: "AES-CBC", iv }, key, sealed));
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** iron-session gives a single password the id 1. */
function passwordsOf(password: IronSessionOptions["password"]): ReadonlyMap<string, string> {
  const passwords = new Map(
    Object.entries(typeof password === "string" ? { 1: password } : password),
  );
  if (passwords.size === 0) throw new TypeError("cannot use the option password: there is none");
  for (const text of passwords.values()) {
    if (text.length < MIN_PASSWORD_LENGTH) {
      throw new RangeError("cannot use the option password: one has less than 32 characters");
    }
  }
  return passwords;
}
