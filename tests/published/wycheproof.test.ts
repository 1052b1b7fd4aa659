// C2SP/wycheproof against the calls as the codecs make them. scripts/published.mjs (npm run test:published) fetches it.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { hex, nodeRig, text, webRig } from "../codec/rigs.ts";

const folder = process.env["WYCHEPROOF"] ?? "";

interface Vector {
  readonly tcId: number;
  readonly result: "valid" | "invalid" | "acceptable";
  readonly flags: readonly string[];
}

interface MacVector extends Vector {
  readonly key: string;
  readonly msg: string;
  readonly tag: string;
}

interface HkdfVector extends Vector {
  readonly ikm: string;
  readonly salt: string;
  readonly info: string;
  readonly size: number;
  readonly okm: string;
}

interface SealVector extends Vector {
  readonly key: string;
  readonly iv: string;
  readonly aad: string;
  readonly msg: string;
  readonly ct: string;
  readonly tag: string;
}

interface Files {
  readonly "hmac_sha256_test.json": MacVector;
  readonly "hkdf_sha256_test.json": HkdfVector;
  readonly "aes_gcm_test.json": SealVector;
}

/** All vectors of a file, as many as it says there are. */
function vectorsIn<F extends keyof Files>(file: F): readonly Files[F][] {
  const { numberOfTests, testGroups }: {
    numberOfTests: number;
    testGroups: readonly { readonly tests: readonly Files[F][] }[];
  } = JSON.parse(readFileSync(join(folder, "testvectors_v1", file), "utf8"));
  const vectors = testGroups.flatMap(({ tests }) => tests);
  assert.equal(vectors.length, numberOfTests);
  return vectors;
}

const bytes = (digits: string) => digits.length / 2;

for (const rig of [webRig, nodeRig]) {
  test(`Wycheproof: HMAC-SHA-256 of ${rig.name}`, async () => {
    const counts = { whole: 0, short: 0, modified: 0 };
    for (const { tcId, key, msg, tag, result } of vectorsIn("hmac_sha256_test.json")) {
      const { sign, verify } = await rig.mac(hex(key));
      const mac = text(await sign(hex(msg))) ?? "";
      const isWhole = bytes(tag) === 32;
      assert.equal(mac.startsWith(tag), result === "valid", `vector ${tcId}`);
      // What is cut short is refused, however genuine it is.
      assert.equal(
        await verify(hex(tag), hex(msg)),
        result === "valid" && isWhole,
        `vector ${tcId}`,
      );
      counts[result !== "valid" ? "modified" : isWhole ? "whole" : "short"]++;
    }
    assert.deepEqual(counts, { whole: 33, short: 33, modified: 108 });
  });

  test(`Wycheproof: HKDF-SHA-256 of ${rig.name}, for the 4 and the 32 bytes that are derived`, async () => {
    const counts = { ids: 0, keys: 0, tooLong: 0 };
    const message = new TextEncoder().encode("signed with what was derived");
    for (const vector of vectorsIn("hkdf_sha256_test.json")) {
      const { tcId, ikm, salt, info, size, okm, flags } = vector;
      if (vector.result !== "valid") {
        // More than 255 blocks. No codec asks for more than one.
        assert.deepEqual(flags, ["SizeTooLarge"], `vector ${tcId}`);
        counts.tooLong++;
        continue;
      }
      assert.ok(size >= 4 && bytes(okm) === size, `vector ${tcId}`);
      const { id, token } = await rig.hkdf(hex(ikm), hex(salt), hex(info));
      assert.equal(id.toString(16).padStart(8, "0"), okm.slice(0, 8), `vector ${tcId}`);
      counts.ids++;
      if (size < 32) continue;
      const mac = createHmac("sha256", hex(okm.slice(0, 64))).update(message).digest("hex");
      assert.equal(text(await token.sign(message)), mac, `vector ${tcId}`);
      counts.keys++;
    }
    assert.deepEqual(counts, { ids: 83, keys: 65, tooLong: 3 });
  });

  test(`Wycheproof: AES-256-GCM of ${rig.name}, for nonces of 12 bytes`, async () => {
    const counts = { valid: 0, modified: 0, other: 0 };
    for (
      const { tcId, key, iv, aad, msg, ct, tag, result } of vectorsIn(
        "aes_gcm_test.json",
      )
    ) {
      // Keys of 16 and 24 bytes and other nonces: no codec makes any.
      if (bytes(key) !== 32 || bytes(iv) !== 12) {
        counts.other++;
        continue;
      }
      const { seal, open } = await rig.seal(hex(key));
      const opened = text(await open(hex(iv), hex(aad), hex(ct + tag)));
      const sealed = text(await seal(hex(iv), hex(aad), hex(msg)));
      assert.equal(opened, result === "valid" ? msg : undefined, `vector ${tcId}`);
      assert.equal(sealed === ct + tag, result === "valid", `vector ${tcId}`);
      counts[result === "valid" ? "valid" : "modified"]++;
    }
    assert.deepEqual(counts, { valid: 39, modified: 27, other: 250 });
  });
}

test("Wycheproof: a modified byte in a vector would be seen", async () => {
  const [vector] = vectorsIn("hmac_sha256_test.json");
  assert.ok(vector?.result === "valid");
  const { sign } = await nodeRig.mac(hex(vector.key));
  const other = Buffer.from(vector.tag, "hex");
  other[31] = (other[31] ?? 0) ^ 1;
  assert.notEqual(text(await sign(hex(vector.msg))), other.toString("hex"));
});
