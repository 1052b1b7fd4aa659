import { decodeBase64Url, decodeInto, encodeBase64Url } from "../base64url.ts";
import { binder, timeBytes } from "./bind.ts";
import type {
  Awaitable,
  DataBinding,
  DataCodec,
  OpenedData,
  OpenedToken,
  TokenCodec,
} from "./codec.ts";
import { SESSION_ID_BYTES } from "./id.ts";
import type { Keyring } from "./keyring.ts";
import { type Bytes, chain } from "./provider.ts";

const VERSION = 1;

// The token, 66 bytes as 88 characters of base64url:
//   version 0x01 (1) · key id (4) · issued, seconds since 1970 (5, big-endian) · session id (24) · HMAC-SHA-256 (32)
// The MAC covers "mongostore/v1/token" · 0x00 · length of name (2) · name in UTF-8 · the 34 bytes before the MAC.
const bindToken = binder("mongostore/v1/token");
const TOKEN_SHAPE = /^[A-Za-z0-9_-]{88}$/;
const TOKEN_BYTES = 66;
const ID_AT = 10;
const MAC_AT = ID_AT + SESSION_ID_BYTES;
const MAX_SKEW_SECONDS = 60;

/** Options of {@linkcode signedToken}. */
export interface SignedTokenOptions {
  /** The greatest age of a token, in seconds. Default none: a store sets its own `lifetime`. */
  readonly lifetime?: number | undefined;
}

/**
 * Protects a session id as a signed token: 88 characters of base64url, bound to the session's name
 * and the time of issue with HMAC-SHA-256. The first key signs, all of them verify.
 *
 * @example
 * ```ts
 * import { generateKey, Keyring, signedToken } from "mongostore";
 *
 * const codec = signedToken(new Keyring([generateKey()]), { lifetime: 86_400 });
 * const id = crypto.getRandomValues(new Uint8Array(24));
 * const token = await codec.encode("sid", id, Date.now());
 * console.log((await codec.decode("sid", token, Date.now())).ok); // true
 * console.log((await codec.decode("other", token, Date.now())).ok); // false
 * ```
 */
export function signedToken(keyring: Keyring, options: SignedTokenOptions = {}): TokenCodec {
  return new SignedToken(keyring, options);
}

class SignedToken implements TokenCodec {
  readonly #keyring: Keyring;
  #lifetime = Infinity;

  constructor(keyring: Keyring, options: SignedTokenOptions) {
    this.#keyring = keyring;
    if (options.lifetime !== undefined) this.maxAge(options.lifetime);
  }

  recognizes(token: string): boolean {
    return token.length === 88 && TOKEN_SHAPE.test(token);
  }

  encode(name: string, id: Bytes, now: number): Awaitable<string> {
    if (id.length !== SESSION_ID_BYTES) throw new RangeError("a session id takes 24 bytes");
    const issued = Math.floor(now / 1000);
    if (!(issued >= 0 && issued < 2 ** 40)) throw new RangeError("now is out of range");
    return chain(this.#keyring.derive(), () => {
      const key = this.#keyring.first;
      // 1. The version, the key, the time and the id.
      const head = new Uint8Array(MAC_AT);
      head[0] = VERSION;
      writeUint32(head, 1, key.id);
      head[5] = issued / 2 ** 32;
      writeUint32(head, 6, issued);
      head.set(id, ID_AT);
      // 2. The MAC over them and the name.
      return chain(key.token.sign(bindToken(name, head)), (mac) => {
        scratch.set(head);
        scratch.set(mac, MAC_AT);
        // 3. Text.
        return encodeBase64Url(scratch);
      });
    });
  }

  decode(name: string, text: string, now: number): Awaitable<OpenedToken> {
    // 3. Text, in its one spelling.
    if (!decodeInto(text, scratch) || scratch[0] !== VERSION) return INVALID;
    const head = scratch.slice(0, MAC_AT);
    const mac = scratch.slice(MAC_AT);
    const age = Math.floor(now / 1000) - ((head[5] ?? 0) * 2 ** 32 + readUint32(head, 6));
    if (!(age >= -MAX_SKEW_SECONDS)) return INVALID;
    return chain(this.#keyring.derive(), () => {
      const key = this.#keyring.byId(readUint32(head, 1));
      if (!key) return INVALID;
      // 2. The MAC.
      return chain(key.token.verify(mac, bindToken(name, head)), (authentic): OpenedToken => {
        if (!authentic) return INVALID;
        // 1. The time, now that it can be believed, and the id.
        if (age > this.#lifetime) return { ok: false, reason: "expired" };
        return { ok: true, id: head.slice(ID_AT), stale: key !== this.#keyring.first };
      });
    });
  }

  maxAge(seconds: number): void {
    if (!(seconds > 0 && seconds < Infinity)) {
      throw new RangeError("a token's greatest age is a finite number of seconds above 0");
    }
    this.#lifetime = seconds;
  }
}

