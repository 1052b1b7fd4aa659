import { type Clock, type RandomBytes, systemClock, systemRandom } from "../clock.ts";
import { decodeBase64Url, encodeBase64Url } from "../base64url.ts";
import { decodeGobString, encodeGobString } from "./gob.ts";
import type { Bytes } from "./provider.ts";

// The format of gorilla/securecookie 1.1:
//   base64url, padded, of: timestamp, seconds since 1970 in decimal · "|" · value · "|" · HMAC (32, or 64 with SHA-512)
//   value: base64url, padded, of the serialized value; with a block key of: IV (16) · AES-CTR ciphertext
// The MAC covers name · "|" · timestamp · "|" · value, and may itself hold a "|".
const PIPE = 0x7c;
const IV_BYTES = 16;
const MAX_SKEW_SECONDS = 60;
const TIMESTAMP = /^(?:0|[1-9][0-9]{0,14})$/;

/** A key: text counts as its UTF-8 bytes, as in `[]byte("…")`. Bytes are copied. */
export type CookieKey = string | Uint8Array;

/** Turns a value into bytes and back. Either way throws for what it cannot take. */
export interface CookieSerializer<T> {
  /** The bytes of a value. */
  serialize(value: T): Uint8Array;
  /** The value of bytes that are authentic: written by a holder of the key. */
  deserialize(bytes: Uint8Array<ArrayBuffer>): T;
}

/** How values are protected. What the Go service sets has to be set the same here. */
export interface SecureCookieOptions {
  /** The hash of the HMAC. Default `sha256`, as in Go. */
  readonly hash?: "sha256" | "sha512";
  /** The greatest age that opens, in seconds. Default 2,592,000 (30 days), as in Go. 0: any. */
  readonly maxAge?: number;
  /** The least age that opens, in seconds. Default 0. */
  readonly minAge?: number;
  /** The greatest length of the text, in characters. Default 4,096, as in Go. 0: any. */
  readonly maxLength?: number;
  /** The clock, for tests. */
  readonly clock?: Clock;
  /** The random source, for tests. */
  readonly random?: RandomBytes;
}

/** {@linkcode SecureCookieOptions} with a serializer of the user's choice. */
export interface SerializedCookieOptions<T> extends SecureCookieOptions {
  /** How values become bytes: {@linkcode jsonValue}, {@linkcode rawValue}, {@linkcode gobString} or one of your own. */
  readonly serializer: CookieSerializer<T>;
}

/**
 * Why a text does not open, in the order of the checks. Until `too-new`, nobody with the key has written this text for this name.
 *
 * - `too-long`: longer than `maxLength`
 * - `not-base64`: not the one spelling in padded base64url
 * - `not-authentic`: another key, hash or name, or altered
 * - `bad-timestamp`: authentic, without a time
 * - `future`: from more than 60 seconds in the future (Go lets that pass)
 * - `too-new`: younger than `minAge`
 * - `expired`: older than `maxAge`
 * - `not-encrypted`: authentic, too short for what a block key wrote
 * - `unreadable`: authentic, and not what the serializer reads
 */
export type SecureCookieFlaw =
  | "too-long"
  | "not-base64"
  | "not-authentic"
  | "bad-timestamp"
  | "future"
  | "too-new"
  | "expired"
  | "not-encrypted"
  | "unreadable";

/** What came of opening a text. */
export type DecodedCookie<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reason: SecureCookieFlaw };

/** What came of opening a text with several codecs: one reason for each where none did. */
export type DecodedMulti<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly reasons: readonly SecureCookieFlaw[] };

/** Protects values as gorilla/securecookie does. What a client sent never makes it throw. */
export interface SecureCookie<T> {
  /**
   * The text of a value, bound to the cookie's name. `now` is in milliseconds since 1970; default: the clock's.
   * Rejects with `TypeError` for a value that cannot be serialized, with `RangeError` for a text above `maxLength`.
   */
  encode(name: string, value: T, now?: number): Promise<string>;
  /** The value of a text that arrived under this name, or why there is none. `now` is in milliseconds since 1970. */
  decode(name: string, text: string, now?: number): Promise<DecodedCookie<T>>;
  /** Sets the greatest age that opens, in seconds; 0: any. */
  maxAge(seconds: number): void;
}

