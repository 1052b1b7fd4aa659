// node scripts/forge.mjs [--count=1000000] [--seed=1]
// Presents so many forged tokens to a store (tests/security/forgeries.ts). Fails where one is accepted or one reaches the
// database, and prints how many were refused.
import { parseArgs } from "node:util";
import { tsImport } from "tsx/esm/api";

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "1000000" },
    seed: { type: "string", default: "1" },
  },
});
const [count, seed] = [values.count, values.seed].map(Number);
if (![count, seed].every((number) => Number.isSafeInteger(number) && number >= 1)) {
  console.error("--count and --seed take whole numbers of at least 1");
  process.exit(2);
}

const { presentForgeries } = await tsImport("../tests/security/forgeries.ts", import.meta.url);
const started = performance.now();
const { kinds, accepted, loads, rejects } = await presentForgeries(
  count,
  seed,
  (done) => console.log(`${done} presented`),
);
for (const [kind, number] of kinds) console.log(`${String(number).padStart(9)}  ${kind}`);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  `${count} forged tokens: ${rejects} refused, ${accepted} accepted, ${loads} reached the database, ${seconds} s`,
);
if (accepted > 0 || loads > 0 || rejects !== count) process.exitCode = 1;
