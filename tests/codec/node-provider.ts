import { nodeCrypto } from "../../src/codec/nodecrypto.ts";
import type { CryptoProvider } from "../../src/codec/provider.ts";

const found = nodeCrypto();
if (!found) throw new Error("this runtime has no node:crypto to test");

/** The provider that never waits. */
export const nodeProvider: CryptoProvider = found;
