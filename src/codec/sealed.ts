import { type Clock, type RandomBytes, systemClock, systemRandom } from "../clock.ts";
import { encodeBase64Url } from "../base64url.ts";
import { binder, timeBytes } from "./bind.ts";
import type { Awaitable, DataBinding, DataCodec, OpenedData } from "./codec.ts";
import type { Keyring } from "./keyring.ts";
import { type Bytes, chain, type DerivedKeys, type SealKey } from "./provider.ts";

// Sealed data:
//   version 0x01 (1) · key id (4) · epoch salt (16) · nonce (12) · AES-256-GCM ciphertext · tag (16)
// The AAD is "mongostore/v1/data" · 0x00 · length of name (2) · name · _id (20) · created, ms (8).
// The key of an epoch is HKDF-SHA-256 of the base key, with the epoch salt and the info "mongostore/v1/data-epoch".
const VERSION = 1;
const bind = binder("mongostore/v1/data");
const SALT_AT = 5;
const NONCE_AT = 21;
const CIPHERTEXT_AT = 33;
const TAG_BYTES = 16;

/** Options of {@linkcode sealedData}. */
export interface SealedDataOptions {
  /** Times the epochs. Default the runtime's. */
  readonly clock?: Pick<Clock, "monotonic"> | undefined;
  /** Gives salts and nonces. Default the runtime's. */
  readonly random?: RandomBytes | undefined;
  /** How many messages one epoch seals. Default 2^24. */
  readonly epochMessages?: number | undefined;
  /** How long one epoch seals, in milliseconds. Default an hour. */
  readonly epochMs?: number | undefined;
  /** How many epochs' keys are kept for reading. Default 1,024. */
  readonly cachedEpochs?: number | undefined;
}

/**
 * Seals the values with AES-256-GCM, bound to their record: whoever has the collection but no key
 * can neither read nor change nor swap them. The first key seals, all of them open.
 *
 * @example
 * ```ts
 * import { generateKey, Keyring, sealedData } from "mongostore";
 *
 * const codec = sealedData(new Keyring([generateKey()]));
 * const binding = { name: "sid", key: new Uint8Array(20), created: Date.now() };
 * const data = await codec.protect('{"cart":[]}', binding);
 * console.log(await codec.open(data, binding)); // { ok: true, text: '{"cart":[]}', stale: false }
 * console.log(await codec.open(data, { ...binding, name: "other" })); // { ok: false }
 * ```
 */
export function sealedData(keyring: Keyring, options: SealedDataOptions = {}): DataCodec {
  return new SealedData(keyring, options);
}

/** A span of time in which this process seals under one key of its own. */
interface Epoch {
  readonly key: DerivedKeys;
  /** What its data begins with: the version, the key id and the salt. */
  readonly head: Bytes;
  readonly sealKey: Awaitable<SealKey>;
  readonly ends: number;
  messages: number;
}

class SealedData implements DataCodec {
  readonly #keyring: Keyring;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #random: RandomBytes;
  readonly #epochMessages: number;
  readonly #epochMs: number;
  readonly #cachedEpochs: number;
  #epoch: Epoch | undefined;
  /** The keys of epochs that opened something, the least recently used first. */
  readonly #proven = new Map<string, SealKey>();
  /** The last used of them. */
  #last: { readonly name: string; readonly sealKey: SealKey } | undefined;
  /** The keys of epochs that have opened nothing yet, while something tries. */
  readonly #unproven = new Map<string, Awaitable<SealKey>>();

  constructor(keyring: Keyring, options: SealedDataOptions) {
    this.#keyring = keyring;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#epochMessages = options.epochMessages ?? 2 ** 24;
    this.#epochMs = options.epochMs ?? 3_600_000;
    this.#cachedEpochs = options.cachedEpochs ?? 1024;
  }

