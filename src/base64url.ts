const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const INVALID = 64;

const CODES: Uint8Array = new TextEncoder().encode(ALPHABET);
const SEXTETS: Uint8Array = new Uint8Array(128).fill(INVALID);
for (let i = 0; i < CODES.length; i++) SEXTETS[CODES[i] ?? 0] = i;

const ascii = new TextDecoder();

/** Where short texts are put together: an array of more than 64 bytes takes longer to make than to fill. */
const scratch = new Uint8Array(1024);

/** Writes bytes as base64url without padding (RFC 4648 section 5). */
export function encodeBase64Url(bytes: Uint8Array): string {
  const length = Math.ceil(bytes.length * 4 / 3);
  const out = length <= scratch.length - 4 ? scratch : new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i] ?? 0) << 16 | (bytes[i + 1] ?? 0) << 8 | (bytes[i + 2] ?? 0);
    // Writes past the end of a typed array do nothing: a last group of one or two bytes is cut by itself.
    out[at++] = CODES[group >> 18] ?? 0;
    out[at++] = CODES[group >> 12 & 63] ?? 0;
    out[at++] = CODES[group >> 6 & 63] ?? 0;
    out[at++] = CODES[group & 63] ?? 0;
  }
  return ascii.decode(out.subarray(0, length));
}

/**
 * Reads base64url text. Every byte string has exactly one spelling: padding, white space, other
 * characters, an impossible length and stray bits in the last character all give `undefined`.
 */
export function decodeBase64Url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes = new Uint8Array(text.length * 3 >> 2);
  return decodeInto(text, bytes) ? bytes : undefined;
}

/** The same, into `bytes`, which has the length that the text is to have; false where the text is not that. */
export function decodeInto(text: string, bytes: Uint8Array): boolean {
  const { length } = text;
  const rest = length & 3;
  if (rest === 1 || length * 3 >> 2 !== bytes.length) return false;
  let at = 0;
  let bad = 0;
  for (let i = 0; i < length; i += 4) {
    // Beyond the end of the text there is nothing, which counts as zeros.
    const a = sextet(text, i);
    const b = sextet(text, i + 1);
    const c = i + 2 < length ? sextet(text, i + 2) : 0;
    const d = i + 3 < length ? sextet(text, i + 3) : 0;
    bad |= a | b | c | d;
    bytes[at++] = a << 2 | b >> 4;
    bytes[at++] = b << 4 | c >> 2;
    bytes[at++] = c << 6 | d;
    if (rest === 2 && i + 2 === length) bad |= (b & 15) << 6;
    if (rest === 3 && i + 3 === length) bad |= (c & 3) << 6;
  }
  return bad < INVALID;
}

function sextet(text: string, at: number): number {
  return SEXTETS[text.charCodeAt(at)] ?? INVALID;
}
