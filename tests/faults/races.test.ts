import assert from "node:assert/strict";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Collection, MongoClient } from "mongodb";
import { createMongoStore, generateKey, SessionGoneError } from "#mongostore";
import type { Session, Store } from "#mongostore";
import { Lair, Mongod, poll } from "../support/mongod-process.ts";
import { requestWith } from "./ledger.ts";

interface Values {
  count: number;
  [key: string]: number;
}

const SESSIONS = 1_000;

/** What one racer got: the token on its response, the end of the session, or nothing. */
type Saved = "token" | "cleared" | "nothing";

describe("two processes race for one session", { timeout: 120_000 }, () => {
  const keys = [generateKey()];
  const clients: MongoClient[] = [];
  let end = (): Promise<void> => Promise.resolve();
  let collection: Collection;
  let here: Store<Values>;
  let there: Store<Values>;

  before(async () => {
    let uri = process.env["MONGODB_URI"];
    if (!uri) {
      const lair = new Lair();
      const mongod = await Mongod.create(lair);
      end = async () => {
        await mongod.kill();
        await lair.dispose();
      };
      uri = `mongodb://${mongod.host}/`;
    }
    const name = `races_${crypto.randomUUID().replaceAll("-", "")}`;
    // Each has a client, a pipeline and lanes of its own, as two processes have: only the server decides between them.
    const open = async () => {
      const client = await MongoClient.connect(uri);
      clients.push(client);
      collection = client.db(name).collection("sessions");
      return await createMongoStore<Values>(collection, { keys, timeoutMS: 30_000 });
    };
    here = await open();
    there = await open();
  });

  after(async () => {
    await clients[0]?.db(collection.dbName).dropDatabase();
    await Promise.all(clients.map((client) => client.close()));
    await end();
  });

  it(`${SESSIONS} logouts against saves: none alive afterwards, no token issued after`, async () => {
    const tokens = await created(SESSIONS);
    const won = { token: 0, cleared: 0, nothing: 0 };
    await Promise.all(tokens.map(async (token, i) => {
      const [leaving, working] = await both(token);
      // Now the one, now the other is the first to be sent, and now the first has a start.
      const logout = async () => {
        if (i % 4 === 3) await sleep(i % 25);
        await leaving.destroy();
        // From here on the session has ended for everyone, whatever they hold.
        working.values["after"] = i;
        return await save(there, working);
      };
      const work = async () => {
        working.values["during"] = i;
        return await save(there, working);
      };
      const [late, during] = i % 2 === 0
        ? await Promise.all([logout(), work()])
        : (await Promise.all([work(), logout()])).toReversed();
      assert.ok(late && during);
      assert.equal(late, "cleared", "a token was issued after the logout");
      won[during]++;
      for (const store of [here, there]) {
        const found = await store.get(requestWith(token));
        assert.ok(found.isNew && found.error instanceof SessionGoneError, "a session lived on");
      }
    }));
    assert.equal(won.nothing, 0);
    assert.equal(await collection.countDocuments({}), 0, "a record outlived its logout");
    console.log(`the save was first ${won.token} times, the logout ${won.cleared} times`);
  });

  it("a new id against a logout: the old token and its id are dead, and no third record is left", async () => {
    const tokens = await created(200);
    let renewed = 0;
    await Promise.all(tokens.map(async (token, i) => {
      const [leaving, working] = await both(token);
      working.regenerate();
      const steps = [() => leaving.destroy(), () => save(there, working)];
      await Promise.all((i % 2 === 0 ? steps : steps.toReversed()).map((step) => step()));
      assert.ok((await here.get(requestWith(token))).isNew, "the old token lived on");
      // The save may have been first. Then the client that got the new token is the only one that has it.
      const next = working.token === token ? undefined : working.token;
      if (next && !(await here.get(requestWith(next))).isNew) renewed++;
    }));
    // What nobody can reach is removed behind the caller's back.
    await poll(5_000, "the rest to be removed", async () => {
      return await collection.countDocuments({}) === renewed || undefined;
    });
    await collection.deleteMany({});
  });

  it("200 increments from both: 200", async () => {
    const [token = ""] = await created(1);
    await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const session = await (i % 2 === 0 ? here : there).get(requestWith(token));
      await session.update((values) => {
        values.count = (values.count ?? 0) + 1;
      });
    }));
    assert.equal((await here.get(requestWith(token))).values.count, 200);
  });

  it("50 increments on each of 8 sessions at once, from both: all succeed, all count", async () => {
    const tokens = await created(8);
    const failed = new Map<string, number>();
    await Promise.all([here, there].flatMap((store) =>
      tokens.map(async (token) => {
        for (let i = 0; i < 25; i++) {
          const session = await store.get(requestWith(token));
          await session.update((values) => {
            values.count = (values.count ?? 0) + 1;
          }).catch((error: unknown) =>
            failed.set(String(error), (failed.get(String(error)) ?? 0) + 1)
          );
        }
      })
    ));
    assert.deepEqual([...failed], [], "there was no outage, and yet calls failed");
    for (const token of tokens) {
      assert.equal((await there.get(requestWith(token))).values.count, 50);
    }
  });

  it("200 keys from both: all there", async () => {
    const [token = ""] = await created(1);
    await Promise.all(Array.from({ length: 200 }, async (_, i) => {
      const store = i % 2 === 0 ? here : there;
      const session = await store.get(requestWith(token));
      session.values[`key${i}`] = i;
      assert.equal(await save(store, session), "token");
    }));
    const { values } = await here.get(requestWith(token));
    const expected = Array.from({ length: 200 }, (_, i): [string, number] => [`key${i}`, i]);
    assert.deepEqual({ ...values }, { count: 0, ...Object.fromEntries(expected) });
  });

  /** Sessions that both processes can see, by their tokens. */
  async function created(count: number): Promise<string[]> {
    return await Promise.all(Array.from({ length: count }, async () => {
      const session = await here.get(requestWith(undefined));
      session.values.count = 0;
      assert.equal(await save(here, session), "token");
      assert.ok(session.token);
      return session.token;
    }));
  }

  async function both(token: string): Promise<[Session<Values>, Session<Values>]> {
    const request = requestWith(token);
    const [mine, theirs] = await Promise.all([here.get(request), there.get(request)]);
    assert.ok(!mine.isNew && !theirs.isNew);
    return [mine, theirs];
  }
});

/** Saves, and says what the response tells the client; a session that has ended is no failure here. */
async function save(store: Store<Values>, session: Session<Values>): Promise<Saved> {
  const headers = new Headers();
  try {
    await store.save(requestWith(undefined), headers, session);
  } catch (error) {
    if (!(error instanceof SessionGoneError)) throw error;
  }
  const cookie = headers.get("set-cookie");
  if (!cookie) return "nothing";
  return /; *max-age=0/i.test(cookie) ? "cleared" : "token";
}
