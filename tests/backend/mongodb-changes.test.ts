import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { ChangeObserver } from "../../src/backend/backend.ts";
import type { ChangeCursor } from "../../src/backend/collection.ts";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { ChangeFeed } from "../../src/backend/mongodb-changes.ts";
import { systemClock } from "../../src/clock.ts";
import { newInsert, newKey } from "../contract/backend.ts";
import { ManualClock, settled } from "../support/clock.ts";
import { callFor, openDatabase, type TestDatabase } from "./mongo.ts";

type Answer = object | null | Error | "hangs";

/** A change stream that gives these answers, and then waits for ever. */
class Script implements ChangeCursor {
  resumeToken: unknown = undefined;
  closed = false;
  readonly #answers: Answer[];

  constructor(...answers: Answer[]) {
    this.#answers = answers;
  }

  tryNext(): Promise<object | null> {
    const answer = this.#answers.shift();
    if (answer === undefined || answer === "hangs") return new Promise(() => {});
    if (answer instanceof Error) return Promise.reject(answer);
    this.resumeToken = `after ${this.#answers.length} more`;
    return Promise.resolve(answer);
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

/** A feed over these streams, one after the other, and what happened. */
function follow(...scripts: ChangeCursor[]) {
  const log: string[] = [];
  const clock = new ManualClock();
  const observer: ChangeObserver = {
    changed: (key, isRemoved) => log.push(`${key.text} ${isRemoved ? "removed" : "changed"}`),
    live: (isComplete) => log.push(isComplete ? "live, complete" : "live"),
    lost: ({ message }) => log.push(`lost: ${message.replace(/.*: /, "")}`),
  };
  const collection = {
    watch(_pipeline?: object[], options: object = {}): ChangeCursor {
      const token: unknown = Reflect.get(options, "resumeAfter");
      log.push(`open ${typeof token === "string" ? token : "anew"}`);
      return scripts.shift() ?? new Script();
    },
  };
  const feed = new ChangeFeed(collection, clock, observer);
  return { log, clock, feed };
}

function change(operationType: string, _id: unknown): object {
  return { operationType, documentKey: { _id } };
}

function named(name: string, code?: number): Error {
  return Object.assign(new Error(name), { name, ...(code !== undefined && { code }) });
}

describe("the feed of changes", () => {
  it("is live with the first answer, and tells of records of ours only", async () => {
    const { bytes, text } = newKey();
    const { log, feed } = follow(
      new Script(
        null,
        change("delete", bytes),
        change("update", bytes),
        change("delete", "a text"),
        change("delete", bytes.slice(1)),
        { operationType: "invalidate" },
      ),
    );
    await settled();
    assert.deepEqual(log, ["open anew", "live", `${text} removed`, `${text} changed`]);
    feed.stop();
    await feed.ended;
  });

  it("goes on where a broken connection left it, and anew where the server has lost the place", async () => {
    const { log, clock, feed } = follow(
      new Script(null, named("MongoNetworkError")),
      new Script(null, named("MongoServerError", 286)),
      new Script(null),
    );
    await settled();
    clock.advance(100);
    await settled();
    clock.advance(100);
    await settled();
    assert.deepEqual(log, [
      "open anew",
      "live",
      "lost: MongoDB failed (MongoNetworkError)",
      "open after 1 more",
      "live, complete",
      "lost: MongoDB failed (MongoServerError)",
      "open anew",
      "live",
    ]);
    feed.stop();
    await feed.ended;
  });

  it("rests longer after each failure, a minute at most, and is stopped in its rest", async () => {
    const refusals = Array.from(
      { length: 20 },
      () => new Script(named("MongoServerError", 40_573)),
    );
    const { log, clock, feed } = follow(...refusals);
    const rests: number[] = [];
    for (let tries = 1; tries <= 14; tries++) {
      await settled();
      let rest = 0;
      for (; log.filter((line) => line === "open anew").length === tries; rest += 100) {
        clock.advance(100);
        await settled();
        assert.ok(rest < 100_000, "it tries again");
      }
      rests.push(rest);
    }
    const expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 51_200];
    assert.deepEqual(rests, [...expected, 60_000, 60_000, 60_000, 60_000]);
    feed.stop();
    await feed.ended;
  });

  it("gives up a server that does not answer", async () => {
    const { log, clock, feed } = follow(new Script(null, "hangs"));
    await settled();
    clock.advance(6_000);
    await settled();
    assert.deepEqual(log, ["open anew", "live", "lost: MongoDB did not answer in time"]);
    feed.stop();
    await feed.ended;
  });

  it("opens a stream anew that was closed under it", async () => {
    const script = new Script(null, null);
    const { log, clock, feed } = follow(script);
    script.closed = true;
    await settled();
    clock.advance(100);
    await settled();
    assert.deepEqual(log, ["open anew", "live", "lost: MongoDB failed (Error)", "open anew"]);
    feed.stop();
    await feed.ended;
  });
});

describe("the changes of a real collection", () => {
  let database: TestDatabase;
  before(async () => {
    database = await openDatabase();
  });
  after(() => database.close());

  it("go on after the collection was dropped", async () => {
    const collection = database.collection();
    const backend = mongodbBackend(collection);
    const first = newInsert(await backend.now(callFor()));
    await backend.write([first], callFor());
    const log: string[] = [];
    const next = newInsert(first.created);
    await new Promise<void>((resolve) => {
      backend.observe?.({
        changed: (key, isRemoved) => {
          log.push(isRemoved ? "removed" : "changed");
          if (key.text === next.key.text) resolve();
        },
        live: () => {
          log.push("live");
          if (log.length === 1) void collection.drop();
          else {
            void backend.write([next], callFor()).then(() =>
              backend.write([{ kind: "remove", key: next.key }], callFor())
            );
          }
        },
        lost: () => log.push("lost"),
      });
    });
    assert.deepEqual(log, ["live", "lost", "live", "removed"]);
    await backend.close(callFor());
  });

  it("leave the database without any data", async () => {
    const collection = database.collection();
    const seen: object[] = [];
    const spied = {
      watch(pipeline?: object[], options?: object): ChangeCursor {
        const stream = collection.watch(pipeline?.map((stage) => ({ ...stage })), options);
        return {
          get resumeToken() {
            return stream.resumeToken;
          },
          get closed() {
            return stream.closed;
          },
          close: () => stream.close(),
          tryNext: async () => {
            const event = await stream.tryNext();
            if (event) seen.push(event);
            return event;
          },
        };
      },
    };
    const backend = mongodbBackend(collection);
    const insert = newInsert(await backend.now(callFor()));
    await new Promise<void>((resolve) => {
      const feed = new ChangeFeed(spied, systemClock, {
        changed: (_, isRemoved) => {
          if (!isRemoved) return;
          feed.stop();
          resolve(feed.ended);
        },
        live: () =>
          void backend.write([insert], callFor())
            .then(() =>
              backend.write([{
                kind: "reseal",
                key: insert.key,
                expected: insert.rev,
                rev: newInsert(0).rev,
                data: "secret",
              }], callFor())
            )
            .then(() => backend.write([{ kind: "remove", key: insert.key }], callFor())),
        lost: () => undefined,
      });
    });
    assert.equal(seen.length, 2);
    for (const event of seen) {
      assert.deepEqual(Object.keys(event).toSorted(), ["_id", "documentKey", "operationType"]);
    }
    await backend.close(callFor());
  });
});
