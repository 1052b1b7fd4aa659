import type { Answers } from "./answers.ts";
import { askServer } from "./ask-server.ts";
import type { Finding } from "./checks.ts";
import { judge } from "./checks.ts";
import { UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";
import { COLLECTION, COLLECTION_HELP, KEYS_HELP } from "./command.ts";
import type { Place } from "./connect.ts";
import { collectionAt, connect, placeOf } from "./connect.ts";
import { codeOf, describe } from "./failure.ts";
import { credentialsOf, keysOf } from "./secrets.ts";

/** Finds what is wrong with a deployment. */
export const doctor: Command = {
  name: "doctor",
  summary: "find what is wrong with a deployment, and say what to do",
  help: `\
mongostore doctor [options]

Looks at the keys, the connection string, the server and the collection, and says of each fault how
to mend it. It changes nothing. Exit code 1 where there is a fault; --strict counts warnings too.

It looks at: the strength of the keys, the write concern in the connection string, whether the
database answers, its version and role, its clock, the user's privileges, the indexes, the TTL
monitor, and whether there are documents in the collection that are no sessions.

${COLLECTION_HELP}
${KEYS_HELP}
  --strict              warnings are faults
  --json                { "healthy": false, "findings": [{ "check", "level", "what", "mend" }] }

Examples:

  mongostore doctor
  mongostore doctor --strict && ./deploy.sh
  mongostore doctor --json | jq '.findings[] | select(.level == "fault")'
`,
  texts: [...COLLECTION, "keys-file"],
  flags: ["strict"],
  operands: [],
  async run(args, terminal) {
    const place = placeOf(args, terminal);
    const findings = await judge(await ask(place, keysOf(args, terminal)));
    const bad = findings.filter(({ level }) =>
      level === "fault" || (args.flag("strict") && level === "warning")
    );
    const healthy = bad.length === 0;
    if (args.flag("json")) terminal.out(`${JSON.stringify({ healthy, findings })}\n`);
    else terminal.out(shown(findings));
    return healthy ? 0 : 1;
  },
};

async function ask(place: Place, keys: readonly string[]): Promise<Answers> {
  const said = { keys, collection: place.collection, writeConcern: writeConcernIn(place.uri) };
  let db = place.db ?? "test";
  try {
    const client = await connect(place);
    try {
      const collection = collectionAt(client, place);
      db = collection.dbName;
      return { ...said, db, server: await askServer(client, collection, Date.now) };
    } finally {
      await client.close();
    }
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const code = codeOf(error);
    const kind = code === 18 || code === 13 || code === 8_000 ? "refused" : "unreachable";
    const message = describe(error, credentialsOf(place.uri));
    return { ...said, db, server: { failure: { kind, message } } };
  }
}

/** Read from the text, because it has to be told also where nothing answers. */
function writeConcernIn(uri: string): string | number | undefined {
  const [, w] = /[?&]w=([^&]*)/i.exec(uri) ?? [];
  return w !== undefined && /^\d+$/.test(w) ? Number(w) : w;
}

const MARKS = { ok: "✔", warning: "!", fault: "✘", unknown: "?" };

function shown(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, level, what, mend }) => [
    `${MARKS[level]} ${check.padEnd(15)}${what}`,
    ...(mend === undefined ? [] : [`  → ${mend}`]),
  ]);
  const [faults, warnings] = [numberOf(findings, "fault"), numberOf(findings, "warning")];
  const sum = faults + warnings === 0
    ? "nothing is wrong"
    : `${counted(faults, "fault")}, ${counted(warnings, "warning")}`;
  return `${lines.join("\n")}\n\n${sum}\n`;
}

function numberOf(findings: readonly Finding[], level: Finding["level"]): number {
  return findings.filter((finding) => finding.level === level).length;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
