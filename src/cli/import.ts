import type { ImportOutcome, OldSession } from "../legacy.ts";
import { importedSessions } from "../legacy.ts";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";
import { COLLECTION, COLLECTION_HELP, KEYS_HELP } from "./command.ts";
import { collectionAt, connect, type Place, placeOf, withCollection } from "./connect.ts";
import { connectMongoSource, kidstuffSource } from "./import-source.ts";
import type { Source } from "./import-source.ts";
import { Progress } from "./progress.ts";
import { keyPairsOf, read, requiredKeys, uriOf } from "./secrets.ts";
import type { Terminal } from "./terminal.ts";

/** What became of the sessions, by number. */
interface Counts {
  seen: number;
  added: number;
  present: number;
  ended: number;
  refused: number;
  /** Why those were refused, each reason with its number. */
  readonly reasons: Record<string, number>;
}

/** Copies the sessions of an older system. */
export const importCommand: Command = {
  name: "import",
  summary: "copy the sessions of connect-mongo or kidstuff/mongostore",
  help: `\
mongostore import connect-mongo --collection NAME [options]
mongostore import kidstuff --collection NAME --cookie NAME [options]

Copies the living sessions of an older system into a collection of ours, sealed under the first key.
The source is read and never changed. Clients keep their old cookie until their next request, which
takes the session over: the store needs the reader that docs/migrating.md shows, with
load: importedSessions(collection, { keys, from }).load. After the import the source may go.

Interrupted, even by kill -9? Run it again: what was copied is found, and left as it is. Exit code 1
where sessions could not be read; they are counted, and the others are copied.

Where to:
${COLLECTION_HELP}
${KEYS_HELP}

Where from:
  SOURCE_URI            where the older system's MongoDB is (default: MONGODB_URI)
  --source-uri-file FILE  a file with that connection string
  --source-db NAME      its database (default: as --db)
  --source-collection NAME  its collection (default: sessions)

How:
  --subject PATH        where the values name the user, for example userId or passport.user;
                        then mongostore list and revoke know the copies
  --max-age SECONDS     how long a session lives whose source knows no end (default: 1209600)
  --batch N             so many at a time (default: 500)
  --json                { "seen": 9, "added": 9, "present": 0, "ended": 0, "refused": 0, … }

Of kidstuff/mongostore, the Go package, whose values must be JSON (docs/migrating.md):
  OLD_KEYS              its key pairs in their order: hash key, block key, …, with commas between
                        them; base64: or hex: before a key that is not text
  --old-keys-file FILE  the same from a file
  --cookie NAME         the name of its session
  --source-max-age SECONDS  its maxAge (default: 0, nothing has ended)

Examples:

  mongostore import connect-mongo --source-collection sessions --collection sessions_v2
  mongostore import connect-mongo --collection sessions_v2 --subject passport.user
  OLD_KEYS=secret-key mongostore import kidstuff --cookie session-key \\
    --source-collection test_session --collection sessions --source-max-age 3600
`,
  texts: [
    ...COLLECTION,
    "keys-file",
    "source-uri-file",
    "source-db",
    "source-collection",
    "subject",
    "max-age",
    "batch",
    "old-keys-file",
    "cookie",
    "source-max-age",
  ],
  flags: [],
  operands: ["system"],
  async run(args, terminal) {
    const source = sourceOf(args, terminal);
    const keys = requiredKeys(args, terminal);
    const to = placeOf(args, terminal);
    const from = sourcePlaceOf(args, terminal, to);
    const maxAge = args.count("max-age", 1_209_600);
    const batch = Math.max(1, args.count("batch", 500));

    const counts = await withCollection(to, async (collection, client) => {
      const other = from.uri === to.uri ? undefined : await connect(from);
      try {
        const old = collectionAt(other ?? client, from);
        if (!other && old.namespace === collection.namespace) {
          throw new UsageError(
            "source and target are one collection: name another with --collection",
          );
        }
        const imported = importedSessions(collection, { keys, from: source.system, maxAge });
        const total = await old.estimatedDocumentCount();
        const documents = old.find({}, {
          sort: { _id: 1 },
          batchSize: batch,
          readPreference: "primary",
        });
        return await copy(
          documents,
          source,
          (sessions) => imported.add(sessions),
          batch,
          new Progress(terminal, "sessions", total),
        );
      } finally {
        await other?.close();
      }
    });
    if (args.flag("json")) terminal.out(`${JSON.stringify(counts)}\n`);
    else terminal.out(shown(counts));
    return counts.refused > 0 ? 1 : 0;
  },
};

function sourceOf(args: Arguments, { env }: Terminal): Source {
  const subject = args.text("subject")?.split(".");
  const [system] = args.operands;
  if (system === "connect-mongo") return connectMongoSource(subject);
  if (system !== "kidstuff") throw new UsageError("it imports from connect-mongo or kidstuff");
  const file = args.text("old-keys-file");
  const keys = file === undefined ? env["OLD_KEYS"] : read("old-keys-file", file);
  const cookie = args.text("cookie");
  if (keys === undefined || keys.trim() === "") {
    throw new UsageError(
      "it needs the older keys: set OLD_KEYS, or name a file with --old-keys-file",
    );
  }
  if (cookie === undefined) {
    throw new UsageError("it needs the name of the older session: --cookie");
  }
  const maxAge = args.count("source-max-age", 0);
  return kidstuffSource({ keyPairs: keyPairsOf(keys), cookie, maxAge, subject });
}

function sourcePlaceOf(args: Arguments, terminal: Terminal, to: Place): Place {
  return {
    uri: uriOf(args, terminal, "source-uri-file", "SOURCE_URI") ?? to.uri,
    db: args.text("source-db") ?? to.db,
    collection: args.text("source-collection") ?? "sessions",
    timeoutMS: to.timeoutMS,
  };
}

/** Reads the documents in their order and adds what they hold, batch by batch. */
async function copy(
  documents: AsyncIterable<object>,
  source: Source,
  add: (sessions: readonly OldSession[]) => Promise<readonly ImportOutcome[]>,
  size: number,
  progress: Progress,
): Promise<Counts> {
  const counts: Counts = { seen: 0, added: 0, present: 0, ended: 0, refused: 0, reasons: {} };
  const refuse = (reason: string) => {
    counts.refused++;
    counts.reasons[reason] = (counts.reasons[reason] ?? 0) + 1;
  };
  let waiting: OldSession[] = [];
  const flush = async () => {
    const outcomes = await add(waiting);
    waiting = [];
    for (const outcome of outcomes) {
      if (outcome.status === "refused") refuse(outcome.error.message);
      else counts[outcome.status]++;
    }
    progress.show(counts.seen);
  };
  try {
    for await (const document of documents) {
      counts.seen++;
      const reading = await source.read(document);
      if (reading === "ended") counts.ended++;
      else if ("reason" in reading) refuse(reading.reason);
      else waiting.push(reading);
      if (waiting.length >= size) await flush();
    }
    await flush();
  } finally {
    progress.end(counts.seen);
  }
  return counts;
}

function shown({ seen, added, present, ended, refused, reasons }: Counts): string {
  const lines = [
    `${seen} read: ${added} copied, ${present} there before, ${ended} had ended, ${refused} refused`,
    ...Object.entries(reasons).map(([reason, count]) => `  ${count} × ${reason}`),
  ];
  return `${lines.join("\n")}\n`;
}
