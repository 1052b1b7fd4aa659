import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { generateKey } from "#mongostore";
import { Lair, Mongod } from "../support/mongod-process.ts";
import { App, type RemoteStore } from "./app.ts";

/** A browser that goes on saving, now at one process and now at the other. */
interface Client {
  token: string | undefined;
  /** The last text whose save was acknowledged. */
  text: string;
  saves: number;
}

const CLIENTS = 8;

describe("keys rotate while two processes serve", { timeout: 120_000 }, () => {
  let lair: Lair;
  let mongod: Mongod;
  const apps: App[] = [];
  const [older, newer] = [generateKey(), generateKey()];

  before(async () => {
    lair = new Lair();
    mongod = await Mongod.create(lair);
    const uri = `mongodb://${mongod.host}/`;
    apps.push(...await Promise.all([0, 0].map((by) => App.start(uri, older, by))));
  });

  after(async () => {
    await Promise.all(apps.map((app) => app.close()));
    await mongod?.kill();
    await lair?.dispose();
  });

  it("a key is added, goes first, protects all, and the old one is dropped: nothing is lost and no session ends", async () => {
    const [first, second] = apps;
    assert.ok(first && second);
    const open = (app: App, ...keys: string[]) => app.open({ maxAge: 600, keys });
    /** What each process serves with now. */
    const serving: [RemoteStore, RemoteStore] = [
      await open(first, older),
      await open(second, older),
    ];
    const clients = Array.from(
      { length: CLIENTS },
      (): Client => ({ token: undefined, text: "", saves: 0 }),
    );
    const browsers = new AbortController();
    const browsing = clients.map(async (client, i) => {
      while (!browsers.signal.aborted) {
        const session = await serving[client.saves % 2 === 0 ? 0 : 1].get(client.token);
        assert.equal(session.state.error, undefined);
        assert.equal(session.state.isNew, client.token === undefined);
        assert.equal(session.state.text ?? "", client.text);
        const text = `${i}: ${client.saves}`;
        await session.save(text);
        assert.ok(session.state.token);
        Object.assign(client, { token: session.state.token, text, saves: client.saves + 1 });
      }
    });
    /** Each client comes by at both processes, at least twice. A client that failed ends the test. */
    const everyoneCameBy = async () => {
      const seen = clients.map(({ saves }) => saves);
      while (clients.some(({ saves }, i) => saves < (seen[i] ?? 0) + 4)) {
        await Promise.race([
          Promise.all(browsing),
          new Promise((resolve) => setImmediate(resolve)),
        ]);
      }
    };
    try {
      await everyoneCameBy();
      const early = new Set(clients.map(({ token }) => token));
      // The order of the README: first every process can read the new key, then each begins to use it.
      for (const keys of [[older, newer], [newer, older]]) {
        for (const [i, app] of [first, second].entries()) {
          serving[i === 0 ? 0 : 1] = await open(app, ...keys);
          await everyoneCameBy();
        }
      }
      assert.ok(clients.every(({ token }) => !early.has(token)), "a token is under the old key");
      assert.equal(await serving[0].rekey(), 0);
      for (const [i, app] of [first, second].entries()) {
        serving[i === 0 ? 0 : 1] = await open(app, newer);
        await everyoneCameBy();
      }
    } finally {
      browsers.abort();
      await Promise.all(browsing);
    }
    for (const { token, text } of clients) {
      for (const store of serving) assert.equal((await store.get(token)).state.text, text);
    }
    const stranger = await open(first, older);
    assert.equal((await stranger.get(clients[0]?.token)).state.error, "INVALID_TOKEN");
  });
});