const INVALID: OpenedToken = { ok: false, reason: "invalid" };

/** A token's bytes on their way from or to text; nothing waits while they stand here. */
const scratch = new Uint8Array(TOKEN_BYTES);

function readUint32(bytes: Uint8Array, at: number): number {
  const high = (bytes[at] ?? 0) * 2 ** 24;
  return high + ((bytes[at + 1] ?? 0) << 16 | (bytes[at + 2] ?? 0) << 8 | (bytes[at + 3] ?? 0));
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = value >>> 8 * (3 - i);
}

// Signed data, text that stays readable:
//   base64url of version 0x01 (1) · key id (4) · HMAC-SHA-256 (32), 50 characters · "." (1) · serialized text
// The MAC covers "mongostore/v1/signed-data" · 0x00 · length of name (2) · name · _id (20) · created, ms (8) · text in UTF-8.
const bindData = binder("mongostore/v1/signed-data");
const SEAL_BYTES = 37;
const SEAL_CHARS = 50;
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * Stores the values as readable text with a MAC before it: authentic, bound to its record, and not
 * secret from whoever reads the collection. The first key signs, all of them verify.
 *
 * @example
 * ```ts
 * import { generateKey, Keyring, signedData } from "mongostore";
 *
 * const codec = signedData(new Keyring([generateKey()]));
 * const binding = { name: "sid", key: new Uint8Array(20), created: Date.now() };
 * const data = await codec.protect('{"cart":[]}', binding);
 * console.log(await codec.open(data, binding)); // { ok: true, text: '{"cart":[]}', stale: false }
 * console.log(await codec.open(data, { ...binding, name: "other" })); // { ok: false }
 * ```
 */
export function signedData(keyring: Keyring): DataCodec {
  return new SignedData(keyring);
}

class SignedData implements DataCodec {
  readonly #keyring: Keyring;

  constructor(keyring: Keyring) {
    this.#keyring = keyring;
  }

  protect(text: string, binding: DataBinding): Awaitable<string> {
    const message = dataMessage(text, binding);
    if (!message) throw new RangeError("created is not a whole number of milliseconds");
    return chain(this.#keyring.derive(), () => {
      const key = this.#keyring.first;
      // 1. The MAC over the record and the text.
      return chain(key.signedData.sign(message), (mac) => {
        // 2. The version, the key and the MAC.
        const seal = new Uint8Array(SEAL_BYTES);
        const view = new DataView(seal.buffer);
        view.setUint8(0, VERSION);
        view.setUint32(1, key.id);
        seal.set(mac, 5);
        // 3. Text.
        return `${encodeBase64Url(seal)}.${text}`;
      });
    });
  }

  open(data: Bytes | string, binding: DataBinding): Awaitable<OpenedData> {
    // 3. Text.
    if (typeof data !== "string" || data[SEAL_CHARS] !== ".") return UNOPENED;
    const seal = decodeBase64Url(data.slice(0, SEAL_CHARS));
    const text = data.slice(SEAL_CHARS + 1);
    // A lone surrogate has the bytes of U+FFFD, so the MAC cannot tell it.
    const message = LONE_SURROGATE.test(text) ? undefined : dataMessage(text, binding);
    if (!seal || !message) return UNOPENED;
    // 2. The version and the key.
    const view = new DataView(seal.buffer);
    if (view.getUint8(0) !== VERSION) return UNOPENED;
    return chain(this.#keyring.derive(), () => {
      const key = this.#keyring.byId(view.getUint32(1));
      if (!key) return UNOPENED;
      // 1. The MAC.
      return chain(
        key.signedData.verify(seal.subarray(5), message),
        (authentic): OpenedData =>
          authentic ? { ok: true, text, stale: key !== this.#keyring.first } : UNOPENED,
      );
    });
  }
}

const UNOPENED: OpenedData = { ok: false };

const encoder = new TextEncoder();

function dataMessage(text: string, { name, key, created }: DataBinding): Bytes | undefined {
  const time = timeBytes(created);
  return time && bindData(name, key, time, encoder.encode(text));
}
