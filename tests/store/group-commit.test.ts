// What concurrent requests ask for goes to the database together, unless it is switched off.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { MongoClient } from "mongodb";
import { createMongoStore } from "#mongostore";
import { Browser } from "../support/browser.ts";
import { type Database, openDatabase } from "../support/mongo.ts";
import { KEY } from "../support/stores.ts";
import { visit } from "../support/visit.ts";

const CALLERS = 20;

describe("group commit", () => {
  let database: Database;
  before(async () => {
    database = await openDatabase({ monitorCommands: true });
  });
  after(() => database.close());

  it("sends what callers ask for at the same time in few commands", async () => {
    assert.ok(await commandsOf({}) <= CALLERS / 4);
  });

  it("sends each by itself where it is switched off", async () => {
    assert.equal(await commandsOf({ batch: false }), CALLERS);
  });

  it("keeps to the bounds that it is given", async () => {
    const commands = await commandsOf({ batch: { maxBatch: 2 } });
    assert.ok(commands >= CALLERS / 2 && commands < CALLERS, String(commands));
  });

  /** How many commands insert the first saves of many callers. */
  async function commandsOf(options: { batch?: false | { maxBatch: number } }): Promise<number> {
    const store = await createMongoStore(database.collection(), { keys: [KEY], ...options });
    await visit(store, new Browser(), ({ values }) => void (values["n"] = -1)); // warm
    const stop = counting(database.client);
    await Promise.all(
      Array.from(
        { length: CALLERS },
        (_, i) => visit(store, new Browser(), ({ values }) => void (values["n"] = i)),
      ),
    );
    return stop();
  }
});

/** Counts the inserts that the driver sends, until it is called. */
function counting(client: MongoClient): () => number {
  let inserts = 0;
  const count = ({ commandName }: { readonly commandName: string }) =>
    void (inserts += commandName === "insert" ? 1 : 0);
  client.on("commandStarted", count);
  return () => {
    client.off("commandStarted", count);
    return inserts;
  };
}
