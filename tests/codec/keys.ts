import { Keyring } from "../../src/codec/keyring.ts";
import type { CryptoProvider } from "../../src/codec/provider.ts";
import { webCrypto } from "../../src/codec/webcrypto.ts";

/** The text of a key of the tests. */
export function secret(key: number): string {
  return `key number ${key} of the tests, which is long enough`;
}

/** A ring of keys of the tests, newest first. */
export function ringOf(keys: readonly number[], provider: CryptoProvider = webCrypto): Keyring {
  return new Keyring(keys.map(secret), provider);
}

/** Web Crypto, counting how often the key of an epoch is derived. */
export function countingProvider(): CryptoProvider & { readonly count: { epochs: number } } {
  const count = { epochs: 0 };
  return {
    count,
    async derive(bytes) {
      const keys = await webCrypto.derive(bytes);
      return {
        ...keys,
        sealedData(salt) {
          count.epochs++;
          return keys.sealedData(salt);
        },
      };
    },
  };
}