  protect(text: string, binding: DataBinding): Awaitable<Bytes> {
    const aad = dataAad(binding);
    if (!aad) throw new RangeError("created is not a whole number of milliseconds");
    return chain(this.#keyring.derive(), () => {
      // 1. The key of this process's epoch.
      const epoch = this.#currentEpoch();
      return chain(epoch.sealKey, (sealKey) => {
        // 2. The version, the key, the salt and a new nonce.
        const nonce = this.#random(CIPHERTEXT_AT - NONCE_AT);
        // 3. The ciphertext and the tag.
        return chain(sealKey.seal(nonce, aad, encoder.encode(text)), (sealed) => {
          const data = new Uint8Array(CIPHERTEXT_AT + sealed.length);
          data.set(epoch.head);
          data.set(nonce, NONCE_AT);
          data.set(sealed, CIPHERTEXT_AT);
          return data;
        });
      });
    });
  }

  open(data: Bytes | string, binding: DataBinding): Awaitable<OpenedData> {
    const aad = dataAad(binding);
    if (typeof data === "string" || data.length < CIPHERTEXT_AT + TAG_BYTES || !aad) {
      return UNOPENED;
    }
    return chain(this.#keyring.derive(), () => {
      // 2. The version, the key, the salt and the nonce.
      const key = this.#keyring.byId(new DataView(data.buffer, data.byteOffset).getUint32(1));
      if (data[0] !== VERSION || !key) return UNOPENED;
      const nonce = data.subarray(NONCE_AT, CIPHERTEXT_AT);
      // 1. The key of the writer's epoch.
      const name = encodeBase64Url(data.subarray(1, NONCE_AT));
      return chain(this.#keyOf(name, key, data.slice(SALT_AT, NONCE_AT)), (sealKey) => {
        // 3. The ciphertext and the tag.
        const opened = sealKey.open(nonce, aad, data.subarray(CIPHERTEXT_AT));
        return chain(opened, (plaintext): OpenedData => {
          this.#unproven.delete(name);
          if (!plaintext) return UNOPENED;
          this.#remember(name, sealKey);
          const text = decoder.decode(plaintext);
          return { ok: true, text, stale: key !== this.#keyring.first };
        });
      });
    });
  }

  #currentEpoch(): Epoch {
    const key = this.#keyring.first;
    const now = this.#clock.monotonic();
    let epoch = this.#epoch;
    if (
      !epoch || epoch.key !== key || epoch.messages >= this.#epochMessages || now >= epoch.ends
    ) {
      const salt = this.#random(NONCE_AT - SALT_AT);
      const head = new Uint8Array(NONCE_AT);
      new DataView(head.buffer).setUint32(1, key.id);
      head[0] = VERSION;
      head.set(salt, SALT_AT);
      const ends = now + this.#epochMs;
      epoch = { key, head, sealKey: key.sealedData(salt), ends, messages: 0 };
      this.#epoch = epoch;
    }
    epoch.messages++;
    return epoch;
  }

  /** The key of an epoch. Salts come from the database: one that opens nothing is derived once for all that wait, and then forgotten. */
  #keyOf(name: string, key: DerivedKeys, salt: Bytes): Awaitable<SealKey> {
    if (name === this.#last?.name) return this.#last.sealKey;
    const known = this.#proven.get(name) ?? this.#unproven.get(name);
    if (known) return known;
    const sealKey = key.sealedData(salt);
    this.#unproven.set(name, sealKey);
    return sealKey;
  }

  #remember(name: string, sealKey: SealKey): void {
    if (name === this.#last?.name) return;
    this.#last = { name, sealKey };
    this.#proven.delete(name);
    this.#proven.set(name, sealKey);
    if (this.#proven.size <= this.#cachedEpochs) return;
    for (const oldest of this.#proven.keys()) {
      this.#proven.delete(oldest);
      return;
    }
  }
}

const UNOPENED: OpenedData = { ok: false };

const encoder = new TextEncoder();
// Without fatal: what was sealed was text. A byte order mark is part of the text.
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function dataAad({ name, key, created }: DataBinding): Bytes | undefined {
  const time = timeBytes(created);
  return time && bind(name, key, time);
}
