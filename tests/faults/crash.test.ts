import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { MongoClient } from "mongodb";
import { createMongoStore, generateKey, StoreUnavailableError } from "#mongostore";
import type { Session, Store } from "#mongostore";
import { Lair, Mongod } from "../support/mongod-process.ts";
import { requestWith } from "./ledger.ts";

const CRASHES = 20;
const WRITERS = 30;
/** So many writes at least are in the command that the crash meets. */
const MID_BATCH = 5;
const TIMEOUT_MS = 500;

interface Values {
  version: number;
  body: string;
}

/** What one client knows of its session. */
interface Known {
  readonly subject: string;
  token: string | undefined;
  /** The last version that was acknowledged; 0 before the first. */
  acknowledged: number;
  /** What became of the one after it, which the crash met. */
  last: "done" | "not-applied" | "unknown";
}

describe("a server that crashes", { timeout: 180_000 }, () => {
  const keys = [generateKey()];
  let lair: Lair;
  let mongod: Mongod;
  const told = { acknowledged: 0, "not-applied": 0, unknown: 0, landed: 0 };

  before(async () => {
    lair = new Lair();
    mongod = await Mongod.create(lair);
  });

  after(async () => {
    await mongod?.kill();
    await lair?.dispose();
    console.log(
      `${told.acknowledged} saves acknowledged, ${told["not-applied"]} not applied, ` +
        `${told.unknown} unknown of which ${told.landed} are there`,
    );
  });

  for (let crash = 0; crash < CRASHES; crash++) {
    it(`amid a batch (${crash + 1} of ${CRASHES})`, { timeout: 60_000 }, async () => {
      const clients = await withStore(async (store, client) => {
        // At every crash a little later: the first batch that begins after so many saves meets it, some milliseconds in.
        let left = crash * 11;
        let killed: Promise<void> | undefined;
        client.on("commandStarted", ({ commandName, command }) => {
          const { documents, updates }: { documents?: unknown; updates?: unknown } = command;
          const batch = commandName === "insert" ? documents : updates;
          if (left > 0 || killed || !Array.isArray(batch) || batch.length < MID_BATCH) return;
          killed = sleep(crash % 6).then(() => mongod.kill());
        });
        const known = await Promise.all(
          Array.from({ length: WRITERS }, () => write(store, () => left--)),
        );
        await killed;
        return known;
      });
      await mongod.start();
      await withStore(async (store) => {
        for (const known of clients) await check(store, known);
      });
    });
  }

  async function withStore<T>(
    use: (store: Store<Values>, client: MongoClient) => Promise<T>,
  ): Promise<T> {
    const client = await MongoClient.connect(`mongodb://${mongod.host}/`, {
      monitorCommands: true,
    });
    try {
      const collection = client.db("crash").collection("sessions");
      const options = { keys, timeoutMS: TIMEOUT_MS };
      return await use(await createMongoStore<Values>(collection, options), client);
    } finally {
      await client.close();
    }
  }

  async function check(store: Store<Values>, known: Known): Promise<void> {
    const { subject, token, acknowledged, last } = known;
    told.acknowledged += acknowledged;
    if (last !== "done") told[last]++;
    if (token === undefined) {
      const records = await store.list(subject);
      // Whole: the label is sealed together with the values.
      assert.ok(records.every(({ meta }) => meta === 1), "a record is there in part");
      if (last === "not-applied") assert.equal(records.length, 0, "not applied, and yet there");
      told.landed += records.length;
      return;
    }
    const session = await store.get(requestWith(token));
    assert.equal(session.error, undefined, "an acknowledged session is lost");
    const { version = 0, body } = session.values;
    assert.equal(body, bodyOf(version), "the values are there in part");
    if (last === "unknown" && version === acknowledged + 1) told.landed++;
    else assert.equal(version, acknowledged, `the save after it was ${last}`);
  }
});

/** Saves version after version until a save fails. */
async function write(store: Store<Values>, acknowledge: () => void): Promise<Known> {
  const known: Known = {
    subject: crypto.randomUUID(),
    token: undefined,
    acknowledged: 0,
    last: "done",
  };
  while (known.last === "done") {
    let session: Session<Values>;
    try {
      session = await store.get(requestWith(known.token));
    } catch (error) {
      assert.ok(error instanceof StoreUnavailableError);
      return known; // the crash met a load: no save is open
    }
    const version = known.acknowledged + 1;
    Object.assign(session, { subject: known.subject, meta: version });
    Object.assign(session.values, { version, body: bodyOf(version) });
    try {
      await store.save(requestWith(known.token), new Headers(), session);
      known.token = session.token;
      known.acknowledged = version;
      acknowledge();
    } catch (error) {
      assert.ok(error instanceof StoreUnavailableError);
      known.last = error.outcome;
    }
  }
  return known;
}

/** Some kilobytes that show which version they are of, from the first to the last. */
function bodyOf(version: number): string {
  return `${version},`.repeat(1_000 + (version % 7) * 500);
}
