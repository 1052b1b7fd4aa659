import type { Awaitable } from "./codec.ts";

/** Bytes that own their buffer, as Web Crypto wants them. */
export type Bytes = Uint8Array<ArrayBuffer>;

/** A key of HMAC-SHA-256. */
export interface MacKey {
  /** The MAC of a message, 32 bytes. */
  sign(message: Bytes): Awaitable<Bytes>;
  /** Compares in constant time. */
  verify(mac: Bytes, message: Bytes): Awaitable<boolean>;
}

/** A key of AES-256-GCM. Nonces take 12 bytes, tags 16. */
export interface SealKey {
  /** The ciphertext with the tag behind it. */
  seal(nonce: Bytes, aad: Bytes, plaintext: Bytes): Awaitable<Bytes>;
  /** The plaintext; `undefined` where anything was altered. */
  open(nonce: Bytes, aad: Bytes, sealed: Bytes): Awaitable<Bytes | undefined>;
}

/** What is derived from one secret. */
export interface DerivedKeys {
  /** The key id, 4 bytes read as a big-endian number. */
  readonly id: number;
  /** Signs tokens. */
  readonly token: MacKey;
  /** Signs data that stays readable. */
  readonly signedData: MacKey;
  /** Derives the key that seals the data of one epoch; the salt takes 16 bytes. */
  sealedData(salt: Bytes): Awaitable<SealKey>;
}

/** The primitives that hold a key. Providers agree byte for byte; one that never waits gives no promises. */
export interface CryptoProvider {
  /** Derives the keys of a secret with HKDF-SHA-256, no salt, and the infos of {@linkcode INFO}. */
  derive(secret: Bytes): Awaitable<DerivedKeys>;
}

/** The HKDF infos: each derived key has one purpose. */
export const INFO = {
  keyId: "mongostore/v1/key-id",
  token: "mongostore/v1/token",
  data: "mongostore/v1/data",
  dataEpoch: "mongostore/v1/data-epoch",
  signedData: "mongostore/v1/signed-data",
} as const;

/** Uses a value: at once where it is there, else when it comes. */
export function chain<T, R>(value: Awaitable<T>, use: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(use) : use(value);
}
