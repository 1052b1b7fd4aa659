// Measures on the runtime at hand, with the MongoDB at MONGODB_URI:
//   node scripts/with-mongo.mjs bun bench/index.ts [--quick] [--json] [--store | --codecs]
// All three runtimes one after the other: npm run bench [-- --quick]
import process from "node:process";
import { MongoClient } from "mongodb";
import { CODEC_CASES, type CodecContestant, type Contestant, textOf } from "./contestant.ts";
import { type Case, measure, type Plan } from "./measure.ts";
import { connectMongo } from "./connect-mongo.ts";
import { mongostore, unbatched } from "./mongostore.ts";
import { ratios, type Report, table } from "./report.ts";
import { cookieSignature, ironSession, jose } from "./rivals.ts";

/** How many act at once in the cases with a database. */
const CALLERS = [1, 16, 100];
/** How many sessions each caller walks through. */
const SESSIONS_EACH = 10;
/** What a session holds in the cases with a database. */
const TEXT = textOf(1_000);

const quick = process.argv.includes("--quick");
const codecPlan: Plan = quick ? { rounds: 2, ms: 50 } : { rounds: 7, ms: 200 };
const storePlan: Plan = quick ? { rounds: 2, ms: 150 } : { rounds: 5, ms: 500 };

const { MONGODB_URI } = process.env;
if (MONGODB_URI === undefined) throw new Error("MONGODB_URI is not set: see the top of this file");
const client = new MongoClient(MONGODB_URI, { maxPoolSize: 100 });
const db = client.db("mongostore_bench");
const CONTESTANTS: readonly Contestant[] = [mongostore, unbatched, connectMongo(client)];
const CODECS: readonly CodecContestant[] = [mongostore, cookieSignature, jose, ironSession];
const runtime = nameOfRuntime();

await db.dropDatabase();
const codecResults = process.argv.includes("--store") ? [] : await measure(
  await codecCases(),
  codecPlan,
  (text) => say(`codecs, ${text}`),
);
const storeResults = process.argv.includes("--codecs") ? [] : await measureStores();
await db.dropDatabase();
const { version: mongodb } = await db.admin().serverInfo();
await client.close();

const report: Report = {
  runtime,
  mongodb: String(mongodb),
  plan: process.argv.includes("--codecs") ? codecPlan : storePlan,
  results: [...codecResults, ...storeResults],
};
const shown = () => `${table([report])}\n\n${ratios(report, mongostore.name)}`;
console.log(process.argv.includes("--json") ? JSON.stringify(report) : shown());

async function codecCases(): Promise<Case[]> {
  const all = await Promise.all(CODECS.map(async (contestant) => {
    const operations = await contestant.codecs();
    return CODEC_CASES.flatMap((name) => {
      const operation = operations[name];
      return operation ? [{ name, contestant: contestant.name, callers: [operation] }] : [];
    });
  }));
  return interleaved(all);
}

async function measureStores() {
  const opened = await storeCases();
  const results = await measure(opened.cases, storePlan, (text) => say(`store, ${text}`));
  await opened.close();
  return results;
}

async function storeCases(): Promise<{ cases: Case[]; close: () => Promise<void> }> {
  const all = await Promise.all(CONTESTANTS.map(async (contestant) => ({
    contestant: contestant.name,
    sessions: await contestant.open(db.collection(contestant.name)),
  })));
  const cases = await Promise.all(all.map(async ({ contestant, sessions }) => {
    const count = Math.max(...CALLERS) * SESSIONS_EACH;
    const tokens = await Promise.all(Array.from({ length: count }, () => sessions.create(TEXT)));
    if (await sessions.load(tokens[0] ?? "") !== TEXT) throw new Error("a session did not load");
    let turn = 0;
    return CALLERS.flatMap((callers) => {
      /** Each caller goes round its own sessions: here it is about throughput, not about conflicts. */
      const ofEach = (operation: (token: string) => unknown) =>
        Array.from({ length: callers }, (_, caller) => {
          let i = 0;
          return () => operation(tokens[caller * SESSIONS_EACH + i++ % SESSIONS_EACH] ?? "");
        });
      const named = (what: string) => `${what}, ${callers} ${callers === 1 ? "caller" : "callers"}`;
      return [
        { name: named("new"), callers: ofEach(() => sessions.create(TEXT)) },
        {
          name: named("load, change, save"),
          callers: ofEach((token) => sessions.change(token, `${turn++} ${TEXT}`)),
        },
        { name: named("load, save unchanged"), callers: ofEach((token) => sessions.keep(token)) },
        { name: named("load"), callers: ofEach((token) => sessions.load(token)) },
      ].map((one) => ({ ...one, contestant }));
    });
  }));
  return {
    cases: interleaved(cases),
    close: async () => void await Promise.all(all.map(({ sessions }) => sessions.close())),
  };
}

/** The first case of each, then the second of each: the same case of two contestants runs close together. */
function interleaved(all: readonly (readonly Case[])[]): Case[] {
  const longest = Math.max(...all.map(({ length }) => length));
  return Array.from({ length: longest }, (_, i) => all.flatMap((own) => own.slice(i, i + 1)))
    .flat();
}

function nameOfRuntime(): string {
  const { bun, deno, node } = process.versions;
  return bun ? `Bun ${bun}` : deno ? `Deno ${deno}` : `Node ${node}`;
}

function say(text: string): void {
  console.error(`${runtime}: ${text}`);
}
