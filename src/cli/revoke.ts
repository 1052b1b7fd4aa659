import { UsageError } from "./arguments.ts";
import type { Command } from "./command.ts";
import { COLLECTION, COLLECTION_HELP, KEYS_HELP } from "./command.ts";
import { placeOf, withCollection } from "./connect.ts";
import { DATA_HELP, storeOpener } from "./open-store.ts";

/** Ends sessions of a user. */
export const revoke: Command = {
  name: "revoke",
  summary: "end sessions of a user, at once and everywhere",
  help: `\
mongostore revoke <subject> --all [--except HANDLE] [options]
mongostore revoke <subject> --handle HANDLE [options]

Ends sessions of a user. It holds from the next request on, on every server. Exit code 1 where there
was nothing to end.

  --all                 all sessions of this subject
  --except HANDLE       but this one
  --handle HANDLE       this one only, if it is of this subject; handles come from mongostore list
${COLLECTION_HELP}
${KEYS_HELP}
                        with it --handle also ends a session whose id was replaced since
${DATA_HELP}
  --json                { "revoked": 2 }

Examples:

  mongostore revoke ann --all
  mongostore revoke ann --handle Zwk1hq3JmX0x7c9eYb2gYJxq0bA
`,
  texts: [...COLLECTION, "keys-file", "data", "handle", "except"],
  flags: ["all"],
  operands: ["subject"],
  async run(args, terminal) {
    const [subject = ""] = args.operands;
    const [handle, except] = [args.text("handle"), args.text("except")];
    if (args.flag("all") === (handle !== undefined)) {
      throw new UsageError("it needs either --all or --handle");
    }
    if (except !== undefined && handle !== undefined) {
      throw new UsageError("--except goes with --all");
    }
    const open = storeOpener(args, terminal);
    const revoked = await withCollection(placeOf(args, terminal), async (collection) => {
      await using store = open(collection);
      if (handle !== undefined) return await store.revoke(handle, { subject }) ? 1 : 0;
      return await store.revokeAll(subject, except === undefined ? {} : { except });
    });
    if (args.flag("json")) terminal.out(`${JSON.stringify({ revoked })}\n`);
    else terminal.out(`${revoked} ${revoked === 1 ? "session" : "sessions"} ended\n`);
    return revoked > 0 ? 0 : 1;
  },
};
