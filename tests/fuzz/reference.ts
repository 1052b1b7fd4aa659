// The formats of SECURITY.md once more, written from the document alone and on node:crypto: what src/codec must agree with.
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import type { DataBinding, OpenedData, OpenedToken } from "../../src/codec/codec.ts";

type Bytes = Uint8Array<ArrayBuffer>;

/** What is derived from one secret. */
export interface Keys {
  readonly id: number;
  readonly token: Buffer;
  readonly signedData: Buffer;
  readonly data: Buffer;
}

/** SECURITY.md section 2. */
export function keysOf(secret: string): Keys {
  return {
    id: hkdf(secret, "", "mongostore/v1/key-id", 4).readUInt32BE(),
    token: hkdf(secret, "", "mongostore/v1/token", 32),
    signedData: hkdf(secret, "", "mongostore/v1/signed-data", 32),
    data: hkdf(secret, "", "mongostore/v1/data", 32),
  };
}

/** A message under a label and a name. */
export function bound(label: string, name: string, ...parts: readonly Uint8Array[]): Buffer {
  const bytes = Buffer.from(name);
  const length = Buffer.from([bytes.length >> 8, bytes.length & 0xff]);
  return Buffer.concat([Buffer.from(`${label}\0`), length, bytes, ...parts]);
}

/** HMAC-SHA-256. */
export function mac(key: Uint8Array, message: Uint8Array): Buffer {
  return createHmac("sha256", key).update(message).digest();
}

/** The fields of a token before its MAC, section 3. */
export function tokenHead(
  version: number,
  keyId: number,
  issued: number,
  id: Uint8Array,
): Buffer {
  const head = Buffer.alloc(34);
  head.writeUInt8(version, 0);
  head.writeUInt32BE(keyId, 1);
  head.writeUIntBE(issued, 5, 5);
  head.set(id, 10);
  return head;
}

/** Opens a token, section 3. */
export function openToken(
  ring: readonly Keys[],
  lifetime: number,
  [name, text, now]: readonly [string, string, number],
): OpenedToken {
  const invalid: OpenedToken = { ok: false, reason: "invalid" };
  const bytes = canonical(text);
  if (bytes?.length !== 66 || bytes[0] !== 1) return invalid;
  const key = ring.find(({ id }) => id === bytes.readUInt32BE(1));
  const head = bytes.subarray(0, 34);
  if (
    !key || !mac(key.token, bound("mongostore/v1/token", name, head)).equals(bytes.subarray(34))
  ) {
    return invalid;
  }
  const age = Math.floor(now / 1000) - bytes.readUIntBE(5, 5);
  if (!(age >= -60)) return invalid;
  if (age > lifetime) return { ok: false, reason: "expired" };
  return { ok: true, id: new Uint8Array(bytes.subarray(10, 34)), stale: key !== ring[0] };
}

/** The parts of a data's binding, section 4: _id and created. */
export function placeOf({ key, created }: DataBinding): readonly [Buffer, Buffer] {
  const time = Buffer.alloc(8);
  time.writeBigInt64BE(BigInt(created));
  return [Buffer.from(key), time];
}

/** Seals data, section 4, with a tag of any length. */
export function seal(
  keys: Keys,
  [version, keyId]: readonly [number, number],
  [salt, nonce]: readonly [Uint8Array, Uint8Array],
  aad: Uint8Array,
  plaintext: Uint8Array,
  authTagLength = 16,
): Bytes {
  const cipher = createCipheriv("aes-256-gcm", epochKey(keys, salt), nonce, { authTagLength });
  cipher.setAAD(aad);
  const sealed = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  const head = Buffer.alloc(5);
  head.writeUInt8(version, 0);
  head.writeUInt32BE(keyId, 1);
  return new Uint8Array(Buffer.concat([head, salt, nonce, sealed]));
}

/** Opens sealed data, section 4. */
export function openSealed(
  ring: readonly Keys[],
  data: Bytes | string,
  binding: DataBinding,
): OpenedData {
  if (typeof data === "string" || data.length < 49 || !Number.isSafeInteger(binding.created)) {
    return { ok: false };
  }
  const bytes = Buffer.from(data);
  const key = ring.find(({ id }) => id === bytes.readUInt32BE(1));
  if (bytes[0] !== 1 || !key) return { ok: false };
  const nonce = bytes.subarray(21, 33);
  const decipher = createDecipheriv("aes-256-gcm", epochKey(key, bytes.subarray(5, 21)), nonce, {
    authTagLength: 16,
  });
  decipher.setAAD(bound("mongostore/v1/data", binding.name, ...placeOf(binding)));
  decipher.setAuthTag(bytes.subarray(-16));
  try {
    const plaintext = Buffer.concat([decipher.update(bytes.subarray(33, -16)), decipher.final()]);
    return { ok: true, text: fromUtf8(plaintext), stale: key !== ring[0] };
  } catch {
    return { ok: false };
  }
}

/** Opens signed data: the text after a seal of 50 characters and a full stop. */
export function openSigned(
  ring: readonly Keys[],
  data: Bytes | string,
  binding: DataBinding,
): OpenedData {
  if (typeof data !== "string" || data[50] !== "." || !Number.isSafeInteger(binding.created)) {
    return { ok: false };
  }
  if (Buffer.from(data).toString() !== data) return { ok: false }; // not text: a lone surrogate
  const bytes = canonical(data.slice(0, 50));
  const text = data.slice(51);
  const key = ring.find(({ id }) => id === bytes?.readUInt32BE(1));
  if (bytes?.[0] !== 1 || !key) return { ok: false };
  const message = signedMessage(text, binding);
  if (!mac(key.signedData, message).equals(bytes.subarray(5))) return { ok: false };
  return { ok: true, text, stale: key !== ring[0] };
}

/** What the MAC of signed data covers. */
export function signedMessage(text: string, binding: DataBinding): Buffer {
  return bound(
    "mongostore/v1/signed-data",
    binding.name,
    ...placeOf(binding),
    Buffer.from(text),
  );
}

/** The bytes of base64url text without padding, in its one spelling. */
export function canonical(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : undefined;
}

/** The bytes of padded base64url text, in its one spelling. */
export function canonicalPadded(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, "base64url");
  return padded(bytes) === text ? bytes : undefined;
}

/** Padded base64url, as Go's base64.URLEncoding. */
export function padded(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

function hkdf(
  secret: string | Uint8Array,
  salt: string | Uint8Array,
  info: string,
  length: number,
): Buffer {
  return Buffer.from(hkdfSync("sha256", secret, salt, info, length));
}

function epochKey(keys: Keys, salt: Uint8Array): Buffer {
  return hkdf(keys.data, salt, "mongostore/v1/data-epoch", 32);
}

function fromUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}
