import { type Bytes, type CryptoProvider, INFO, type MacKey, type SealKey } from "./provider.ts";

/** The Web Crypto of the runtime. Every key is non-extractable. */
export const webCrypto: CryptoProvider = {
  async derive(secret) {
    const root = await importRoot(secret);
    const [id, token, signedData, base] = await Promise.all([
      deriveBytes(root, INFO.keyId, 4),
      deriveMac(root, INFO.token),
      deriveMac(root, INFO.signedData),
      deriveBytes(root, INFO.data, 32).then(importRoot),
    ]);
    return {
      id: new DataView(id.buffer).getUint32(0),
      token,
      signedData,
      sealedData: (salt) => deriveSeal(base, INFO.dataEpoch, salt),
    };
  },
};

function importRoot(secret: Bytes): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", secret, "HKDF", false, ["deriveBits", "deriveKey"]);
}

const encoder = new TextEncoder();

function hkdf(info: string, salt: Bytes) {
  return { name: "HKDF", hash: "SHA-256", salt, info: encoder.encode(info) };
}

const NO_SALT: Bytes = new Uint8Array(0);

async function deriveBytes(root: CryptoKey, info: string, length: number): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.deriveBits(hkdf(info, NO_SALT), root, length * 8));
}

async function deriveMac(root: CryptoKey, info: string): Promise<MacKey> {
  const algorithm = { name: "HMAC", hash: "SHA-256", length: 256 };
  const key = await crypto.subtle.deriveKey(
    hkdf(info, NO_SALT),
    root,
    algorithm,
    false,
    ["sign", "verify"],
  );
  return {
    sign: async (message) => new Uint8Array(await crypto.subtle.sign("HMAC", key, message)),
    verify: (mac, message) => crypto.subtle.verify("HMAC", key, mac, message),
  };
}

async function deriveSeal(base: CryptoKey, info: string, salt: Bytes): Promise<SealKey> {
  const algorithm = { name: "AES-GCM", length: 256 };
  const key = await crypto.subtle.deriveKey(
    hkdf(info, salt),
    base,
    algorithm,
    false,
    ["encrypt", "decrypt"],
  );
  return {
    seal: async (nonce, aad, plaintext) =>
      new Uint8Array(await crypto.subtle.encrypt(gcm(nonce, aad), key, plaintext)),
    open: (nonce, aad, sealed) =>
      crypto.subtle.decrypt(gcm(nonce, aad), key, sealed)
        .then((plaintext) => new Uint8Array(plaintext), () => undefined),
  };
}

// Node and Bun would accept tags of 4 bytes: the length is always said.
function gcm(iv: Bytes, additionalData: Bytes) {
  return { name: "AES-GCM", iv, additionalData, tagLength: 128 };
}