/**
 * JSON, byte for byte as Go's `JSONEncoder` spells the same value (objects in the order of their keys here).
 *
 * @example
 * ```ts
 * import { jsonValue, securecookie } from "mongostore/securecookie";
 *
 * const codec = securecookie("a hash key", undefined, { serializer: jsonValue });
 * console.log(await codec.decode("sid", await codec.encode("sid", { n: 1 }))); // { ok: true, value: { n: 1 } }
 * ```
 */
export const jsonValue: CookieSerializer<unknown> = {
  serialize(value) {
    const text: string | undefined = JSON.stringify(value);
    if (text === undefined) throw new TypeError("the value has no JSON");
    return encoder.encode(`${text.replace(/[<>&\u2028\u2029]/g, escaped)}\n`);
  },
  deserialize: (bytes) => JSON.parse(decoder.decode(bytes), refuseProto),
};

/**
 * Bytes as they are: Go's `NopEncoder`.
 *
 * @example
 * ```ts
 * import { rawValue, securecookie } from "mongostore/securecookie";
 *
 * const codec = securecookie("a hash key", undefined, { serializer: rawValue });
 * const decoded = await codec.decode("sid", await codec.encode("sid", new Uint8Array([1, 2])));
 * console.log(decoded.ok); // true
 * ```
 */
export const rawValue: CookieSerializer<Uint8Array> = {
  serialize(value) {
    if (!(value instanceof Uint8Array)) throw new TypeError("the value is not bytes");
    return value;
  },
  deserialize: (bytes) => bytes,
};

/**
 * One string in Go's gob encoding: what kidstuff/mongostore puts into its cookie. Other gobs are not read.
 *
 * @example
 * ```ts
 * import { gobString, securecookie } from "mongostore/securecookie";
 *
 * const codec = securecookie("a hash key", undefined, { serializer: gobString });
 * console.log(await codec.decode("sid", await codec.encode("sid", "42"))); // { ok: true, value: "42" }
 * ```
 */
export const gobString: CookieSerializer<string> = {
  serialize(value) {
    if (typeof value !== "string") throw new TypeError("the value is not text");
    return encodeGobString(value);
  },
  deserialize(bytes) {
    const text = decodeGobString(bytes);
    if (text === undefined) throw new TypeError("not a gob of one string");
    return text;
  },
};

/**
 * Protects values in the format of gorilla/securecookie 1.1, for services that share cookies with Go. Without a block key values are
 * authentic and readable; a block key of 16, 24 or 32 bytes encrypts them too. Values are JSON unless `serializer` says otherwise.
 *
 * Throws `TypeError` for a hash key that is missing or empty, and `RangeError` for a block key of another length.
 *
 * @example
 * ```ts
 * import { gobString, securecookie } from "mongostore/securecookie";
 *
 * const cookie = securecookie("the hash key of the Go service", "16 bytes of key.", { maxAge: 3600 });
 * const text = await cookie.encode("prefs", { theme: "dark" });
 * console.log(await cookie.decode("prefs", text)); // { ok: true, value: { theme: "dark" } }
 * console.log(await cookie.decode("other", text)); // { ok: false, reason: "not-authentic" }
 *
 * const ids = securecookie("the hash key of the Go service", undefined, { serializer: gobString });
 * console.log(await ids.decode("sid", await ids.encode("sid", "42"))); // { ok: true, value: "42" }
 * ```
 */
export function securecookie(
  hashKey: CookieKey,
  blockKey?: CookieKey,
  options?: SecureCookieOptions & { readonly serializer?: undefined },
): SecureCookie<unknown>;
export function securecookie<T>(
  hashKey: CookieKey,
  blockKey: CookieKey | undefined,
  options: SerializedCookieOptions<T>,
): SecureCookie<T>;
export function securecookie<T>(
  hashKey: CookieKey,
  blockKey?: CookieKey,
  options: SecureCookieOptions & { readonly serializer?: CookieSerializer<T> | undefined } = {},
): SecureCookie<T> | SecureCookie<unknown> {
  const { serializer } = options;
  return serializer
    ? new GorillaCookie(hashKey, blockKey, serializer, options)
    : new GorillaCookie(hashKey, blockKey, jsonValue, options);
}

