// node scripts/failover.mjs [--short]
// Kills, deposes and freezes the primary of a replica set under load; tests/faults/failover.test.ts says what must hold.
import { parseArgs } from "node:util";
import { install } from "./install.mjs";
import { findMongod } from "./mongod.mjs";
import { run } from "./run.mjs";

const { values } = parseArgs({ options: { short: { type: "boolean" } } });

install();
const runner = ["--test", "--test-force-exit", "--test-reporter=spec"];
process.exitCode = await run(
  ["node", "--import", "tsx", ...runner, "tests/faults/failover.test.ts"],
  {
    MONGOMS_SYSTEM_BINARY: await findMongod(),
    MONGOSTORE_FAILOVER: values.short ? "short" : "long",
  },
);
