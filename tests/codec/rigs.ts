// The calls that the two providers make, with keys from outside. A provider derives its keys from a secret and lets nobody put
// another in; so its one derivation call is made to give the wanted key, and all other calls are its own.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import nodeModule from "node:crypto";
import process from "node:process";
import { nodeCrypto } from "../../src/codec/nodecrypto.ts";
import type { Bytes, DerivedKeys, SealKey } from "../../src/codec/provider.ts";
import { webCrypto } from "../../src/codec/webcrypto.ts";
import { secret } from "./keys.ts";

/** The bytes that these digits spell. */
export function hex(digits: string): Bytes {
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

/** The digits of bytes. */
export function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString("hex");
}

const SECRET = new TextEncoder().encode(secret(1));

/** Puts a function in the place of an object's own or inherited one while `work` runs. */
async function replaced<T>(
  target: object,
  name: string,
  value: unknown,
  work: () => T | Promise<T>,
): Promise<T> {
  const own = Object.getOwnPropertyDescriptor(target, name);
  assert.ok(Reflect.defineProperty(target, name, { value, configurable: true, writable: true }));
  try {
    return await work();
  } finally {
    if (own) Reflect.defineProperty(target, name, own);
    else Reflect.deleteProperty(target, name);
  }
}

/** A provider whose derivations are in the hands of a test. */
export interface Rig {
  readonly name: string;
  /** Its MAC key of these bytes. */
  mac(key: Bytes): Promise<DerivedKeys["token"]>;
  /** Its AES-256-GCM key of these bytes. */
  seal(key: Bytes): Promise<SealKey>;
  /** All that its HKDF derives from this input, whatever the secret, the salt and the info it would take. */
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes): Promise<DerivedKeys>;
}

/** node:crypto with another hkdfSync, found as the provider finds it. */
async function onNode(hkdfSync: unknown): Promise<DerivedKeys> {
  const module = { ...nodeModule, hkdfSync };
  const provider = await replaced(process, "getBuiltinModule", () => module, nodeCrypto);
  assert.ok(provider);
  return await provider.derive(SECRET);
}

/** On `node:crypto`. */
export const nodeRig: Rig = {
  name: "node:crypto",
  mac: async (key) => (await onNode(() => key)).token,
  seal: async (key) => await (await onNode(() => key)).sealedData(new Uint8Array(16)),
  hkdf: (ikm, salt, info) =>
    onNode((hash: string, ...[, , , length]: [object, Bytes, string, number]) =>
      nodeModule.hkdfSync(hash, ikm, salt, info, length)
    ),
};

/** Web Crypto whose deriveKey gives this key, for the algorithm and the usages that the provider asks for. */
async function onWeb<T>(key: Bytes, use: (keys: DerivedKeys) => T | Promise<T>): Promise<T> {
  const { subtle } = crypto;
  const importKey = subtle.importKey.bind(subtle);
  const deriveKey = (
    _hkdf: object,
    _base: CryptoKey,
    { name }: { name: "HMAC" | "AES-GCM" },
    extractable: boolean,
    usages: KeyUsage[],
  ) =>
    name === "HMAC"
      ? importKey("raw", key, { name, hash: "SHA-256" }, extractable, usages)
      : importKey("raw", key.length === 32 ? key : new Uint8Array(32), name, extractable, usages);
  return await replaced(
    subtle,
    "deriveKey",
    deriveKey,
    async () => await use(await webCrypto.derive(SECRET)),
  );
}

type KeyUsage = "encrypt" | "decrypt" | "sign" | "verify";

/** On Web Crypto. */
export const webRig: Rig = {
  name: "Web Crypto",
  mac: (key) => onWeb(key, ({ token }) => token),
  seal: (key) => onWeb(key, async (keys) => await keys.sealedData(new Uint8Array(16))),
  hkdf: async (ikm, salt, info) => {
    const { subtle } = crypto;
    const [bits, key] = [subtle.deriveBits.bind(subtle), subtle.deriveKey.bind(subtle)];
    const root = () => subtle.importKey("raw", ikm, "HKDF", false, ["deriveBits", "deriveKey"]);
    const deriveBits = async (algorithm: HkdfOf, _base: CryptoKey, length: number) =>
      await bits({ ...algorithm, salt, info }, await root(), length);
    const deriveKey = async (
      algorithm: HkdfOf,
      _base: CryptoKey,
      derived: { name: string; hash: string; length: number },
      extractable: boolean,
      usages: KeyUsage[],
    ) => await key({ ...algorithm, salt, info }, await root(), derived, extractable, usages);
    return await replaced(
      subtle,
      "deriveBits",
      deriveBits,
      () => replaced(subtle, "deriveKey", deriveKey, () => webCrypto.derive(SECRET)),
    );
  },
};

interface HkdfOf {
  readonly name: string;
  readonly hash: string;
  readonly salt: Bytes;
  readonly info: Bytes;
}
