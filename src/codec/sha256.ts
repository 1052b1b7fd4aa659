import type { Bytes } from "./provider.ts";

// SHA-256 (FIPS 180-4) in plain code. It works on numbers alone: no branch and no index depends on what is hashed.

/** The first 32 bits behind the point of the cube roots of the first 64 primes (section 4.2.2). */
const K = Int32Array.of(
  0x428a2f98,
  0x71374491,
  0xb5c0fbcf,
  0xe9b5dba5,
  0x3956c25b,
  0x59f111f1,
  0x923f82a4,
  0xab1c5ed5,
  0xd807aa98,
  0x12835b01,
  0x243185be,
  0x550c7dc3,
  0x72be5d74,
  0x80deb1fe,
  0x9bdc06a7,
  0xc19bf174,
  0xe49b69c1,
  0xefbe4786,
  0x0fc19dc6,
  0x240ca1cc,
  0x2de92c6f,
  0x4a7484aa,
  0x5cb0a9dc,
  0x76f988da,
  0x983e5152,
  0xa831c66d,
  0xb00327c8,
  0xbf597fc7,
  0xc6e00bf3,
  0xd5a79147,
  0x06ca6351,
  0x14292967,
  0x27b70a85,
  0x2e1b2138,
  0x4d2c6dfc,
  0x53380d13,
  0x650a7354,
  0x766a0abb,
  0x81c2c92e,
  0x92722c85,
  0xa2bfe8a1,
  0xa81a664b,
  0xc24b8b70,
  0xc76c51a3,
  0xd192e819,
  0xd6990624,
  0xf40e3585,
  0x106aa070,
  0x19a4c116,
  0x1e376c08,
  0x2748774c,
  0x34b0bcb5,
  0x391c0cb3,
  0x4ed8aa4a,
  0x5b9cca4f,
  0x682e6ff3,
  0x748f82ee,
  0x78a5636f,
  0x84c87814,
  0x8cc70208,
  0x90befffa,
  0xa4506ceb,
  0xbef9a3f7,
  0xc67178f2,
);
/** The same of the square roots of the first 8 primes (section 5.3.3). */
const INITIAL = Int32Array.of(
  0x6a09e667,
  0xbb67ae85,
  0x3c6ef372,
  0xa54ff53a,
  0x510e527f,
  0x9b05688c,
  0x1f83d9ab,
  0x5be0cd19,
);
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;

/** The message schedule of the block at hand (section 6.2.2). */
const schedule = new Int32Array(64);
const state = new Int32Array(8);
/** The end of the message at hand, padded. */
const tail = new Uint8Array(2 * BLOCK_BYTES);

/** SHA-256 of a message, 32 bytes. */
export function sha256(message: Bytes): Bytes {
  return finish(INITIAL, message, 0);
}

/**
 * HMAC-SHA-256 (RFC 2104). The states behind the key's two blocks are made once: a short message then takes two or three blocks
 * instead of four or five.
 */
export function hmacSha256(key: Bytes): (message: Bytes) => Bytes {
  const blocks = hmacBlocks(key, sha256);
  const [inner, outer] = [afterBlock(blocks[0]), afterBlock(blocks[1])];
  return (message) => finish(outer, finish(inner, message, BLOCK_BYTES), BLOCK_BYTES);
}

/** The blocks that stand before the inner and the outer message of HMAC: the key, or its hash where it is longer, xor 0x36 and 0x5c. */
export function hmacBlocks(
  key: Bytes,
  hash: (message: Bytes) => Bytes,
): [inner: Bytes, outer: Bytes] {
  const short = key.length > BLOCK_BYTES ? hash(key) : key;
  const block = (pad: number) => {
    const bytes = new Uint8Array(BLOCK_BYTES).fill(pad);
    for (const [i, byte] of short.entries()) bytes[i] = byte ^ pad;
    return bytes;
  };
  return [block(0x36), block(0x5c)];
}

