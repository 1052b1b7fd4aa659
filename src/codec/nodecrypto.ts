import { type Bytes, type CryptoProvider, INFO, type MacKey, type SealKey } from "./provider.ts";
import { hmacBlocks, hmacSha256, sha256 } from "./sha256.ts";

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

/**
 * The fastest SHA-256 of a short message on this runtime. Node and Bun have one in a single call. Deno's takes four times as
 * long as plain code, and other runtimes have none that answers at once.
 */
export function fastSha256(): (message: Bytes) => Bytes {
  const module = find();
  return hasHash(module) && !IS_DENO ? hashOf(module) : sha256;
}

function find(): unknown {
  const host: { process?: { getBuiltinModule?: (name: string) => unknown } } = globalThis;
  return host.process?.getBuiltinModule?.("node:crypto");
}

const IS_DENO: boolean = "Deno" in globalThis;
const IS_BUN: boolean = "Bun" in globalThis;

/** The one-call hash of `node:crypto`. */
interface NodeHash {
  hash(name: "sha256", message: Bytes, encoding: "latin1"): string;
}

/** Text of one character a byte comes in a third of the time that a Buffer takes. */
function hashOf(node: NodeHash): (message: Bytes) => Bytes {
  return (message) => {
    const text = node.hash("sha256", message, "latin1");
    const digest = new Uint8Array(32);
    for (let i = 0; i < digest.length; i++) digest[i] = text.charCodeAt(i);
    return digest;
  };
}

function hasHash(module: unknown): module is NodeHash {
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
        token: macKey(node, hkdf(root, NO_SALT, INFO.token, 32)),
        signedData: macKey(node, hkdf(root, NO_SALT, INFO.signedData, 32)),
        sealedData: (salt) => sealKey(node, derived(base, salt, INFO.dataEpoch)),
      };
    },
  };
}

function macKey(node: NodeCrypto, key: Bytes): MacKey {
  const sign = signer(node, key);
  return {
    sign,
    verify: (mac, message) => mac.length === 32 && node.timingSafeEqual(mac, sign(message)),
  };
}

/** The fastest HMAC-SHA-256 of a short message on this runtime; see docs/performance.md. */
function signer(node: NodeCrypto, key: Bytes): (message: Bytes) => Bytes {
  if (IS_DENO) return hmacSha256(key);
  const secret = node.createSecretKey(key);
  if (!hasHash(node) || IS_BUN) {
    return (message) => node.createHmac("sha256", secret).update(message).digest();
  }
  // RFC 2104: H(K xor opad, H(K xor ipad, message)). Two calls of the one-call hash take a third of the time of a Hmac object.
  const hash = hashOf(node);
  const [inner, outer] = hmacBlocks(key, hash);
  return (message) => hash(joined(outer, hash(joined(inner, message))));
}

/** Where short messages are joined: an array of more than 64 bytes takes longer to make than to hash. */
const scratch = new Uint8Array(512);

function joined(block: Bytes, message: Bytes): Bytes {
  const length = block.length + message.length;
  const all = length <= scratch.length ? scratch.subarray(0, length) : new Uint8Array(length);
  all.set(block);
  all.set(message, block.length);
  return all;
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
