// SECURITY.md section 6, h3 GHSA-q5pr-72pq-83v3 and jose CVE-2024-28176: no length, count or algorithm is taken from a token.
import assert from "node:assert/strict";
import { it } from "node:test";
import { Keyring, signedToken } from "#mongostore";
import { decodeBase64Url, encodeBase64Url } from "../../src/base64url.ts";
import type { CryptoProvider } from "../../src/codec/provider.ts";
import { webCrypto } from "../../src/codec/webcrypto.ts";

const KEYS = [
  "the first key of this test, long enough",
  "the second key of this test, long enough",
];
const NOW = Date.UTC(2026, 0, 1);

/** Web Crypto that notes the length of each message whose MAC is verified, and how often it does anything else. */
function noting() {
  const [verified, others]: [number[], string[]] = [[], []];
  const provider: CryptoProvider = {
    async derive(secret) {
      const keys = await webCrypto.derive(secret);
      return {
        ...keys,
        token: {
          sign: (message) => keys.token.sign(message),
          verify: (mac, message) => {
            verified.push(mac.length, message.length);
            return Promise.resolve(false);
          },
        },
        signedData: {
          sign: (message) => (others.push("sign"), keys.signedData.sign(message)),
          verify: (mac, message) => (others.push("verify"), keys.signedData.verify(mac, message)),
        },
        sealedData: (salt) => (others.push("derive"), keys.sealedData(salt)),
      };
    },
  };
  return { provider, verified, others };
}

it("whatever stands in any byte of a token costs one MAC of one length, or none", async () => {
  const { provider, verified, others } = noting();
  const codec = signedToken(new Keyring(KEYS, provider), { lifetime: 3_600 });
  const good = decodeBase64Url(await codec.encode("session", new Uint8Array(24).fill(9), NOW));
  assert.ok(good);
  const length = "mongostore/v1/token".length + 1 + 2 + "session".length + 34;
  let asked = 0;
  for (let at = 0; at < good.length; at++) {
    for (let value = 0; value < 256; value++) {
      const bytes = good.slice();
      bytes[at] = value;
      verified.length = 0;
      assert.equal((await codec.decode("session", encodeBase64Url(bytes), NOW)).ok, false);
      assert.ok(verified.length === 0 || String(verified) === `32,${length}`, String(verified));
      asked += verified.length / 2;
    }
  }
  // Every value in id and seal is worth a MAC; nearly none in version, key id and time is.
  assert.ok(asked >= 56 * 256 && asked < 58 * 256, String(asked));
  assert.deepEqual(others, []);
});

it("a token of another length costs no MAC, however long", async () => {
  const { provider, verified } = noting();
  const codec = signedToken(new Keyring(KEYS, provider));
  const token = await codec.encode("session", new Uint8Array(24), NOW);
  for (const text of [token.slice(1), `${token}A`, token.repeat(2), token.repeat(10_000)]) {
    assert.equal((await codec.decode("session", text, NOW)).ok, false);
  }
  assert.deepEqual(verified, []);
});
