import type { SessionInfo } from "../index.ts";
import type { Command } from "./command.ts";
import { COLLECTION, COLLECTION_HELP, KEYS_HELP } from "./command.ts";
import { placeOf, withCollection } from "./connect.ts";
import { DATA_HELP, storeOpener } from "./open-store.ts";
import { printable, table } from "./table.ts";

/** Lists the sessions of a user. */
export const list: Command = {
  name: "list",
  summary: "the sessions of a user",
  help: `\
mongostore list <subject> [options]

Lists the living sessions whose subject this is, last used first. A handle ends its session with
mongostore revoke, and is no token: nobody signs in with it.

${COLLECTION_HELP}
${KEYS_HELP}
                        needed for the column "meta" only, which is sealed
${DATA_HELP}
  --limit N             at most so many (default: 1000)
  --json                a line of JSON a session

Examples:

  mongostore list ann
  mongostore list ann --json | jq -r .handle
`,
  texts: [...COLLECTION, "keys-file", "data", "limit"],
  flags: [],
  operands: ["subject"],
  async run(args, terminal) {
    const [subject = ""] = args.operands;
    const open = storeOpener(args, terminal);
    const limit = args.count("limit", 1_000);
    const sessions = await withCollection(placeOf(args, terminal), async (collection) => {
      await using store = open(collection);
      return await store.list(subject, limit);
    });
    if (args.flag("json")) {
      for (const session of sessions) terminal.out(`${JSON.stringify(session)}\n`);
    } else if (sessions.length === 0) {
      terminal.err("no living session has this subject\n");
    } else {
      const head = ["handle", "name", "created", "last used", "expires", "meta"];
      terminal.out(table(head, sessions.map(cellsOf)));
    }
    return 0;
  },
};

function cellsOf(session: SessionInfo): readonly string[] {
  const { handle, name, createdAt, modifiedAt, expiresAt, meta } = session;
  const label = meta === undefined ? "" : typeof meta === "string" ? meta : JSON.stringify(meta);
  return [
    handle,
    printable(name),
    ...[createdAt, modifiedAt, expiresAt].map(time),
    printable(label),
  ];
}

/** To the second, in UTC. */
function time(date: Date): string {
  return date.toISOString().replace("T", " ").slice(0, 19);
}
