import type { DataCodec } from "./codec.ts";

/**
 * Stores the values as readable text, neither sealed nor signed: whoever writes to the collection
 * writes sessions. For people who look into the collection; {@linkcode signedData} keeps it readable and authentic.
 *
 * @example
 * ```ts
 * import { plainData } from "mongostore";
 *
 * const binding = { name: "sid", key: new Uint8Array(20), created: 0 };
 * console.log(await plainData().protect('{"cart":[]}', binding)); // {"cart":[]}
 * ```
 */
export function plainData(): DataCodec {
  return {
    protect: (text) => text,
    open: (data) =>
      typeof data === "string" ? { ok: true, text: data, stale: false } : { ok: false },
  };
}
