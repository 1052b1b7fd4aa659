// Published vectors against the calls that the two providers make.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createCipheriv, createHash } from "node:crypto";
import test from "node:test";
import { type Bytes, INFO } from "../../src/codec/provider.ts";
import { webCrypto } from "../../src/codec/webcrypto.ts";
import { nodeProvider } from "./node-provider.ts";
import { hex, nodeRig, text, webRig } from "./rigs.ts";

// RFC 4231 section 4: key, data, HMAC-SHA-256. Case 5 publishes the first 128 bits alone.
const HMAC: readonly (readonly [string, string, string])[] = [
  [
    "0b".repeat(20),
    Buffer.from("Hi There").toString("hex"),
    "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
  ],
  [
    Buffer.from("Jefe").toString("hex"),
    Buffer.from("what do ya want for nothing?").toString("hex"),
    "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
  ],
  [
    "aa".repeat(20),
    "dd".repeat(50),
    "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe",
  ],
  [
    "0102030405060708090a0b0c0d0e0f10111213141516171819",
    "cd".repeat(50),
    "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b",
  ],
  [
    "0c".repeat(20),
    Buffer.from("Test With Truncation").toString("hex"),
    "a3b6167473100ee06e0c796c2955552b",
  ],
  [
    "aa".repeat(131),
    Buffer.from("Test Using Larger Than Block-Size Key - Hash Key First").toString("hex"),
    "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
  ],
  [
    "aa".repeat(131),
    Buffer.from(
      "This is a test using a larger than block-size key and a larger than block-size data. " +
        "The key needs to be hashed before being used by the HMAC algorithm.",
    ).toString("hex"),
    "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
  ],
];

// RFC 5869 appendix A, the cases with SHA-256: IKM, salt, info, OKM.
const HKDF: readonly (readonly [string, string, string, string])[] = [
  [
    "0b".repeat(22),
    "000102030405060708090a0b0c",
    "f0f1f2f3f4f5f6f7f8f9",
    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
  ],
  [
    range(0x00, 0x50),
    range(0x60, 0xb0),
    range(0xb0, 0x100),
    "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c" +
    "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71" +
    "cc30c58179ec3e87c14c01d5c1f3434f1d87",
  ],
  [
    "0b".repeat(22),
    "",
    "",
    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
  ],
];

// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, the cases with 256-bit keys and 96-bit IVs.
interface GcmCase {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly plain: string;
  readonly sealed: string;
}
const KEY = "feffe9928665731c6d6a8f9467308308".repeat(2);
const PLAIN = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" +
  "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
const CIPHER = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa" +
  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
const GCM: readonly GcmCase[] = [
  {
    key: "00".repeat(32),
    iv: "00".repeat(12),
    aad: "",
    plain: "",
    sealed: "530f8afbc74536b9a963b4f1c4cb738b",
  },
  {
    key: "00".repeat(32),
    iv: "00".repeat(12),
    aad: "",
    plain: "00".repeat(16),
    sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
  },
  {
    key: KEY,
    iv: "cafebabefacedbaddecaf888",
    aad: "",
    plain: PLAIN,
    sealed: `${CIPHER}b094dac5d93471bdec1a502270e3cc6c`,
  },
  {
    key: KEY,
    iv: "cafebabefacedbaddecaf888",
    aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
    plain: PLAIN.slice(0, 120),
    sealed: `${CIPHER.slice(0, 120)}76fc6ece0f4e1768cddf8853bb2d551b`,
  },
];

function range(from: number, to: number): string {
  return Buffer.from(Array.from({ length: to - from }, (_, i) => from + i)).toString("hex");
}

/** Each bit of the bytes flipped, one at a time. */
function flips(bytes: Bytes): Bytes[] {
  return Array.from(
    { length: bytes.length * 8 },
    (_, bit) => bytes.map((byte, i) => i === bit >> 3 ? byte ^ 1 << (bit & 7) : byte),
  );
}

