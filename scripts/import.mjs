// node scripts/import.mjs [--sessions=100000]
// Imports that many sessions of the real connect-mongo, killed half way; tests/cli/import.test.ts says what must hold.
import { parseArgs } from "node:util";
import { install } from "./install.mjs";
import { startMongo } from "./mongo.mjs";
import { run } from "./run.mjs";

const { values } = parseArgs({ options: { sessions: { type: "string", default: "100000" } } });

install();
const mongo = await startMongo();
const runner = ["--test", "--test-force-exit", "--test-reporter=spec"];
process.exitCode = await run(
  ["node", "--import", "tsx", ...runner, "tests/cli/import.test.ts"],
  { ...mongo.env, MONGOSTORE_IMPORT_SESSIONS: values.sessions },
);
await mongo.stop();
