// The calls that the two providers make, with keys of a test's own. A provider derives its keys from a secret and lets nobody put
// another in; so its one derivation call is made to give the test's key, and all other calls are its own.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import nodeModule from "node:crypto";
import process from "node:process";
import { nodeCrypto } from "../../src/codec/nodecrypto.ts";
import type { Bytes, DerivedKeys, SealKey } from "../../src/codec/provider.ts";
import { webCrypto } from "../../src/codec/webcrypto.ts";
import { secret } from "./keys.ts";

/** Bytes of their hexadecimal digits. */
export function hex(digits: string): Bytes {
  return Uint8Array.from(Buffer.from(digits, "hex"));
}

/** The hexadecimal digits of bytes. */
export function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString("hex");
}

const SECRET: Bytes = new TextEncoder().encode(secret(1));

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

/** The keys of a provider whose every derivation gives this key. */
export interface Rig {
  readonly name: string;
  /** Its MAC key of these bytes. */
  mac(key: Bytes): Promise<DerivedKeys["token"]>;
  /** Its AES-256-GCM key of these bytes. */
  seal(key: Bytes): Promise<SealKey>;
  /** The first bytes that its HKDF gives, as its key id. */
  hkdf(ikm: Bytes, salt: Bytes, info: Bytes): Promise<number>;
}

/** node:crypto with another hkdfSync, found as the provider finds it. */
async function onNode(hkdfSync: unknown): Promise<DerivedKeys> {
  const module = { ...nodeModule, hkdfSync };
  const provider = await replaced(process, "getBuiltinModule", () => module, nodeCrypto);
  assert.ok(provider);
  return await provider.derive(SECRET);
}

/** node:crypto. */
export const nodeRig: Rig = {
  name: "node:crypto",
  mac: async (key) => (await onNode(() => key)).token,
  seal: async (key) => await (await onNode(() => key)).sealedData(new Uint8Array(16)),
  hkdf: async (ikm, salt, info) => {
    const { id } = await onNode((
      hash: string,
      ...[, , , length]: [object, Bytes, string, number]
    ) => nodeModule.hkdfSync(hash, ikm, salt, info, length));
    return id;
  },
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

/** Web Crypto. */
export const webRig: Rig = {
  name: "Web Crypto",
  mac: (key) => onWeb(key, ({ token }) => token),
  seal: (key) => onWeb(key, async (keys) => await keys.sealedData(new Uint8Array(16))),
  hkdf: async (ikm, salt, info) => {
    const { subtle } = crypto;
    const own = subtle.deriveBits.bind(subtle);
    const deriveBits = async (
      algorithm: { name: string; hash: string; salt: Bytes; info: Bytes },
      { usages }: CryptoKey,
      length: number,
    ) => {
      const root = await subtle.importKey("raw", ikm, "HKDF", false, usages);
      return await own({ ...algorithm, salt, info }, root, length);
    };
    const { id } = await replaced(subtle, "deriveBits", deriveBits, () => webCrypto.derive(SECRET));
    return id;
  },
};
