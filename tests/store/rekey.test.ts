import assert from "node:assert/strict";
import { it } from "node:test";
import { generateKey } from "#mongostore";
import type { RekeyProgress } from "#mongostore";
import { Browser } from "../support/browser.ts";
import { describeStores, type Place } from "../support/stores.ts";
import { begin, look, visit } from "../support/visit.ts";

const [OLD, NEW] = [generateKey(), generateKey()];

interface Values {
  n: number;
  mine?: boolean;
}

/** Browsers with a session each, written under the old key. */
async function settle(place: Place, count: number): Promise<Browser[]> {
  const before = await place.open<Values>({ keys: [OLD] });
  const browsers = Array.from({ length: count }, () => new Browser());
  for (const [n, browser] of browsers.entries()) {
    await visit(before, browser, (session) => {
      session.values.n = n;
    });
  }
  return browsers;
}

describeStores("rotation", (place) => {
  it("a key is added, everything is resealed, the old key is dropped: who came by in between stays signed in", async () => {
    const here = place();
    const browsers = await settle(here, 7);
    const both = await here.open<Values>({ keys: [NEW, OLD] });
    for (const browser of browsers) await visit(both, browser, (session) => session.regenerate());
    const later = await here.open<Values>({ keys: [NEW] });
    for (const [n, browser] of browsers.entries()) {
      assert.equal((await look(later, browser)).values.n, n);
    }
  });

  it("rekey protects every record with the first key and changes nothing else", async () => {
    const here = place();
    const browsers = await settle(here, 7);
    const both = await here.open<Values>({ keys: [NEW, OLD] });
    const [one] = browsers;
    assert.ok(one);
    const before = await look(both, one);
    const heard: RekeyProgress[] = [];
    const done = await both.rekey({ batch: 3, onProgress: (progress) => heard.push(progress) });
    assert.deepEqual([done.seen, done.resealed, done.unopened, done.overtaken], [7, 7, 0, 0]);
    assert.deepEqual(heard.map(({ seen }) => seen), [3, 6, 7]);
    assert.equal((await both.rekey()).resealed, 0, "a second run finds nothing to do");
    const after = await look(both, one);
    assert.deepEqual(
      [after.values, after.expiresAt, after.createdAt],
      [before.values, before.expiresAt, before.createdAt],
    );
    // Only the tokens still need the old key now: a reader that has dropped it from the data ring opens the data.
    for (const browser of browsers) await visit(both, browser, (session) => session.regenerate());
    const later = await here.open<Values>({ keys: [NEW] });
    assert.equal((await look(later, one)).values.n, 0);
  });

  it("rekey goes on where an earlier run ended", async () => {
    const here = place();
    await settle(here, 5);
    const both = await here.open<Values>({ keys: [NEW, OLD] });
    const stop = new AbortController();
    let last: string | undefined;
    const ended = both.rekey({
      batch: 2,
      signal: stop.signal,
      onProgress: (progress) => {
        last = progress.last;
        stop.abort(new Error("enough"));
      },
    });
    await assert.rejects(ended, /enough/);
    assert.ok(last);
    const rest = await both.rekey({ batch: 2, after: last });
    assert.deepEqual([rest.seen, rest.resealed], [3, 3]);
  });

  it("a save that comes between rekey's read and its write wins, and a save that began before it loses nothing", async () => {
    const here = place();
    const [browser] = await settle(here, 1);
    assert.ok(browser);
    const both = await here.open<Values>({ keys: [NEW, OLD] });
    const waiting = await begin(both, browser);
    const other = await here.open<Values>({ keys: [NEW, OLD] }, (backend) => ({
      load: (keys, call) => backend.load(keys, call),
      list: (subject, limit, call) => backend.list(subject, limit, call),
      scan: (after, limit, call) => backend.scan(after, limit, call),
      remove: (selection, call) => backend.remove(selection, call),
      now: (call) => backend.now(call),
      close: (call) => backend.close(call),
      write: async (writes, call) => {
        await visit(both, browser, (session) => {
          session.values.n = 41;
        });
        return await backend.write(writes, call);
      },
    }));
    const done = await other.rekey();
    assert.deepEqual([done.resealed, done.overtaken], [0, 1]);
    await both.rekey();
    waiting.session.values.mine = true;
    await waiting.save();
    assert.deepEqual((await look(both, browser)).values, { n: 41, mine: true });
  });

  it("rekey leaves what no key opens as it is, and says so", async () => {
    const here = place();
    const [browser] = await settle(here, 1);
    assert.ok(browser);
    const stranger = await here.open<Values>({ keys: [NEW] });
    assert.equal((await stranger.rekey()).unopened, 1);
    assert.equal((await look(await here.open<Values>({ keys: [OLD] }), browser)).values.n, 0);
  });

  it("rekey refuses options that make no sense", async () => {
    const store = await place().open();
    await assert.rejects(store.rekey({ batch: 0 }), RangeError);
    await assert.rejects(store.rekey({ rate: 0 }), RangeError);
    await assert.rejects(store.rekey({ after: "no handle" }), TypeError);
  });
});