for (const rig of [webRig, nodeRig]) {
  test(`RFC 4231: HMAC-SHA-256 of ${rig.name}`, async () => {
    for (const [key, data, expected] of HMAC) {
      const { sign, verify } = await rig.mac(hex(key));
      const mac = await sign(hex(data));
      assert.equal(mac.length, 32);
      assert.equal(text(mac)?.slice(0, expected.length), expected);
      assert.equal(await verify(mac, hex(data)), true);
    }
  });

  test(`RFC 4231: ${rig.name} takes no truncated, longer or modified MAC`, async () => {
    for (const [key, data] of HMAC) {
      const { sign, verify } = await rig.mac(hex(key));
      const message = hex(data);
      const mac = await sign(message);
      for (let length = 0; length < 32; length++) {
        assert.equal(await verify(mac.slice(0, length), message), false, `${length} bytes`);
        assert.equal(await verify(mac.slice(length + 1), message), false, `but ${length} bytes`);
      }
      const others = [
        new Uint8Array(32),
        new Uint8Array(32).fill(0xff),
        mac.toReversed(),
        Uint8Array.from([...mac, 0]),
        Uint8Array.from([...mac, ...mac]),
        ...flips(mac),
      ];
      for (const other of others) assert.equal(await verify(other, message), false, text(other));
      for (const other of [message.slice(1), message.slice(0, -1), Uint8Array.of(...message, 0)]) {
        assert.equal(await verify(mac, other), false);
      }
    }
  });

  test(`RFC 5869: HKDF-SHA-256 of ${rig.name}`, async () => {
    for (const [ikm, salt, info, okm] of HKDF) {
      const { id } = await rig.hkdf(hex(ikm), hex(salt), hex(info));
      assert.equal(id.toString(16).padStart(8, "0"), okm.slice(0, 8));
    }
  });

  test(`GCM test cases 13 to 16: AES-256-GCM of ${rig.name}`, async () => {
    for (const { key, iv, aad, plain, sealed } of GCM) {
      const { seal, open } = await rig.seal(hex(key));
      assert.equal(text(await seal(hex(iv), hex(aad), hex(plain))), sealed);
      assert.equal(text(await open(hex(iv), hex(aad), hex(sealed))), plain);
    }
  });

  test(`GCM: ${rig.name} takes no truncated, longer or modified tag`, async () => {
    for (const { key, iv, aad, sealed } of GCM) {
      const { open } = await rig.seal(hex(key));
      const bytes = hex(sealed);
      const [body, tag] = [bytes.slice(0, -16), bytes.slice(-16)];
      const tags = [
        ...Array.from({ length: 16 }, (_, length) => tag.slice(0, length)),
        ...Array.from({ length: 16 }, (_, length) => tag.slice(length + 1)),
        ...flips(tag),
        new Uint8Array(16),
        new Uint8Array(16).fill(0xff),
        tag.toReversed(),
        tag.map((byte) => byte ^ 0xff),
        Uint8Array.of(...tag, 0),
        Uint8Array.of(0, ...tag),
        Uint8Array.of(...tag, ...tag),
      ];
      for (const other of tags) {
        const opened = await open(hex(iv), hex(aad), Uint8Array.of(...body, ...other));
        assert.equal(opened, undefined, text(other));
      }
    }
  });

  test(`GCM: ${rig.name} takes no modified ciphertext, AAD or nonce`, async () => {
    const longest = GCM.at(-1);
    assert.ok(longest);
    const { key, iv, aad, sealed } = longest;
    const { open } = await rig.seal(hex(key));
    const [nonce, extra, bytes] = [hex(iv), hex(aad), hex(sealed)];
    for (const other of flips(bytes)) assert.equal(await open(nonce, extra, other), undefined);
    for (const other of flips(nonce)) assert.equal(await open(other, extra, bytes), undefined);
    const extras = [
      ...flips(extra),
      extra.slice(1),
      extra.slice(0, -1),
      new Uint8Array(0),
      Uint8Array.of(...extra, 0),
      Uint8Array.of(...extra, bytes[0] ?? 0), // a byte that crosses from the ciphertext into the AAD
    ];
    for (const other of extras) assert.equal(await open(nonce, other, bytes), undefined);
    assert.equal(await open(nonce, extra, bytes.slice(1)), undefined);
    for (let length = 0; length < bytes.length; length++) {
      assert.equal(await open(nonce, extra, bytes.slice(0, length)), undefined, `${length} bytes`);
    }
  });

  test(`GCM: special nonces and lengths of ${rig.name} agree with GCM written out`, async () => {
    const key = hex(KEY);
    const { seal, open } = await rig.seal(key);
    const nonces = ["00", "ff", "80", "01"].map((byte) => hex(byte.repeat(12)));
    nonces.push(hex("ffffffffffffffff00000000"), hex("0000000000000000ffffffff"));
    for (const nonce of nonces) {
      for (const length of [0, 1, 15, 16, 17, 33]) {
        const plain = new Uint8Array(length).fill(0xa5);
        const aad = new Uint8Array(length === 33 ? 0 : length + 1).fill(0x5a);
        const sealed = await seal(nonce, aad, plain);
        assert.equal(text(sealed), text(writtenOut(key, nonce, aad, plain)));
        assert.equal(text(await open(nonce, aad, sealed)), text(plain));
      }
    }
  });
}

