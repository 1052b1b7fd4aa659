// Project Wycheproof's vectors against the calls that the two providers make, through scripts/wycheproof.mjs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { hex, nodeRig, text, webRig } from "../codec/rigs.ts";

/** What a file holds, as far as it is read here. Sizes in bits, but `size` in bytes. */
interface Vectors<T> {
  readonly testGroups: readonly (Sizes & { readonly tests: readonly (Outcome & T)[] })[];
}
interface Sizes {
  readonly keySize: number;
  readonly tagSize: number;
  readonly ivSize: number;
}
interface Outcome {
  readonly tcId: number;
  readonly result: "valid" | "invalid" | "acceptable";
}
interface Mac {
  readonly key: string;
  readonly msg: string;
  readonly tag: string;
}
interface Hkdf {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}
interface Aead extends Mac {
  readonly iv: string;
  readonly aad: string;
  readonly ct: string;
}

/** The vectors of a file, each with the sizes of its group. */
function vectors<T>(file: string): (Sizes & Outcome & T)[] {
  const folder = process.env["WYCHEPROOF"];
  if (!folder) throw new Error("WYCHEPROOF is not set: run scripts/wycheproof.mjs");
  const { testGroups }: Vectors<T> = JSON.parse(readFileSync(join(folder, file), "utf8"));
  return testGroups.flatMap(({ tests, ...sizes }) => tests.map((one) => ({ ...sizes, ...one })));
}

for (const rig of [webRig, nodeRig]) {
  test(`Wycheproof: HMAC-SHA-256 of ${rig.name}`, async () => {
    let [valid, refused] = [0, 0];
    for (const { tcId, key, msg, tag, result, tagSize } of vectors<Mac>("hmac_sha256_test.json")) {
      const { sign, verify } = await rig.mac(hex(key));
      const isValid = result === "valid" && tagSize === 256; // ours are never cut
      assert.equal(await verify(hex(tag), hex(msg)), isValid, `vector ${tcId}`);
      if (isValid) assert.equal(text(await sign(hex(msg))), tag, `vector ${tcId}`);
      if (isValid) valid++;
      else refused++;
    }
    assert.deepEqual([valid, refused], [33, 141]);
  });

  test(`Wycheproof: HKDF-SHA-256 of ${rig.name}, its first bytes`, async () => {
    let seen = 0;
    for (
      const { tcId, ikm, salt, info, size, okm, result } of vectors<Hkdf>("hkdf_sha256_test.json")
    ) {
      if (result !== "valid" || size < 4) continue;
      const first = await rig.hkdf(hex(ikm), hex(salt), hex(info));
      assert.equal(first.toString(16).padStart(8, "0"), okm.slice(0, 8), `vector ${tcId}`);
      seen++;
    }
    assert.ok(seen >= 60, `${seen} vectors`);
  });

  test(`Wycheproof: AES-256-GCM of ${rig.name}, with nonces of 12 and tags of 16 bytes`, async () => {
    let [valid, refused] = [0, 0];
    for (const one of vectors<Aead>("aes_gcm_test.json")) {
      if (one.keySize !== 256 || one.ivSize !== 96 || one.tagSize !== 128) continue;
      const { seal, open } = await rig.seal(hex(one.key));
      const [nonce, aad, sealed] = [hex(one.iv), hex(one.aad), hex(one.ct + one.tag)];
      const opened = await open(nonce, aad, sealed);
      if (one.result === "valid") {
        assert.equal(text(opened), one.msg, `vector ${one.tcId}`);
        assert.equal(text(await seal(nonce, aad, hex(one.msg))), one.ct + one.tag);
        valid++;
      } else {
        assert.equal(opened, undefined, `vector ${one.tcId}`);
        refused++;
      }
    }
    assert.ok(valid >= 30 && refused >= 20, `${valid} valid, ${refused} refused`);
  });
}