/**
 * One codec for each pair in a list of hash key, block key, hash key, block key and so on, newest first; a last hash key may stand alone, and
 * `undefined` in a block key's place means none. Use them with {@linkcode encodeMulti} and {@linkcode decodeMulti} to rotate keys.
 *
 * @example
 * ```ts
 * import { codecsFromPairs, decodeMulti, encodeMulti } from "mongostore/securecookie";
 *
 * const old = codecsFromPairs(["the old hash key"]);
 * const text = await encodeMulti("sid", { user: "ann" }, old);
 * const rotated = codecsFromPairs(["the new hash key", undefined, "the old hash key"]);
 * console.log(await decodeMulti("sid", text, rotated)); // { ok: true, value: { user: "ann" } }
 * ```
 */
export function codecsFromPairs(
  keyPairs: readonly (CookieKey | undefined)[],
  options?: SecureCookieOptions & { readonly serializer?: undefined },
): SecureCookie<unknown>[];
export function codecsFromPairs<T>(
  keyPairs: readonly (CookieKey | undefined)[],
  options: SerializedCookieOptions<T>,
): SecureCookie<T>[];
export function codecsFromPairs<T>(
  keyPairs: readonly (CookieKey | undefined)[],
  options: SecureCookieOptions & { readonly serializer?: CookieSerializer<T> | undefined } = {},
): SecureCookie<T>[] | SecureCookie<unknown>[] {
  const { serializer } = options;
  return serializer
    ? eachPair(keyPairs, (hash, block) => new GorillaCookie(hash, block, serializer, options))
    : eachPair(keyPairs, (hash, block) => new GorillaCookie(hash, block, jsonValue, options));
}

/**
 * The text of a value by the first codec that makes one; that is the first, unless it fails. Rejects with `TypeError` where there is
 * no codec, and with an `AggregateError` that has each codec's error where all of them fail.
 *
 * @example
 * ```ts
 * import { codecsFromPairs, decodeMulti, encodeMulti } from "mongostore/securecookie";
 *
 * const codecs = codecsFromPairs(["the newest key", undefined, "an older key", undefined]);
 * const text = await encodeMulti("sid", { n: 1 }, codecs);
 * console.log((await decodeMulti("sid", text, codecs)).ok); // true
 * ```
 */
export async function encodeMulti<T>(
  name: string,
  value: T,
  codecs: readonly SecureCookie<T>[],
  now?: number,
): Promise<string> {
  if (codecs.length === 0) throw new TypeError(NO_CODECS);
  const errors: unknown[] = [];
  for (const codec of codecs) {
    try {
      return await codec.encode(name, value, now);
    } catch (error) {
      errors.push(error);
    }
  }
  throw new AggregateError(errors, `none of ${codecs.length} codecs can encode the value`);
}

/**
 * The value of a text by the first codec that opens it, or why each did not. Rejects with `TypeError` where there is no codec.
 *
 * @example
 * ```ts
 * import { codecsFromPairs, decodeMulti, encodeMulti } from "mongostore/securecookie";
 *
 * const codecs = codecsFromPairs(["the newest key", undefined, "an older key", undefined]);
 * const text = await encodeMulti("sid", { n: 1 }, codecs);
 * console.log((await decodeMulti("sid", text, codecs)).ok); // true
 * ```
 */
export async function decodeMulti<T>(
  name: string,
  text: string,
  codecs: readonly SecureCookie<T>[],
  now?: number,
): Promise<DecodedMulti<T>> {
  if (codecs.length === 0) throw new TypeError(NO_CODECS);
  const reasons: SecureCookieFlaw[] = [];
  for (const codec of codecs) {
    const opened = await codec.decode(name, text, now);
    if (opened.ok) return opened;
    reasons.push(opened.reason);
  }
  return { ok: false, reasons };
}

const NO_CODECS = "no codecs were given";

class GorillaCookie<T> implements SecureCookie<T> {
  readonly #serializer: CookieSerializer<T>;
  readonly #macBytes: number;
  readonly #minAge: number;
  readonly #maxLength: number;
  readonly #clock: Clock;
  readonly #random: RandomBytes;
  readonly #mac: () => Promise<CryptoKey>;
  readonly #block: (() => Promise<CryptoKey>) | undefined;
  #maxAge: number;

