import type { RandomBytes } from "../clock.ts";
import { binder } from "./bind.ts";
import { fastSha256 } from "./nodecrypto.ts";

/** The length of a session id. */
export const SESSION_ID_BYTES = 24;
/** The length of a record's `_id`. */
export const RECORD_KEY_BYTES = 20;

const TIME_BYTES = 4;

const digest = fastSha256();
const bind = binder("mongostore/v1/id");
const bindForeign = binder("mongostore/v1/sid");

/**
 * Makes a session id from the time, in milliseconds since 1970, and a random source:
 *
 *     seconds since 1970 (4, big-endian) · random (20)
 */
export function newSessionId(now: number, random: RandomBytes): Uint8Array<ArrayBuffer> {
  const id = new Uint8Array(SESSION_ID_BYTES);
  new DataView(id.buffer).setUint32(0, Math.floor(now / 1000));
  id.set(random(SESSION_ID_BYTES - TIME_BYTES), TIME_BYTES);
  return id;
}

/**
 * The `_id` of the record of this session name and id. It grows with time and leads back to no token:
 *
 *     time of the id (4) · SHA-256("mongostore/v1/id" · 0x00 · length of name (2) · name · id), its first 16 bytes
 */
export function recordKeyBytes(
  name: string,
  id: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const key = new Uint8Array(RECORD_KEY_BYTES);
  key.set(id.subarray(0, TIME_BYTES));
  const hash = digest(bind(name, id));
  key.set(hash.subarray(0, RECORD_KEY_BYTES - TIME_BYTES), TIME_BYTES);
  return key;
}

/**
 * The `_id` of the record of a session whose id another library made. Nothing in such an id tells a time:
 *
 *     SHA-256("mongostore/v1/sid" · 0x00 · length of name (2) · name · id in UTF-8), its first 20 bytes
 */
export function foreignKeyBytes(name: string, id: string): Uint8Array<ArrayBuffer> {
  const hash = digest(bindForeign(name, encoder.encode(id)));
  return new Uint8Array(hash.subarray(0, RECORD_KEY_BYTES));
}

const encoder = new TextEncoder();
