import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MongoClient } from "mongodb";
import { createMongoStore, generateKey } from "#mongostore";
import type { Session, SessionEnd, SessionEvent, Store } from "#mongostore";
import { Lair, Mongod, poll } from "../support/mongod-process.ts";
import { MongodSet } from "../support/mongod-set.ts";

/** What is promised, and what a machine with other work may add. */
const PROMISED_MS = 1_000;
const SLACK_MS = 1_000;

async function signIn(store: Store, subject: string): Promise<Session> {
  const request = new Request("https://app.example/");
  const session = await store.get(request);
  session.subject = subject;
  await store.save(request, new Headers(), session);
  return session;
}

/** Watches a session of this subject until it ends; gives how, and how long after its revocation was done. */
async function revoked(store: Store, other: Store, subject: string): Promise<[SessionEnd, number]> {
  const session = await signIn(store, subject);
  let revokedAt = Infinity;
  const ended = new Promise<[SessionEnd, number]>((resolve) => {
    store.watch(session, (end) => resolve([end, performance.now() - revokedAt]));
  });
  assert.equal(await other.revokeAll(subject), 1);
  revokedAt = performance.now();
  const [end, ms] = await ended;
  return [end, Number.isFinite(ms) ? ms : 0];
}

function modesOf(events: readonly SessionEvent[]): string[] {
  return events.flatMap((event) => event.type === "watch" ? event.mode : []);
}

describe("watching", () => {
  it("on a standalone server says that it looks, and tells within a second or so", async () => {
    const lair = new Lair();
    const mongod = await Mongod.create(lair);
    const client = await mongod.connect();
    const collection = client.db("app").collection("sessions");
    const events: SessionEvent[] = [];
    const keys = [generateKey()];
    const onEvent = (event: SessionEvent) => void events.push(event);
    const store = await createMongoStore(collection, { keys, onEvent });
    const other = await createMongoStore(collection, { keys });
    for (const subject of ["ann", "ben"]) {
      const [end, ms] = await revoked(store, other, subject);
      assert.equal(end, "ended");
      assert.ok(ms < PROMISED_MS + SLACK_MS, `${ms} ms`);
    }
    assert.deepEqual(modesOf(events), ["poll"]);
    await store.close();
    await other.close();
    await client.close();
    await mongod.kill();
    await lair.dispose();
  });

  it("goes on over the death of a primary", async () => {
    const set = await MongodSet.create(3);
    const [one, two] = [await MongoClient.connect(set.uri), await MongoClient.connect(set.uri)];
    const events: SessionEvent[] = [];
    const keys = [generateKey()];
    const onEvent = (event: SessionEvent) => void events.push(event);
    const store = await createMongoStore(one.db("app").collection("sessions"), { keys, onEvent });
    const other = await createMongoStore(two.db("app").collection("sessions"), { keys });
    // A session that nobody ends keeps the stream open all the time.
    const lasting = await signIn(store, "lasting");
    const ends: SessionEnd[] = [];
    store.watch(lasting, (end) => ends.push(end));
    await poll(30_000, "the stream", () => modesOf(events).includes("stream") || undefined);

    const [end, ms] = await revoked(store, other, "before");
    assert.equal(end, "ended");
    assert.ok(ms < PROMISED_MS, `${ms} ms`);

    await (await set.primary()).kill();
    await poll(60_000, "a new primary", () => other.list("after").catch(() => undefined));
    const [late, lateMs] = await revoked(store, other, "after");
    assert.equal(late, "ended");
    assert.ok(lateMs < PROMISED_MS + SLACK_MS, `${lateMs} ms`);
    await poll(90_000, "the stream again", () => modesOf(events).at(-1) === "stream" || undefined);
    assert.deepEqual(ends, []);
    await store.close();
    await other.close();
    await one.close();
    await two.close();
    await set.dispose();
  });
});
