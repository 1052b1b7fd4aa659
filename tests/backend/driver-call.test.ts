import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import type { Clock } from "../../src/clock.ts";
import { unavailable, withinDeadline, WriteSender } from "../../src/backend/driver-call.ts";

/** A clock that stands; its timers fire by hand. */
class Timers implements Clock {
  readonly pending: Set<() => void> = new Set();
  now(): number {
    return 0;
  }
  monotonic(): number {
    return 0;
  }
  after(ms: number, callback: () => void): () => void {
    assert.equal(ms > 0 && ms < 2 ** 31, true);
    const fire = () => callback();
    this.pending.add(fire);
    return () => void this.pending.delete(fire);
  }
}

/** Serializes the comment of a command as often as the driver would that sends it so many times. */
function serialize(options: object, times: number): void {
  const { comment } = { comment: undefined, ...options };
  for (let i = 0; i < times; i++) JSON.stringify({ comment: toJSON(comment) });
}

function toJSON(comment: unknown): unknown {
  if (typeof comment !== "object" || !comment || !("toBSON" in comment)) return undefined;
  return typeof comment.toBSON === "function" ? comment.toBSON() : undefined;
}

describe("a call of the driver", () => {
  it("holds one timer while it runs and none afterwards", async () => {
    for (const deadline of [1, 1e12, Infinity]) {
      const clock = new Timers();
      let held = 0;
      const run = () => {
        held = clock.pending.size;
        return Promise.resolve("answer");
      };
      assert.equal(await withinDeadline(clock, { deadline }, run), "answer");
      await assert.rejects(
        withinDeadline(clock, { deadline }, () => Promise.reject(new Error("no"))),
        { message: "no" },
      );
      assert.deepEqual([held, clock.pending.size], [1, 0]);
    }
  });

  it("is aborted at its deadline, and heard no more", async () => {
    const clock = new Timers();
    let signal: AbortSignal | undefined;
    let late: (error: Error) => void = () => {};
    const running = withinDeadline(clock, { deadline: 5 }, (given) => {
      signal = given;
      return new Promise((_, reject) => late = reject);
    });
    for (const fire of clock.pending) fire();
    await assert.rejects(running, { message: "MongoDB did not answer in time" });
    assert.equal(signal?.aborted, true);
    late(new Error("late"));
    await Promise.resolve();
    assert.equal(clock.pending.size, 0);
  });
});

describe("the fate of a write", () => {
  const call = { deadline: 5 };
  const fail = (times: number, code?: number) => (options: object) => {
    serialize(options, times);
    return Promise.reject(Object.assign(new Error("no"), { code }));
  };
  const fateOf = async (sender: WriteSender, ...arguments_: Parameters<typeof fail>) => {
    const sent = await sender.send(call, fail(...arguments_));
    return "fate" in sent && sent.fate;
  };

  it("is told by whether and how often it was serialized, and by the code", async () => {
    const sender = new WriteSender(new Timers());
    assert.equal(await fateOf(sender, 0), "lost"); // nothing was seen yet
    assert.equal(await fateOf(sender, 1), "lost");
    assert.equal(await fateOf(sender, 0), "unsent");
    assert.equal(await fateOf(sender, 1, 121), "refused");
    assert.equal(await fateOf(sender, 2, 121), "lost"); // the driver's own second try was refused
    assert.equal(await fateOf(sender, 1, 91), "lost"); // shutting down
  });

  it("of the first ones is told as soon as one of them is serialized, not once that one is answered", async () => {
    const timers = new Timers();
    const sender = new WriteSender(timers);
    const hanging = sender.send(call, (options) => {
      serialize(options, 1);
      return new Promise<never>(() => {});
    });
    assert.equal(await fateOf(sender, 0), "unsent");
    for (const fire of timers.pending) fire();
    const sent = await hanging;
    assert.equal("fate" in sent && sent.fate, "lost");
  });

  it("is unsent when its time was over before it began", async () => {
    const sent = await new WriteSender(new Timers()).send({ deadline: 0 }, fail(1));
    assert.equal("fate" in sent && sent.fate, "unsent");
  });
});

describe("an error for the caller", () => {
  it("keeps its cause, but nothing of a document", () => {
    const plain = new Error("connection closed");
    assert.equal(unavailable("no", "find", plain, "unknown").cause, plain);
    for (const name of ["result", "writeErrors", "errInfo", "keyValue"]) {
      const error = Object.assign(new Error("document 4711"), { code: 121, [name]: ["4711"] });
      const shown = inspect(unavailable("no", "find", error, "unknown"), { showHidden: true });
      assert.doesNotMatch(shown, /4711/);
      assert.match(shown, /code 121/);
    }
  });
});
