// node scripts/demo.mjs [--bun | --deno | --node] [--memory] [--port=N]
// Starts examples/demo.ts, a small shop, with a MongoDB of its own, or with --memory without any.
import { parseArgs } from "node:util";
import { install } from "./install.mjs";
import { startMongo } from "./mongo.mjs";
import { run } from "./run.mjs";

const runtimes = {
  bun: ["bun"],
  deno: ["deno", "run", "--allow-net", "--allow-env", "--allow-sys", "--allow-read"],
  node: ["node", "--import", "tsx"],
};

const { values } = parseArgs({
  options: {
    bun: { type: "boolean" },
    deno: { type: "boolean" },
    node: { type: "boolean" },
    memory: { type: "boolean" },
    port: { type: "string" },
  },
});
const runtime = values.deno ? "deno" : values.node ? "node" : "bun";
const port = values.port === undefined ? {} : { PORT: values.port };

install();
const mongo = values.memory ? undefined : await startMongo();
const env = { MONGODB_URI: undefined, ...mongo?.env, ...port };
process.exitCode = await run([...runtimes[runtime], "examples/demo.ts"], env);
await mongo?.stop();
