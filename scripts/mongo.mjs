// Starts a MongoDB server for tests, benches and demos.
import { findMongod } from "./mongod.mjs";

/** Small and quick, and expired documents go within a second or two instead of a minute. */
const ARGS = [
  "--setParameter=ttlMonitorSleepSecs=1",
  "--setParameter=diagnosticDataCollectionEnabled=false",
  "--wiredTigerCacheSizeGB=0.25",
];

/**
 * A replica set of `nodes`, or one `standalone` server. Returns the environment that leads to it, and
 * how to stop it. A MONGODB_URI that is set already is taken as it is, and nothing is started.
 */
export async function startMongo({ nodes = 1, standalone = false } = {}) {
  const given = process.env.MONGODB_URI;
  if (given) return { env: { MONGODB_URI: given }, stop: async () => {} };

  const started = performance.now();
  const binary = await findMongod();
  const env = { MONGOMS_SYSTEM_BINARY: binary, MONGOMS_SYSTEM_BINARY_VERSION_CHECK: "false" };
  Object.assign(process.env, env); // mongodb-memory-server takes its settings from there
  const { MongoMemoryReplSet, MongoMemoryServer } = await import("mongodb-memory-server-core");
  const options = { storageEngine: "wiredTiger", args: ARGS };
  const spawn = { detached: true }; // Ctrl-C is for the command that runs; it is we who stop mongod
  const server = standalone
    ? await MongoMemoryServer.create({ instance: options, spawn })
    : await MongoMemoryReplSet.create({
      replSet: { ...options, count: nodes, name: "rs0", spawn },
    });
  const uri = server.getUri();
  console.error(`mongod: ${uri} (${Math.round(performance.now() - started)} ms)`);
  return {
    env: { ...env, MONGODB_URI: uri },
    stop: () => server.stop({ doCleanup: true, force: true }),
  };
}
