const encoder = new TextEncoder();

/**
 * Makes what the hashes, MACs and seals of one purpose cover, so that nothing made for one purpose or name passes for another:
 *
 *     label · 0x00 · length of name (2, big-endian) · name in UTF-8 · parts
 */
export function binder(
  label: string,
): (name: string, ...parts: readonly Uint8Array[]) => Uint8Array<ArrayBuffer> {
  /** The heads of the names in use: a program has a handful. */
  const heads = new Map<string, Uint8Array>();
  return (name, ...parts) => {
    let head = heads.get(name);
    if (!head) {
      if (heads.size >= MAX_HEADS) heads.clear();
      heads.set(name, head = headOf(label, name));
    }
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
  };
}

const MAX_HEADS = 256;

function headOf(label: string, name: string): Uint8Array {
  const nameBytes = encoder.encode(name);
  if (nameBytes.length > 0xffff) throw new RangeError("a session name takes at most 65535 bytes");
  const length = [nameBytes.length >> 8, nameBytes.length & 0xff];
  return Uint8Array.from([...encoder.encode(label), 0, ...length, ...nameBytes]);
}

/** A time in milliseconds since 1970 as 8 bytes, big-endian; `undefined` where it is not a whole number. */
export function timeBytes(ms: number): Uint8Array<ArrayBuffer> | undefined {
  if (!Number.isSafeInteger(ms)) return undefined;
  const bytes = new Uint8Array(8);
  const high = Math.floor(ms / 2 ** 32);
  for (let i = 0; i < 4; i++) {
    bytes[i] = high >> 8 * (3 - i);
    bytes[4 + i] = ms >>> 8 * (3 - i);
  }
  return bytes;
}
