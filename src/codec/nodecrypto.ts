import { type Bytes, type CryptoProvider, INFO, type MacKey, type SealKey } from "./provider.ts";

/** A key that its holder cannot read. */
type SecretKey = object;

interface Hmac {
  update(message: Bytes): Hmac;
  digest(): Bytes;
}

interface Cipher {
  setAAD(aad: Bytes): unknown;
  update(text: Bytes): Bytes;
  final(): Bytes;
  getAuthTag(): Bytes;
}

interface Decipher extends Pick<Cipher, "setAAD" | "update" | "final"> {
  setAuthTag(tag: Bytes): unknown;
}

/** The few functions of `node:crypto` that are called. */
interface NodeCrypto {
  createSecretKey(key: Bytes): SecretKey;
  hkdfSync(hash: "sha256", key: SecretKey, salt: Bytes, info: string, length: number): ArrayBuffer;
  createHmac(hash: "sha256", key: SecretKey): Hmac;
  timingSafeEqual(a: Bytes, b: Bytes): boolean;
  createCipheriv(name: "aes-256-gcm", key: SecretKey, iv: Bytes, options: GcmOptions): Cipher;
  createDecipheriv(name: "aes-256-gcm", key: SecretKey, iv: Bytes, options: GcmOptions): Decipher;
}

interface GcmOptions {
  readonly authTagLength: number;
}

const GCM: GcmOptions = { authTagLength: 16 };
const NO_SALT: Bytes = new Uint8Array(0);

/**
 * The `node:crypto` of a runtime that has it, found without an import. It answers at once where Web Crypto goes through a
 * queue, which takes longer than the work. `undefined` in other runtimes.
 */
export function nodeCrypto(): CryptoProvider | undefined {
  const module = find();
  return isNodeCrypto(module) ? provider(module) : undefined;
}

/** SHA-256 in one call of the same module; `undefined` where it has none. */
export function nodeSha256(): ((message: Bytes) => Bytes) | undefined {
  const module = find();
  return hasHash(module) ? (message) => module.hash("sha256", message, "buffer") : undefined;
}

function find(): unknown {
  const host: { process?: { getBuiltinModule?: (name: string) => unknown } } = globalThis;
  return host.process?.getBuiltinModule?.("node:crypto");
}

function hasHash(
  module: unknown,
): module is { hash(name: "sha256", message: Bytes, encoding: "buffer"): Bytes } {
  return typeof module === "object" && module !== null &&
    typeof Reflect.get(module, "hash") === "function";
}

const CALLED = [
  "createSecretKey",
  "hkdfSync",
  "createHmac",
  "timingSafeEqual",
  "createCipheriv",
  "createDecipheriv",
] as const;

function isNodeCrypto(module: unknown): module is NodeCrypto {
  if (typeof module !== "object" || module === null) return false;
  return CALLED.every((name) => typeof Reflect.get(module, name) === "function");
}

function provider(node: NodeCrypto): CryptoProvider {
  const hkdf = (key: SecretKey, salt: Bytes, info: string, length: number): Bytes =>
    new Uint8Array(node.hkdfSync("sha256", key, salt, info, length));
  const derived = (key: SecretKey, salt: Bytes, info: string): SecretKey =>
    node.createSecretKey(hkdf(key, salt, info, 32));
  return {
    derive(secret) {
      const root = node.createSecretKey(secret);
      const base = derived(root, NO_SALT, INFO.data);
      return {
        id: new DataView(hkdf(root, NO_SALT, INFO.keyId, 4).buffer).getUint32(0),
        token: macKey(node, derived(root, NO_SALT, INFO.token)),
        signedData: macKey(node, derived(root, NO_SALT, INFO.signedData)),
        sealedData: (salt) => sealKey(node, derived(base, salt, INFO.dataEpoch)),
      };
    },
  };
}

function macKey(node: NodeCrypto, key: SecretKey): MacKey {
  const sign = (message: Bytes) => node.createHmac("sha256", key).update(message).digest();
  return {
    sign,
    verify: (mac, message) => mac.length === 32 && node.timingSafeEqual(mac, sign(message)),
  };
}

function sealKey(node: NodeCrypto, key: SecretKey): SealKey {
  return {
    seal(nonce, aad, plaintext) {
      const cipher = node.createCipheriv("aes-256-gcm", key, nonce, GCM);
      cipher.setAAD(aad);
      // GCM has no blocks to fill: update gives the whole text, final only ends it.
      const ciphertext = cipher.update(plaintext);
      cipher.final();
      const sealed = new Uint8Array(ciphertext.length + GCM.authTagLength);
      sealed.set(ciphertext);
      sealed.set(cipher.getAuthTag(), ciphertext.length);
      return sealed;
    },
    open(nonce, aad, sealed) {
      const end = sealed.length - GCM.authTagLength;
      if (end < 0) return undefined;
      const decipher = node.createDecipheriv("aes-256-gcm", key, nonce, GCM);
      decipher.setAAD(aad);
      decipher.setAuthTag(sealed.subarray(end));
      const plaintext = decipher.update(sealed.subarray(0, end));
      try {
        decipher.final();
        return plaintext;
      } catch {
        return undefined;
      }
    },
  };
}