/** AES-256-GCM out of single AES blocks: NIST SP 800-38D sections 6 and 7, for nonces of 96 bits. */
function writtenOut(key: Bytes, nonce: Bytes, aad: Bytes, plain: Bytes): Bytes {
  const block = (bytes: Uint8Array) =>
    createCipheriv("aes-256-ecb", key, null).setAutoPadding(false).update(bytes);
  const counter = (count: number) =>
    block(Buffer.concat([nonce, Buffer.from([0, 0, count >> 8, count & 0xff])]));
  const cipher = plain.map((byte, i) => byte ^ (counter(2 + (i >> 4))[i & 15] ?? 0));
  const lengths = Buffer.alloc(16);
  lengths.writeUInt32BE(aad.length * 8, 4);
  lengths.writeUInt32BE(cipher.length * 8, 12);
  const hashed = ghash(block(new Uint8Array(16)), [filled(aad), filled(cipher), lengths]);
  const mask = counter(1);
  return Uint8Array.of(...cipher, ...hashed.map((byte, i) => byte ^ (mask[i] ?? 0)));
}

function filled(bytes: Bytes): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 15)]);
}

function ghash(key: Uint8Array, parts: readonly Buffer[]): Buffer {
  const big = (bytes: Uint8Array) => BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
  const bytes = Buffer.concat(parts);
  let sum = 0n;
  for (let at = 0; at < bytes.length; at += 16) {
    sum = product(sum ^ big(bytes.subarray(at, at + 16)), big(key));
  }
  return Buffer.from(sum.toString(16).padStart(32, "0"), "hex");
}

/** The product in GF(2^128), whose first bit is the lowest power. */
function product(a: bigint, b: bigint): bigint {
  let [sum, shifted] = [0n, b];
  for (let bit = 127n; bit >= 0n; bit--) {
    if (a >> bit & 1n) sum ^= shifted;
    shifted = shifted & 1n ? shifted >> 1n ^ 0xe1n << 120n : shifted >> 1n;
  }
  return sum;
}

// The whole way from a secret, with HMAC (RFC 2104) and HKDF (RFC 5869) written out over plain hashes.

function hmac(key: Uint8Array, message: Uint8Array): Bytes {
  const sha = (...parts: Uint8Array[]) =>
    createHash("sha256").update(Buffer.concat(parts)).digest();
  const short = key.length > 64 ? sha(key) : key;
  const block = Buffer.concat([short, Buffer.alloc(64 - short.length)]);
  const [inner, outer] = [block.map((byte) => byte ^ 0x36), block.map((byte) => byte ^ 0x5c)];
  return new Uint8Array(sha(outer, sha(inner, message)));
}

function hkdf(ikm: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Bytes {
  const prk = hmac(salt.length === 0 ? new Uint8Array(32) : salt, ikm);
  let [okm, last] = [Buffer.alloc(0), new Uint8Array(0)];
  for (let count = 1; okm.length < length; count++) {
    last = hmac(prk, Buffer.concat([last, info, Uint8Array.of(count)]));
    okm = Buffer.concat([okm, last]);
  }
  return new Uint8Array(okm.subarray(0, length));
}

test("HMAC and HKDF as they are written out here give the published values", () => {
  for (const [key, data, mac] of HMAC) {
    assert.equal(text(hmac(hex(key), hex(data)))?.slice(0, mac.length), mac);
  }
  for (const [ikm, salt, info, okm] of HKDF) {
    assert.equal(text(hkdf(hex(ikm), hex(salt), hex(info), okm.length / 2)), okm);
  }
  for (const { key, iv, aad, plain, sealed } of GCM) {
    assert.equal(text(writtenOut(hex(key), hex(iv), hex(aad), hex(plain))), sealed);
  }
});

for (
  const [name, provider] of [["Web Crypto", webCrypto], ["node:crypto", nodeProvider]] as const
) {
  test(`${name} derives and uses every key of a secret as they are written out`, async () => {
    for (
      const root of ["0b".repeat(32), range(0, 0x50), "ff".repeat(64), "00".repeat(131)].map(hex)
    ) {
      const keys = await provider.derive(root);
      const derived = (info: string, length = 32) =>
        hkdf(root, new Uint8Array(0), Buffer.from(info), length);
      assert.equal(keys.id.toString(16).padStart(8, "0"), text(derived(INFO.keyId, 4)));
      const message = hex(range(0, 100));
      assert.deepEqual(
        text(await keys.token.sign(message)),
        text(hmac(derived(INFO.token), message)),
      );
      assert.deepEqual(
        text(await keys.signedData.sign(message)),
        text(hmac(derived(INFO.signedData), message)),
      );
      for (const salt of [new Uint8Array(16), hex(range(0xf0, 0x100))]) {
        const { seal } = await keys.sealedData(salt);
        const epoch = hkdf(derived(INFO.data), salt, Buffer.from(INFO.dataEpoch), 32);
        const [nonce, aad] = [new Uint8Array(12).fill(7), hex("a0a1")];
        assert.equal(
          text(await seal(nonce, aad, message)),
          text(writtenOut(epoch, nonce, aad, message)),
        );
      }
    }
  });
}
