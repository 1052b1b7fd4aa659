import { defineConfig } from "tsup";

export default defineConfig({
  entry: [
    "src/index.ts",
    "src/legacy.ts",
    "src/securecookie.ts",
    "src/adapters/*.ts",
    "src/cli.ts",
  ],
  format: ["esm"],
  target: "es2022",
  platform: "neutral",
  external: [/^node:/], // of the command line
  removeNodeProtocol: false,
  splitting: true,
  sourcemap: true,
  clean: true,
  dts: false, // tsup needs TypeScript's JS API, which version 7 lacks: tsc -p tsconfig.build.json does it
});