  constructor(
    hashKey: CookieKey,
    blockKey: CookieKey | undefined,
    serializer: CookieSerializer<T>,
    options: SecureCookieOptions,
  ) {
    const { hash = "sha256", maxAge = 2_592_000, minAge = 0, maxLength = 4096 } = options;
    if (hash !== "sha256" && hash !== "sha512") {
      throw new RangeError('cannot use the option hash: it must be "sha256" or "sha512"');
    }
    this.#serializer = serializer;
    this.#macBytes = hash === "sha256" ? 32 : 64;
    this.#maxAge = whole("maxAge", maxAge);
    this.#minAge = whole("minAge", minAge);
    this.#maxLength = whole("maxLength", maxLength);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    const algorithm = { name: "HMAC", hash: hash === "sha256" ? "SHA-256" : "SHA-512" };
    this.#mac = importOnce(hashKeyBytes(hashKey), algorithm, ["sign", "verify"]);
    this.#block = blockKey === undefined
      ? undefined
      : importOnce(blockKeyBytes(blockKey), { name: "AES-CTR" }, ["encrypt", "decrypt"]);
  }

  async encode(name: string, value: T, now: number = this.#clock.now()): Promise<string> {
    const timestamp = Math.floor(now / 1000);
    if (!TIMESTAMP.test(`${timestamp}`)) throw new RangeError("now is out of range");
    // 1. Serialize.
    let bytes = this.#serialize(value);
    // 2. Encrypt.
    if (this.#block) {
      if (bytes.length === 0) {
        throw new RangeError("an empty value would not open again: encrypt more");
      }
      const iv = this.#random(IV_BYTES);
      bytes = join(iv, await crypto.subtle.encrypt(ctr(iv), await this.#block(), bytes));
    }
    // 3. Text of the value.
    const signed = encoder.encode(`${name}|${timestamp}|${encodePadded(bytes)}`);
    // 4. The MAC over name, time and value; the name does not travel.
    const mac = await crypto.subtle.sign("HMAC", await this.#mac(), signed);
    const nameLength = encoder.encode(`${name}|`).length;
    // 5. Text.
    const text = encodePadded(join(signed.subarray(nameLength), [PIPE], mac));
    // 6. The length.
    if (this.#isTooLong(text)) {
      throw new RangeError(
        `the text takes ${text.length} characters, the limit is ${this.#maxLength}`,
      );
    }
    return text;
  }

  async decode(
    name: string,
    text: string,
    now: number = this.#clock.now(),
  ): Promise<DecodedCookie<T>> {
    // 6. The length.
    if (this.#isTooLong(text)) return failed("too-long");
    // 5. Text, in its one spelling.
    const bytes = decodePadded(text);
    if (!bytes) return failed("not-base64");
    // 4. The MAC behind the second "|"; nothing before it is looked at until it holds.
    const first = bytes.indexOf(PIPE);
    const second = bytes.indexOf(PIPE, first + 1);
    if (first < 0 || second < 0) return failed("not-authentic");
    const mac = bytes.slice(second + 1);
    const signed = join(encoder.encode(`${name}|`), bytes.subarray(0, second));
    const authentic = mac.length === this.#macBytes &&
      await crypto.subtle.verify("HMAC", await this.#mac(), mac, signed);
    if (!authentic) return failed("not-authentic");
    const flaw = this.#flawOfTime(ascii(bytes.subarray(0, first)), now);
    if (flaw) return failed(flaw);
    // 3. Text of the value.
    let value = decodePadded(ascii(bytes.subarray(first + 1, second)));
    if (!value) return failed("unreadable");
    // 2. Decrypt.
    if (this.#block) {
      if (value.length <= IV_BYTES) return failed("not-encrypted");
      const iv = value.slice(0, IV_BYTES);
      const plain = crypto.subtle.decrypt(ctr(iv), await this.#block(), value.slice(IV_BYTES));
      value = new Uint8Array(await plain);
    }
    // 1. Deserialize.
    try {
      return { ok: true, value: this.#serializer.deserialize(value) };
    } catch {
      return failed("unreadable"); // the serializer's error may quote the value
    }
  }

  maxAge(seconds: number): void {
    this.#maxAge = whole("maxAge", seconds);
  }

  #serialize(value: T): Bytes {
    try {
      return new Uint8Array(this.#serializer.serialize(value));
    } catch (cause) {
      throw new TypeError("the value cannot be serialized", { cause });
    }
  }

  #isTooLong(text: string): boolean {
    return this.#maxLength > 0 && text.length > this.#maxLength;
  }

  #flawOfTime(timestamp: string, now: number): SecureCookieFlaw | undefined {
    if (!TIMESTAMP.test(timestamp)) return "bad-timestamp";
    const age = Math.floor(now / 1000) - Number(timestamp);
    if (!(age >= -MAX_SKEW_SECONDS)) return "future";
    if (this.#minAge > 0 && age < this.#minAge) return "too-new";
    if (this.#maxAge > 0 && age > this.#maxAge) return "expired";
    return undefined;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

function failed(
  reason: SecureCookieFlaw,
): { readonly ok: false; readonly reason: SecureCookieFlaw } {
  return { ok: false, reason };
}

function eachPair<T>(
  keyPairs: readonly (CookieKey | undefined)[],
  make: (hashKey: CookieKey, blockKey: CookieKey | undefined) => T,
): T[] {
  const made: T[] = [];
  for (let i = 0; i < keyPairs.length; i += 2) made.push(make(keyPairs[i] ?? "", keyPairs[i + 1]));
  return made;
}

/** Go's `base64.URLEncoding` pads. */
function encodePadded(bytes: Uint8Array): string {
  const text = encodeBase64Url(bytes);
  return text + "=".repeat(-text.length & 3);
}

function decodePadded(text: string): Bytes | undefined {
  if (text.length % 4 !== 0) return undefined;
  return decodeBase64Url(text.endsWith("==") ? text.slice(0, -2) : text.replace(/=$/, ""));
}

/** Bytes as characters of the same codes: what is not ASCII fits no grammar that follows. */
function ascii(bytes: Uint8Array): string {
  return latin1.decode(bytes);
}

const latin1 = new TextDecoder("latin1");

function join(...parts: readonly (ArrayLike<number> | ArrayBuffer)[]): Bytes {
  const arrays = parts.map((part) => part instanceof ArrayBuffer ? new Uint8Array(part) : part);
  const bytes = new Uint8Array(arrays.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of arrays) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** Go counts in all 128 bits of the block; Web Crypto has to be told. */
function ctr(counter: Bytes) {
  return { name: "AES-CTR", counter, length: 128 };
}

/** Imports a key at its first use, once. The key is non-extractable. */
function importOnce(
  bytes: Bytes,
  algorithm: { readonly name: string; readonly hash?: string },
  usages: ("sign" | "verify" | "encrypt" | "decrypt")[],
): () => Promise<CryptoKey> {
  let key: Promise<CryptoKey> | undefined;
  return () => key ??= crypto.subtle.importKey("raw", bytes, algorithm, false, usages);
}

function hashKeyBytes(key: CookieKey): Bytes {
  const bytes = keyBytes(key);
  if (bytes.length === 0) throw new TypeError("the hash key is not set");
  return bytes;
}

function blockKeyBytes(key: CookieKey): Bytes {
  const bytes = keyBytes(key);
  if ([16, 24, 32].includes(bytes.length)) return bytes;
  throw new RangeError(`the block key has ${bytes.length} bytes, it takes 16, 24 or 32`);
}

function keyBytes(key: unknown): Bytes {
  if (typeof key === "string") return encoder.encode(key);
  if (key instanceof Uint8Array) return new Uint8Array(key);
  throw new TypeError("a key is neither text nor bytes");
}

function whole(option: string, value: number): number {
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new RangeError(`cannot use the option ${option}: it must be a whole number, 0 or more`);
}

/** As Go's encoding/json escapes for HTML. */
function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

function refuseProto(key: string, value: unknown): unknown {
  if (key === "__proto__") throw new TypeError("a key of this name");
  return value;
}
