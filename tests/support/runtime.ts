/** Which runtime the tests run on. */
export const RUNTIME: "node" | "deno" | "bun" = "Bun" in globalThis
  ? "bun"
  : "Deno" in globalThis
  ? "deno"
  : "node";
