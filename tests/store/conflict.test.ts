// A session that others change between every read and write of ours.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "../../src/clock.ts";
import { SessionConflictError } from "#mongostore";
import type { Clock, SessionEvent } from "#mongostore";
import { Ambush } from "../support/backends.ts";
import { Browser } from "../support/browser.ts";
import { rejection } from "../support/secrets.ts";
import { memoryPlace } from "../support/stores.ts";
import { begin, look, visit } from "../support/visit.ts";

interface Values {
  mine: number;
  theirs: number;
}

const MOST_TRIES = 32;
/** No pause between two tries is longer, in milliseconds. */
const LONGEST_PAUSE = 64;

/** A clock whose pauses are over at once, and noted. */
function hasty(pauses: number[]): Clock {
  return {
    ...systemClock,
    after(ms, callback) {
      if (ms > LONGEST_PAUSE) return systemClock.after(ms, callback); // a deadline
      pauses.push(ms);
      return systemClock.after(0, callback);
    },
  };
}

/** A client's session that `store` shares with another store, which comes first so many times. */
async function contended(times: number) {
  const [pauses, events]: [number[], SessionEvent[]] = [[], []];
  const [here, ambush, browser] = [memoryPlace(), new Ambush(), new Browser()];
  const other = await here.open<Values>();
  const store = await here.open<Values>(
    { clock: hasty(pauses), onEvent: (event) => events.push(event) },
    ambush.around,
  );
  await visit(other, browser, (session) => {
    session.values.theirs = 0;
  });
  let came = 0;
  const comeFirst = () => {
    ambush.before(({ kind }) => kind === "update", async () => {
      await visit(other, browser, (session) => {
        session.values.theirs = ++came;
      });
      if (came < times) comeFirst();
    });
  };
  comeFirst();
  return { store, browser, pauses, merges: () => events.filter(({ type }) => type === "merge") };
}

describe("a session that others change between every read and write", () => {
  it(`is saved where they come first ${MOST_TRIES - 1} times, and one merge is told of`, async () => {
    const { store, browser, merges } = await contended(MOST_TRIES - 1);
    const { session, save } = await begin(store, browser);
    session.values.mine = 1;
    await save();
    assert.deepEqual((await look(store, browser)).values, { mine: 1, theirs: MOST_TRIES - 1 });
    assert.deepEqual(merges(), [{ type: "merge", name: "session", tries: MOST_TRIES }]);
  });

  it("is not saved where it goes on: SessionConflictError, nothing of mine is written, and a later save is", async () => {
    const { store, browser, merges } = await contended(MOST_TRIES);
    const { session, save } = await begin(store, browser);
    session.values.mine = 1;
    await rejection(save, SessionConflictError);
    assert.deepEqual((await look(store, browser)).values, { theirs: MOST_TRIES });
    assert.deepEqual(merges(), []);
    await save();
    assert.deepEqual((await look(store, browser)).values, { mine: 1, theirs: MOST_TRIES });
  });

  it("update gives up after as many tries, and each saw fresh values", async () => {
    const { store, browser } = await contended(MOST_TRIES);
    const { session } = await begin(store, browser);
    const seen: unknown[] = [];
    const update = () =>
      session.update((values) => {
        seen.push(values.theirs);
        values.mine = seen.length;
      });
    await rejection(update, SessionConflictError);
    assert.deepEqual(seen, Array.from({ length: MOST_TRIES }, (_, i) => i));
    assert.equal("mine" in (await look(store, browser)).values, false);
  });

  it("is tried again at once, and then after pauses that chance decides: writers that met do not meet again", async () => {
    const { store, browser, pauses } = await contended(MOST_TRIES);
    const { session, save } = await begin(store, browser);
    session.values.mine = 1;
    await rejection(save, SessionConflictError);
    assert.equal(pauses.length, MOST_TRIES - 2);
    assert.ok(pauses.every((pause) => pause >= 0 && pause < LONGEST_PAUSE));
    assert.ok(new Set(pauses).size > MOST_TRIES / 4, String(pauses));
  });
});
