const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const INVALID = 64;

const CODES: Uint8Array = new TextEncoder().encode(ALPHABET);
const SEXTETS: Uint8Array = new Uint8Array(128).fill(INVALID);
for (let i = 0; i < CODES.length; i++) SEXTETS[CODES[i] ?? 0] = i;

const ascii = new TextDecoder();

/** Writes bytes as base64url without padding (RFC 4648 section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  const length = bytes.length;
  const out = new Uint8Array(Math.ceil(length * 4 / 3));
  let at = 0;
  for (let i = 0; i < length; i += 3) {
    const group = (bytes[i] ?? 0) << 16 | (bytes[i + 1] ?? 0) << 8 | (bytes[i + 2] ?? 0);
    // Writes past the end of a typed array do nothing: a last group of one or two bytes is cut by itself.
    out[at++] = CODES[group >> 18] ?? 0;
    out[at++] = CODES[group >> 12 & 63] ?? 0;
    out[at++] = CODES[group >> 6 & 63] ?? 0;
    out[at++] = CODES[group & 63] ?? 0;
  }
  return ascii.decode(out);
}

/**
 * Reads base64url text. Every byte string has exactly one spelling: padding, white space, other
 * characters, an impossible length and stray bits in the last character all give `undefined`.
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const length = text.length;
  const rest = length & 3;
  if (rest === 1) return undefined;
  const bytes = new Uint8Array(length * 3 >> 2);
  let at = 0;
  let bad = 0;
  let group = 0;
  for (let i = 0; i < length; i++) {
    const sextet = SEXTETS[text.charCodeAt(i)] ?? INVALID;
    bad |= sextet;
    group = group << 6 | sextet & 63;
    if ((i & 3) === 3) {
      bytes[at++] = group >> 16;
      bytes[at++] = group >> 8;
      bytes[at++] = group;
      group = 0;
    }
  }
  if (rest === 2) {
    bytes[at] = group >> 4;
    bad |= (group & 15) << 6;
  } else if (rest === 3) {
    bytes[at++] = group >> 10;
    bytes[at] = group >> 2;
    bad |= (group & 3) << 6;
  }
  return bad < INVALID ? bytes : undefined;
}
