import { constantTimeEqual } from "@oslojs/crypto/subtle";
import { systemRandom } from "../clock.ts";
import { WeakKeyError } from "../errors.ts";
import { encodeBase64Url } from "../base64url.ts";
import type { Awaitable } from "./codec.ts";
import type { Bytes, CryptoProvider, DerivedKeys } from "./provider.ts";
import { nodeCrypto } from "./nodecrypto.ts";
import { webCrypto } from "./webcrypto.ts";

const MIN_SECRET_BYTES = 32;

/**
 * Makes a key: 32 random bytes as base64url text, 43 characters. Keep it where secrets are kept.
 *
 * @example
 * ```ts
 * import { generateKey } from "mongostore";
 *
 * console.log(generateKey().length); // 43
 * ```
 */
export function generateKey(): string {
  return encodeBase64Url(systemRandom(MIN_SECRET_BYTES));
}

/**
 * The keys of a store, newest first: the first protects, all of them open. Nothing of a key can be
 * read from a key ring, by printing it or otherwise.
 *
 * @example
 * ```ts
 * import { generateKey, Keyring, signedToken } from "mongostore";
 *
 * const [newest, older] = [generateKey(), generateKey()];
 * const codec = signedToken(new Keyring([newest, older]));
 * const token = await codec.encode("sid", crypto.getRandomValues(new Uint8Array(24)), Date.now());
 * console.log(token.length); // 88
 * ```
 */
export class Keyring {
  readonly #provider: CryptoProvider;
  #secrets: readonly Bytes[];
  #keys: readonly DerivedKeys[] = [];
  #pending: Promise<void> | undefined;

  /**
   * Takes text (its UTF-8 bytes) or bytes, which are copied. Throws {@linkcode WeakKeyError} for an empty list, a key
   * of less than 32 bytes or of one repeated byte, and two equal keys; `TypeError` for what is neither text nor bytes.
   */
  constructor(
    keys: readonly (string | Uint8Array)[],
    provider: CryptoProvider = nodeCrypto() ?? webCrypto,
  ) {
    this.#provider = provider;
    this.#secrets = checkSecrets(keys);
  }

  /** Derives the keys, once. Fails with {@linkcode WeakKeyError} where two keys have one key id. */
  async ready(): Promise<void> {
    await this.derive();
  }

  /** What {@linkcode Keyring.ready} does, without a promise where nothing has to wait: after the first time, nothing has. */
  derive(): Awaitable<void> {
    if (this.#keys.length > 0) return;
    if (this.#pending) return this.#pending;
    const derived = this.#secrets.map((secret) => this.#provider.derive(secret));
    const done = derived.filter((keys): keys is DerivedKeys => !(keys instanceof Promise));
    if (done.length === derived.length) return this.#accept(done);
    return this.#pending = Promise.all(derived.map((keys) => Promise.resolve(keys)))
      .then((keys) => this.#accept(keys));
  }

  /** The key that protects. Throws before the ring is ready. */
  get first(): DerivedKeys {
    const first = this.#keys[0];
    if (!first) throw new TypeError("the key ring is not ready");
    return first;
  }

  /** The key of this id, where the ring has it. */
  byId(id: number): DerivedKeys | undefined {
    return this.#keys.find((key) => key.id === id);
  }

  #accept(keys: readonly DerivedKeys[]): void {
    for (const [i, key] of keys.entries()) {
      const j = keys.findIndex((other) => other.id === key.id);
      if (j < i) {
        throw new WeakKeyError(`keys[${i}] has the key id of keys[${j}]; generate another`);
      }
    }
    this.#keys = keys;
    this.#secrets = [];
  }
}

function checkSecrets(keys: readonly (string | Uint8Array)[]): readonly Bytes[] {
  if (!Array.isArray(keys)) throw new TypeError("keys is not a list");
  if (keys.length === 0) throw new WeakKeyError("keys is empty; generateKey() makes one");
  const secrets: Bytes[] = [];
  for (const [i, key] of keys.entries()) {
    const secret = toBytes(key, i);
    if (secret.length < MIN_SECRET_BYTES) {
      throw new WeakKeyError(`keys[${i}] has ${secret.length} bytes, at least 32 are needed`);
    }
    if (secret.every((byte) => byte === secret[0])) {
      throw new WeakKeyError(`keys[${i}] is one repeated byte`);
    }
    const same = secrets.findIndex((other) => constantTimeEqual(other, secret));
    if (same >= 0) throw new WeakKeyError(`keys[${i}] is the same as keys[${same}]`);
    secrets.push(secret);
  }
  return secrets;
}

function toBytes(key: unknown, i: number): Bytes {
  if (typeof key === "string") return new TextEncoder().encode(key);
  if (key instanceof Uint8Array) return new Uint8Array(key);
  throw new TypeError(
    `keys[${i}] is neither text nor bytes but ${key === null ? "null" : typeof key}`,
  );
}
