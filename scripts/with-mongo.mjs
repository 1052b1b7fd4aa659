// node scripts/with-mongo.mjs [--nodes=3 | --standalone] command...
// Runs the command with MONGODB_URI set, and with MONGOMS_SYSTEM_BINARY for what starts its own mongod.
import { install } from "./install.mjs";
import { startMongo } from "./mongo.mjs";
import { run } from "./run.mjs";

const args = process.argv.slice(2);
const options = {};
while (args[0]?.startsWith("--")) {
  const option = args.shift();
  const nodes = /^--nodes=(\d+)$/.exec(option)?.[1];
  if (nodes) options.nodes = Number(nodes);
  else if (option === "--standalone") options.standalone = true;
  else throw new Error(`unknown option ${option}: there are --nodes=N and --standalone`);
}
if (args.length === 0) throw new Error("a command is missing after the options");

install();
const mongo = await startMongo(options);
process.exitCode = await run(args, mongo.env);
await mongo.stop();
