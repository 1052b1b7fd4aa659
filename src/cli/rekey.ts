import type { RekeyProgress } from "../index.ts";
import type { Command } from "./command.ts";
import { COLLECTION, COLLECTION_HELP, KEYS_HELP } from "./command.ts";
import { placeOf, withCollection } from "./connect.ts";
import { storeOpener } from "./open-store.ts";
import { Progress } from "./progress.ts";
import { requiredKeys } from "./secrets.ts";

/** Protects all stored data with the first key. */
export const rekey: Command = {
  name: "rekey",
  summary: "protect the data of every session with the first key",
  help: `\
mongostore rekey [options]

Protects what is stored anew with the first of the keys, so that the others can be dropped. Sessions
go on meanwhile, and none lives shorter or longer for it. Tokens are made anew when their clients
come by. Exit code 1 where records open with none of the keys; they are left as they are.

${COLLECTION_HELP}
${KEYS_HELP}
  --data KIND           how the store keeps values: sealed (the default) or signed
  --rate N              at most so many records a second (default: no limit)
  --batch N             so many at a time (default: 200)
  --after HANDLE        go on after this record, which an interrupted run has named
  --json                { "seen": 9, "resealed": 9, "unopened": 0, "overtaken": 0, "last": "…" }

Examples:

  SESSION_KEY="$NEW,$OLD" mongostore rekey
  mongostore rekey --keys-file keys.txt --rate 2000
`,
  texts: [...COLLECTION, "keys-file", "data", "rate", "batch", "after"],
  flags: [],
  operands: [],
  async run(args, terminal) {
    requiredKeys(args, terminal);
    const open = storeOpener(args, terminal);
    const [after, rate] = [args.text("after"), args.count("rate", 0)];
    const batch = args.count("batch", 200);
    const { seen, resealed, unopened, overtaken, last } = await withCollection(
      placeOf(args, terminal),
      async (collection) => {
        const progress = new Progress(
          terminal,
          "looked at",
          await collection.estimatedDocumentCount(),
        );
        await using store = open(collection);
        let reached: RekeyProgress | undefined;
        try {
          return await store.rekey({
            batch,
            ...(rate > 0 ? { rate } : {}),
            ...(after === undefined ? {} : { after }),
            onProgress: (now) => {
              reached = now;
              progress.show(now.seen);
            },
          });
        } catch (error) {
          progress.end();
          const from = reached?.last;
          if (from !== undefined) terminal.err(`it came so far: go on with --after ${from}\n`);
          throw error;
        } finally {
          progress.end(reached?.seen);
        }
      },
    );
    if (args.flag("json")) {
      terminal.out(`${JSON.stringify({ seen, resealed, unopened, overtaken, last })}\n`);
    } else {
      terminal.out(`${seen} looked at, ${resealed} protected anew\n`);
      if (overtaken > 0) terminal.out(`${overtaken} were saved by their servers meanwhile\n`);
      if (unopened > 0) {
        terminal.out(
          `${unopened} open with none of these keys: a key is missing from the list, or was dropped\n`,
        );
      }
    }
    return unopened > 0 ? 1 : 0;
  },
};
