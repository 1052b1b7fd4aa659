// A string as Go's encoding/gob sends it, alone and first in its stream (https://pkg.go.dev/encoding/gob):
//   length of what follows (uint) · type id of string, 6 as a signed number: 0x0c (1) · not a struct: 0x00 (1) ·
//   length of the text (uint) · UTF-8
// A uint below 128 is one byte; any other is the count of its bytes, negated (1), and its bytes, big-endian and no more than needed.
const STRING_TYPE = 0x0c;
const NO_STRUCT = 0x00;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Writes text as a Go gob. A lone surrogate, for which UTF-8 has no bytes, throws `TypeError`. */
export function encodeGobString(text: string): Uint8Array<ArrayBuffer> {
  const utf8 = encoder.encode(text);
  if (decoder.decode(utf8) !== text) throw new TypeError("the text has a lone surrogate");
  const body = [STRING_TYPE, NO_STRUCT, ...uint(utf8.length)];
  const head = [...uint(body.length + utf8.length), ...body];
  const gob = new Uint8Array(head.length + utf8.length);
  gob.set(head);
  gob.set(utf8, head.length);
  return gob;
}

/**
 * Reads a Go gob that is one string and nothing else, in the one spelling that Go writes. Anything else gives
 * `undefined`: another type, a longer spelling of a length, bytes left over, broken UTF-8.
 */
export function decodeGobString(gob: Uint8Array): string | undefined {
  const message = readUint(gob, 0);
  if (!message || message.value !== gob.length - message.end) return undefined;
  const at = message.end;
  if (gob[at] !== STRING_TYPE || gob[at + 1] !== NO_STRUCT) return undefined;
  const text = readUint(gob, at + 2);
  if (!text || text.value !== gob.length - text.end) return undefined;
  try {
    return decoder.decode(gob.subarray(text.end));
  } catch {
    return undefined;
  }
}

function uint(value: number): number[] {
  if (value < 0x80) return [value];
  const bytes: number[] = [];
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256);
  return [256 - bytes.length, ...bytes];
}

/** The number that begins at `at`, and where it ends. No length here takes more than 4 bytes. */
function readUint(gob: Uint8Array, at: number): { value: number; end: number } | undefined {
  const first = gob[at];
  if (first === undefined) return undefined;
  if (first < 0x80) return { value: first, end: at + 1 };
  const end = at + 1 + (256 - first);
  if (end - at > 5 || end > gob.length) return undefined;
  let value = 0;
  for (const byte of gob.subarray(at + 1, end)) value = value * 256 + byte;
  return uint(value).length === end - at ? { value, end } : undefined;
}
