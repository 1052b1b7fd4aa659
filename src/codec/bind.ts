const encoder = new TextEncoder();

/**
 * What every hash, MAC and seal of this library covers, so that nothing made for one purpose or name passes for another:
 *
 *     label · 0x00 · length of name (2, big-endian) · name in UTF-8 · parts
 */
export function bind(
  label: string,
  name: string,
  ...parts: readonly Uint8Array[]
): Uint8Array<ArrayBuffer> {
  const nameBytes = encoder.encode(name);
  if (nameBytes.length > 0xffff) throw new RangeError("a session name takes at most 65535 bytes");
  let length = label.length + 3 + nameBytes.length;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = encoder.encodeInto(label, bytes).written + 1;
  bytes[at++] = nameBytes.length >> 8;
  bytes[at++] = nameBytes.length;
  bytes.set(nameBytes, at);
  at += nameBytes.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A time in milliseconds since 1970 as 8 bytes, big-endian; `undefined` where it is not a whole number. */
export function timeBytes(ms: number): Uint8Array<ArrayBuffer> | undefined {
  if (!Number.isSafeInteger(ms)) return undefined;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigInt64(0, BigInt(ms));
  return bytes;
}
