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
  const head = headOf(label, name);
  let length = head.length;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  bytes.set(head);
  let at = head.length;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** The heads of the names in use: a program has a handful. */
const heads = new Map<string, Uint8Array>();
const MAX_HEADS = 256;

function headOf(label: string, name: string): Uint8Array {
  const known = heads.get(`${label}\0${name}`);
  if (known) return known;
  const nameBytes = encoder.encode(name);
  if (nameBytes.length > 0xffff) throw new RangeError("a session name takes at most 65535 bytes");
  const labelBytes = encoder.encode(label);
  const length = [nameBytes.length >> 8, nameBytes.length & 0xff];
  const head = Uint8Array.from([...labelBytes, 0, ...length, ...nameBytes]);
  if (heads.size >= MAX_HEADS) heads.clear();
  heads.set(`${label}\0${name}`, head);
  return head;
}

/** A time in milliseconds since 1970 as 8 bytes, big-endian; `undefined` where it is not a whole number. */
export function timeBytes(ms: number): Uint8Array<ArrayBuffer> | undefined {
  if (!Number.isSafeInteger(ms)) return undefined;
  const bytes = new Uint8Array(8);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, Math.floor(ms / 2 ** 32));
  view.setUint32(4, ms);
  return bytes;
}