function afterBlock(block: Bytes): Int32Array {
  const after = INITIAL.slice();
  compress(after, block, 0);
  return after;
}

/** Hashes the rest of a message of which `before` bytes led to the state `from`. */
function finish(from: Int32Array, message: Bytes, before: number): Bytes {
  state.set(from);
  const whole = message.length - message.length % BLOCK_BYTES;
  for (let at = 0; at < whole; at += BLOCK_BYTES) compress(state, message, at);
  // Padding (section 5.1.1): a bit, zeros, and the length of all in bits, big-endian, in 8 bytes.
  const rest = message.length - whole;
  const end = rest < BLOCK_BYTES - 8 ? BLOCK_BYTES : 2 * BLOCK_BYTES;
  tail.fill(0, rest, end);
  for (let i = 0; i < rest; i++) tail[i] = message[whole + i] ?? 0;
  tail[rest] = 0x80;
  const length = before + message.length;
  for (let i = 0; i < 4; i++) tail[end - 1 - i] = length << 3 >>> 8 * i;
  tail[end - 5] = length / 2 ** 29;
  for (let at = 0; at < end; at += BLOCK_BYTES) compress(state, tail, at);
  const digest = new Uint8Array(DIGEST_BYTES);
  for (let i = 0; i < DIGEST_BYTES; i++) digest[i] = (state[i >> 2] ?? 0) >>> 8 * (3 - (i & 3));
  return digest;
}

/** Section 6.2.2, steps 1 to 4, on the block of `bytes` at `at`. */
function compress(hash: Int32Array, bytes: Uint8Array, at: number): void {
  const w = schedule;
  for (let t = 0; t < 16; t++) {
    const i = at + 4 * t;
    w[t] = (bytes[i] ?? 0) << 24 | (bytes[i + 1] ?? 0) << 16 | (bytes[i + 2] ?? 0) << 8 |
      (bytes[i + 3] ?? 0);
  }
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15] ?? 0;
    const y = w[t - 2] ?? 0;
    const s0 = (x >>> 7 | x << 25) ^ (x >>> 18 | x << 14) ^ x >>> 3;
    const s1 = (y >>> 17 | y << 15) ^ (y >>> 19 | y << 13) ^ y >>> 10;
    w[t] = (w[t - 16] ?? 0) + s0 + (w[t - 7] ?? 0) + s1;
  }
  let a = hash[0] ?? 0;
  let b = hash[1] ?? 0;
  let c = hash[2] ?? 0;
  let d = hash[3] ?? 0;
  let e = hash[4] ?? 0;
  let f = hash[5] ?? 0;
  let g = hash[6] ?? 0;
  let h = hash[7] ?? 0;
  for (let t = 0; t < 64; t++) {
    const s1 = (e >>> 6 | e << 26) ^ (e >>> 11 | e << 21) ^ (e >>> 25 | e << 7);
    const t1 = h + s1 + (g ^ e & (f ^ g)) + (K[t] ?? 0) + (w[t] ?? 0) | 0;
    const s0 = (a >>> 2 | a << 30) ^ (a >>> 13 | a << 19) ^ (a >>> 22 | a << 10);
    const t2 = s0 + (a & b ^ a & c ^ b & c) | 0;
    h = g;
    g = f;
    f = e;
    e = d + t1 | 0;
    d = c;
    c = b;
    b = a;
    a = t1 + t2 | 0;
  }
  hash[0] = (hash[0] ?? 0) + a;
  hash[1] = (hash[1] ?? 0) + b;
  hash[2] = (hash[2] ?? 0) + c;
  hash[3] = (hash[3] ?? 0) + d;
  hash[4] = (hash[4] ?? 0) + e;
  hash[5] = (hash[5] ?? 0) + f;
  hash[6] = (hash[6] ?? 0) + g;
  hash[7] = (hash[7] ?? 0) + h;
}
