// Requests of one session at the same time: no lost update, no resurrection.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SessionGoneError, StoreUnavailableError } from "#mongostore";
import type { MergeConflict } from "#mongostore";
import { Ambush, Counter, Outage } from "../support/backends.ts";
import { Browser, parseSetCookie } from "../support/browser.ts";
import { ManualClock, settled } from "../support/clock.ts";
import { rejection } from "../support/secrets.ts";
import { describeStores, memoryPlace } from "../support/stores.ts";
import { begin, look, visit } from "../support/visit.ts";

interface Values {
  a: number;
  b: number;
  n: number;
  cart: string[];
  user: { name: string; tags?: string[] };
}

describeStores("two requests of one session", (place) => {
  it("disjoint keys merge, whichever is saved first", async () => {
    for (const order of [[0, 1], [1, 0]] as const) {
      const [store, browser] = [await place().open<Values>(), new Browser()];
      await visit(store, browser, (session) => {
        session.values = { a: 0, b: 0 };
      });
      const both = [await begin(store, browser), await begin(store, browser)] as const;
      both[0].session.values.a = 1;
      both[1].session.values.b = 1;
      for (const i of order) await both[i].save();
      assert.deepEqual((await look(store, browser)).values, { a: 1, b: 1 });
      assert.deepEqual(
        both[order[1]].session.values,
        { a: 1, b: 1 },
        "the second sees the first's",
      );
    }
  });

  it("disjoint keys merge between two stores over one collection, as between two processes", async () => {
    const here = place();
    const [one, two, browser] = [
      await here.open<Values>(),
      await here.open<Values>(),
      new Browser(),
    ];
    await visit(one, browser, (session) => {
      session.values = { a: 0, b: 0 };
    });
    const [first, second] = [await begin(one, browser), await begin(two, browser)];
    first.session.values.a = 1;
    second.session.values.b = 1;
    await Promise.all([first.save(), second.save()]);
    assert.deepEqual((await look(one, browser)).values, { a: 1, b: 1 });
  });

  it("one key: the later save wins it", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 0;
    });
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    first.session.values.n = 1;
    second.session.values.n = 2;
    await second.save();
    await first.save();
    assert.equal((await look(store, browser)).values.n, 1);
  });

  it("one key: the merge option settles it and gets base, mine and theirs", async () => {
    const conflicts: MergeConflict[] = [];
    const store = await place().open<Values>({
      merge: (conflict) => {
        conflicts.push(conflict);
        return Number(conflict.mine) + Number(conflict.theirs) - Number(conflict.base);
      },
    });
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values = { n: 10, a: 0 };
    });
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    first.session.values.n = 11;
    second.session.values.n = 15;
    second.session.values.a = 1;
    await first.save();
    await second.save();
    assert.deepEqual((await look(store, browser)).values, { n: 16, a: 1 });
    assert.deepEqual(conflicts, [{ key: "n", base: 10, mine: 15, theirs: 11 }]);
  });

  it("a merge option that gives what is mine does as no merge option: a deleted key stays deleted", async () => {
    const [store, browser] = [
      await place().open<Values>({ merge: ({ mine }) => mine }),
      new Browser(),
    ];
    await visit(store, browser, (session) => {
      session.values = { n: 0, a: 0 };
    });
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    first.session.values.n = 1;
    delete second.session.values.n;
    await first.save();
    await second.save();
    assert.deepEqual((await look(store, browser)).values, { a: 0 });
  });

  it("a merge option that throws fails the save, writes nothing, and the save can be tried again", async () => {
    let fails = true;
    const store = await place().open<Values>({
      merge: ({ theirs }) => {
        if (fails) throw new RangeError("cannot settle it");
        return theirs;
      },
    });
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values.n = 0;
    });
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    first.session.values.n = 1;
    second.session.values.n = 2;
    await first.save();
    await assert.rejects(second.save(), RangeError);
    assert.equal((await look(store, browser)).values.n, 1);
    fails = false;
    await second.save();
    assert.equal((await look(store, browser)).values.n, 1);
  });

  it("a key deleted by one and left alone by the other is deleted, whichever is saved first", async () => {
    for (const order of [[0, 1], [1, 0]] as const) {
      const [store, browser] = [await place().open<Values>(), new Browser()];
      await visit(store, browser, (session) => {
        session.values = { a: 1, b: 1 };
      });
      const both = [await begin(store, browser), await begin(store, browser)] as const;
      delete both[0].session.values.a;
      both[1].session.values.b = 2;
      for (const i of order) await both[i].save();
      assert.deepEqual((await look(store, browser)).values, { b: 2 });
      assert.deepEqual(both[order[1]].session.values, { b: 2 });
    }
  });

  it("a value that was changed deep inside counts as changed and wins", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { cart: ["a"], user: { name: "ann" } };
    });
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    first.session.values.cart?.push("b");
    const { user } = second.session.values;
    assert.ok(user);
    user.tags = ["vip"];
    await first.save();
    await second.save();
    assert.deepEqual((await look(store, browser)).values, {
      cart: ["a", "b"],
      user: { name: "ann", tags: ["vip"] },
    });
  });

  it("flashes added by both are kept, in the order of their saves", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("zero"));
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    first.session.addFlash("one");
    second.session.addFlash("two");
    second.session.addFlash("one"); // equal to the other's, and another message all the same
    await first.save();
    await second.save();
    assert.deepEqual((await look(store, browser)).flashes(), ["zero", "one", "two", "one"]);
  });

  it("flashes read by either are gone, whichever is saved first", async () => {
    for (const order of [[0, 1], [1, 0]] as const) {
      const [store, browser] = [await place().open<Values>(), new Browser()];
      await visit(store, browser, (session) => {
        session.addFlash("read");
        session.addFlash("kept", "other");
      });
      const both = [await begin(store, browser), await begin(store, browser)] as const;
      assert.deepEqual(both[0].session.flashes(), ["read"]);
      both[1].session.addFlash("added");
      for (const i of order) await both[i].save();
      const session = await look(store, browser);
      assert.deepEqual(session.flashes(), ["added"]);
      assert.deepEqual(session.flashes("other"), ["kept"]);
    }
  });

  it("200 requests at once that each add a key of their own: all 200 are there", async () => {
    const [store, browser] = [await place().open<Record<string, number>>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values["begin"] = 0;
    });
    const requests = await Promise.all(Array.from({ length: 200 }, () => begin(store, browser)));
    await Promise.all(requests.map(({ session, save }, i) => {
      session.values[`key${i}`] = i;
      return save();
    }));
    const { values } = await look(store, browser);
    assert.equal(Object.keys(values).length, 201);
    for (let i = 0; i < 200; i++) assert.equal(values[`key${i}`], i);
  });

  it("200 requests at once over four stores that each add a key of their own: all 200 are there", async () => {
    const here = place();
    const stores = await Promise.all(
      [1, 2, 3, 4].map(() => here.open<Record<string, number>>({ timeoutMS: 30_000 })),
    );
    const browser = new Browser();
    const [first] = stores;
    assert.ok(first);
    await visit(first, browser, (session) => {
      session.values["begin"] = 0;
    });
    const requests = await Promise.all(
      stores.flatMap((store) => Array.from({ length: 50 }, () => begin(store, browser))),
    );
    await Promise.all(requests.map(({ session, save }, i) => {
      session.values[`key${i}`] = i;
      return save();
    }));
    assert.equal(Object.keys((await look(first, browser)).values).length, 201);
  });

  it("200 increments with update at once: the counter says 200", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 0;
    });
    const requests = await Promise.all(Array.from({ length: 200 }, () => begin(store, browser)));
    await Promise.all(requests.map(({ session }) =>
      session.update((values) => {
        values.n = (values.n ?? 0) + 1;
      })
    ));
    assert.equal((await look(store, browser)).values.n, 200);
  });

  it("200 increments with update at once on one session object: the counter says 200", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 0;
    });
    const { session } = await begin(store, browser);
    await Promise.all(Array.from({ length: 200 }, () =>
      session.update((values) => {
        values.n = (values.n ?? 0) + 1;
      })));
    assert.equal(session.values.n, 200);
    assert.equal((await look(store, browser)).values.n, 200);
  });

  it("takeFlashes by 20 at once: exactly one gets them", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => {
      session.addFlash("one");
      session.addFlash("two");
    });
    const requests = await Promise.all(Array.from({ length: 20 }, () => begin(store, browser)));
    const taken = await Promise.all(requests.map(({ session }) => session.takeFlashes()));
    const given = taken.filter((flashes) => flashes.length > 0);
    assert.deepEqual(given, [["one", "two"]]);
    assert.deepEqual((await look(store, browser)).flashes(), []);
  });

  it("what takeFlashes took does not come back with a save of a request that was under way", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("once"));
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    assert.deepEqual(await first.session.takeFlashes(), ["once"]);
    second.session.values.n = 1;
    await second.save();
    await first.save();
    assert.deepEqual((await look(store, browser)).flashes(), []);
  });

  it("a session that was destroyed meanwhile: the save fails, writes nothing and clears the token", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session, saveOn } = await begin(store, browser);
    await (await look(store, browser)).destroy();
    session.values.n = 2;
    const headers = new Headers();
    await rejection(() => saveOn(headers), SessionGoneError);
    assert.equal(parseSetCookie(headers.getSetCookie()[0] ?? "").value, "");
    assert.equal(
      (await saveOn(new Headers())).getSetCookie().length,
      1,
      "a second save clears too",
    );
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("a save after destroy clears the token and never revives", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const thief = browser.copy();
    const { session, save } = await begin(store, browser);
    await session.destroy();
    assert.deepEqual({ ...session.values }, {});
    session.values.n = 2;
    session.addFlash("again");
    session.regenerate();
    browser.receive(await save());
    browser.receive(await save());
    assert.equal(browser.token, undefined);
    assert.equal((await look(store, thief)).isNew, true);
    await rejection(() => session.update(() => {}), SessionGoneError);
    await rejection(() => session.takeFlashes(), SessionGoneError);
  });

  it("handle tolerates a session that ended meanwhile: the response leaves with the token cleared", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const handler = store.handle(async (_request, session) => {
      const { values } = await session();
      await (await look(store, browser)).destroy();
      values.n = 2;
      return new Response("done", { status: 201 });
    });
    const response = await handler(browser.request());
    assert.deepEqual([response.status, await response.text()], [201, "done"]);
    browser.receive(response);
    assert.equal(browser.token, undefined);
  });

  it("two saves of one session object at once: one record, and both responses carry the token", async () => {
    const here = place();
    const [store, browser] = [await here.open<Values>(), new Browser()];
    const request = browser.request();
    const session = await store.get(request);
    session.values.n = 1;
    session.subject = "ann";
    const [one, two] = await Promise.all([
      store.save(request, new Response(), session),
      store.save(request, new Response(), session),
    ]);
    assert.equal((await store.list("ann")).length, 1);
    for (const response of [one, two]) {
      const [line = ""] = response.headers.getSetCookie();
      assert.equal(parseSetCookie(line).value, session.token);
    }
  });

  it("a new session whose first response is thrown away puts its token on the next", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    const request = browser.request();
    const session = await store.get(request);
    session.values.n = 1;
    await store.save(request, new Response("never sent"), session);
    browser.receive(await store.save(request, new Response("an error page"), session));
    assert.equal((await look(store, browser)).values.n, 1);
  });

  it("a change made while a save is under way is neither lost nor written by it, and the next save writes it", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { a: 0, b: 0 };
    });
    const other = await begin(store, browser);
    const { session, save } = await begin(store, browser);
    other.session.values.b = 1;
    await other.save();
    session.values.a = 1;
    const saving = save();
    session.values.a = 2;
    session.values.n = 3;
    session.addFlash("later");
    await saving;
    assert.deepEqual(session.values, { a: 2, b: 1, n: 3 });
    await save();
    const loaded = await look(store, browser);
    assert.deepEqual(loaded.values, { a: 2, b: 1, n: 3 });
    assert.deepEqual(loaded.flashes(), ["later"]);
  });

  it("nothing changed: nothing is written and no token is sent", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open<Values>({}, counter.around), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { cart: ["a"], n: 1 };
      session.addFlash("x", "kept");
      session.meta = { device: "phone" };
      session.subject = "ann";
    });
    const { response } = await visit(store, browser, (session) => {
      session.values.cart?.push("b");
      session.values.cart?.pop();
      session.values.n = 2;
      session.values.n = 1;
      assert.deepEqual(session.flashes(), []);
    });
    assert.deepEqual(counter.writes, ["insert"]);
    assert.deepEqual(response.headers.getSetCookie(), []);
    assert.equal(response.headers.get("vary"), "Cookie");
  });

  it("nothing set: nothing is stored for a visitor, and no token is sent", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open<Values>({}, counter.around), new Browser()];
    const { response } = await visit(store, browser, (session) => session.regenerate());
    assert.deepEqual([counter.writes, response.headers.getSetCookie()], [[], []]);
  });

  it("saveEmpty stores a session in which nothing was set", async () => {
    const counter = new Counter();
    const store = await place().open<Values>({ saveEmpty: true }, counter.around);
    const browser = new Browser();
    await visit(store, browser);
    assert.deepEqual(counter.writes, ["insert"]);
    assert.equal((await look(store, browser)).isNew, false);
  });

  it("a session that is emptied is written, and is not new afterwards", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    await visit(store, browser, (session) => {
      delete session.values.n;
    });
    const session = await look(store, browser);
    assert.deepEqual([session.isNew, session.values], [false, {}]);
  });
});

describeStores("session.update", (place) => {
  it("runs its function again on fresh values when another request came between", async () => {
    const ambush = new Ambush();
    const here = place();
    const store = await here.open<Values>({}, ambush.around);
    const other = await here.open<Values>();
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session } = await begin(store, browser);
    ambush.before(({ kind }) => kind === "update", () =>
      visit(other, browser, (theirs) => {
        theirs.values.n = 10;
        theirs.values.a = 1;
      }));
    const seen: unknown[] = [];
    await session.update((values) => {
      seen.push(values.n);
      values.n = (values.n ?? 0) + 1;
    });
    assert.deepEqual(seen, [1, 10]);
    assert.deepEqual((await look(store, browser)).values, { n: 11, a: 1 });
    assert.deepEqual(session.values, { n: 11, a: 1 }, "the session shows what was written");
  });

  it("waits for an async function, and what others save meanwhile is kept", async () => {
    const here = place();
    const [store, other, browser] = [
      await here.open<Values>(),
      await here.open<Values>(),
      new Browser(),
    ];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session } = await begin(store, browser);
    let runs = 0;
    await session.update(async (values) => {
      if (runs++ === 0) {
        await visit(other, browser, (theirs) => {
          theirs.values.a = 1;
        });
      }
      values.n = (values.n ?? 0) + 1;
    });
    assert.deepEqual((await look(store, browser)).values, { n: 2, a: 1 });
  });

  it("leaves what is changed and not saved yet unsaved, and does not lose it", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { n: 1, a: 1 };
    });
    const { session, save } = await begin(store, browser);
    session.values.a = 2;
    session.addFlash("unsaved");
    session.meta = "unsaved";
    session.subject = "ann";
    await session.update((values) => {
      values.n = 2;
    });
    assert.deepEqual((await look(store, browser)).values, { n: 2, a: 1 });
    assert.deepEqual([session.values, session.meta, session.subject], [
      { n: 2, a: 2 },
      "unsaved",
      "ann",
    ]);
    await save();
    const loaded = await look(store, browser);
    assert.deepEqual([loaded.values, loaded.meta, loaded.subject], [
      { n: 2, a: 2 },
      "unsaved",
      "ann",
    ]);
    assert.deepEqual(loaded.flashes(), ["unsaved"]);
  });

  it("writes nothing where its function throws or rejects, and the session goes on", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open<Values>({}, counter.around), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session, save } = await begin(store, browser);
    const failure = new RangeError("no");
    await assert.rejects(
      session.update((values) => {
        values.n = 2;
        throw failure;
      }),
      failure,
    );
    await assert.rejects(session.update(() => Promise.reject(failure)), failure);
    assert.deepEqual([session.values.n, counter.writes], [1, ["insert"]]);
    session.values.n = 3;
    await save();
    assert.equal((await look(store, browser)).values.n, 3);
  });

  it("decides on what stands in the record now, also where it then changes nothing", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 0;
    });
    const { session } = await begin(store, browser);
    await visit(store, browser, (theirs) => {
      theirs.values.n = 100;
    });
    let seen: number | undefined;
    await session.update((values) => {
      seen = values.n;
      if (values.n === 0) return; // nothing left to take
      values.n = (values.n ?? 0) - 1;
    });
    assert.equal(seen, 100);
    assert.equal((await look(store, browser)).values.n, 99);
  });

  it("a session that was never saved: changes the values at hand, and the next save stores them", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open<Values>({}, counter.around), new Browser()];
    const { session, save } = await begin(store, browser);
    await session.update((values) => {
      values.n = 1;
    });
    assert.deepEqual([session.values.n, counter.writes], [1, []]);
    browser.receive(await save());
    assert.equal((await look(store, browser)).values.n, 1);
  });

  it("a session that was never saved: what is set while an async function runs is not lost", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    const { session, save } = await begin(store, browser);
    const updating = session.update(async (values) => {
      await settled();
      values.n = 1;
    });
    session.addFlash("added meanwhile");
    session.values.a = 1;
    session.meta = "set meanwhile";
    session.subject = "ann";
    await updating;
    browser.receive(await save());
    const loaded = await look(store, browser);
    assert.deepEqual(loaded.values, { n: 1, a: 1 });
    assert.deepEqual([loaded.meta, loaded.subject], ["set meanwhile", "ann"]);
    assert.deepEqual(loaded.flashes(), ["added meanwhile"]);
  });

  it("a session that was never saved: a flash added right after takeFlashes began is not lost", async () => {
    const { session } = await begin(await place().open<Values>(), new Browser());
    session.addFlash("first");
    const taking = session.takeFlashes();
    session.addFlash("second");
    assert.deepEqual(await taking, ["first"]);
    assert.deepEqual(session.flashes(), ["second"]);
  });

  it("a flash that flashes() gave is not given again by takeFlashes() of the same session", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("once"));
    const { session } = await begin(store, browser);
    assert.deepEqual(session.flashes(), ["once"]);
    assert.deepEqual(await session.takeFlashes(), []);
  });

  it("a flash added and not saved yet is either taken by takeFlashes() or still there, not both and not neither", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("stored"));
    const { session } = await begin(store, browser);
    session.addFlash("unsaved");
    const taken = await session.takeFlashes();
    assert.deepEqual([...taken, ...session.flashes()], ["stored", "unsaved"]);
  });

  it("an outage leaves record and session as they were", async () => {
    const outage = new Outage();
    const [store, browser] = [await place().open<Values>({}, outage.around), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session } = await begin(store, browser);
    const increment = (values: Partial<Values>) => {
      values.n = (values.n ?? 0) + 1;
    };
    outage.down = true;
    await rejection(() => session.update(increment), StoreUnavailableError);
    outage.down = false;
    assert.equal(session.values.n, 1);
    await session.update(increment);
    assert.equal((await look(store, browser)).values.n, 2);
  });
});

describe("a deadline", () => {
  it("an update whose function never ends rejects with StoreUnavailableError at its deadline", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session } = await begin(store, browser);
    let outcome: unknown = "still waiting";
    session.update(() => new Promise(() => {})).catch((error: unknown) => {
      outcome = error;
    });
    await settled();
    clock.advance(5_100);
    await settled();
    assert.ok(outcome instanceof StoreUnavailableError, String(outcome));
  });

  it("a save inside update's function settles by its deadline: no deadlock", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session, save } = await begin(store, browser);
    let outcome: unknown = "still waiting";
    session.update(async () => {
      await save();
    }).catch((error: unknown) => {
      outcome = error;
    });
    await settled();
    clock.advance(5_100);
    await settled();
    assert.ok(outcome instanceof StoreUnavailableError, String(outcome));
  });

  it("saves that wait behind one that hangs reject at their deadline, not applied, and the rest goes on", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const [hanging, waiting] = [await begin(store, browser), await begin(store, browser)];
    let release: () => void = () => {};
    const updating = hanging.session.update(() =>
      new Promise((resolve) => {
        release = resolve;
      })
    );
    waiting.session.values.n = 2;
    const outcome = rejection(waiting.save, StoreUnavailableError);
    await settled();
    clock.advance(5_100);
    assert.equal((await outcome).outcome, "not-applied");
    release();
    await updating.catch(() => undefined);
    await waiting.save();
    assert.equal((await look(store, browser)).values.n, 2);
  });
});

describeStores("logout", (place, kind) => {
  const rounds = kind === "mongodb" ? 1000 : 200;

  it(`destroy racing a save, ${rounds} sessions: none is alive afterwards, and no token is issued after`, async () => {
    const here = place();
    const store = await here.open<Values>({ timeoutMS: 30_000 });
    const browsers = Array.from({ length: rounds }, () => new Browser());
    await Promise.all(browsers.map((browser) =>
      visit(store, browser, (session) => {
        session.values.n = 0;
        session.subject = "all";
      })
    ));
    await Promise.all(browsers.map(async (browser, i) => {
      const [saving, leaving] = [await begin(store, browser), await begin(store, browser)];
      saving.session.values.n = i;
      const headers = new Headers();
      let loggedOut = false;
      const logout = () => leaving.session.destroy().then(() => (loggedOut = true));
      const save = async () => {
        try {
          await saving.saveOn(headers);
        } catch (error) {
          assert.ok(error instanceof SessionGoneError, String(error));
          assert.equal(parseSetCookie(headers.getSetCookie()[0] ?? "").value, "");
        }
      };
      await Promise.all(i % 2 === 0 ? [save(), logout()] : [logout(), save()]);
      assert.ok(loggedOut);
      const late = await saving.saveOn(new Headers()).catch((error: unknown) => {
        assert.ok(error instanceof SessionGoneError, String(error));
      });
      if (late) {
        const [line] = late.getSetCookie();
        assert.equal(line === undefined ? "" : parseSetCookie(line).value, "");
      }
      assert.equal((await look(store, browser)).isNew, true);
    }));
    assert.deepEqual(await store.list("all"), []);
    assert.equal(await here.collection?.countDocuments() ?? 0, 0);
  });

  it(`destroy racing regenerate, ${rounds / 4} sessions, with and without grace: none is alive where logout came last`, async () => {
    for (const grace of [0, 30]) {
      const here = place();
      const store = await here.open<Values>({ grace, timeoutMS: 30_000 });
      await Promise.all(Array.from({ length: rounds / 4 }, async () => {
        const browser = new Browser();
        await visit(store, browser, (session) => {
          session.values.n = 0;
        });
        const [moving, leaving] = [await begin(store, browser), await begin(store, browser)];
        moving.session.regenerate();
        const moved = moving.save().then((response) => browser.receive(response), () => undefined);
        const left = leaving.session.destroy();
        await Promise.all([moved, left]);
        // Whoever came first, whoever holds the last token can log out, and then nothing is alive.
        await visit(store, browser, (session) => session.destroy());
        assert.equal((await look(store, browser)).isNew, true);
      }));
    }
  });

  it("destroy ends the successor where the session was just regenerated", async () => {
    const [store, browser] = [await place().open<Values>({ grace: 30 }), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session } = await begin(store, browser);
    await visit(store, browser, (moving) => moving.regenerate());
    await session.destroy();
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("destroy ends the session where it was regenerated twice meanwhile", async () => {
    const [store, browser] = [await place().open<Values>({ grace: 30 }), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session } = await begin(store, browser);
    await visit(store, browser, (moving) => moving.regenerate());
    await visit(store, browser, (moving) => moving.regenerate());
    await session.destroy();
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("destroy ends the session where a save and then a regenerate come between its steps", async () => {
    const ambush = new Ambush();
    const here = place();
    const [store, other, browser] = [
      await here.open<Values>({ grace: 30 }, ambush.around),
      await here.open<Values>({ grace: 30 }),
      new Browser(),
    ];
    await visit(other, browser, (session) => {
      session.values.n = 1;
    });
    const { session } = await begin(store, browser);
    await visit(other, browser, (theirs) => {
      theirs.values.n = 2;
    });
    let removals = 0;
    ambush.before(
      ({ kind: what }) => what === "remove" && ++removals === 2,
      () => visit(other, browser, (moving) => moving.regenerate()),
    );
    await session.destroy();
    const left = await look(other, browser);
    assert.equal(removals >= 1 && left.isNew, true, "the successor outlived the logout");
  });

  it("revoking a session ends it at once, and its requests under way find it gone", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
      session.subject = "ann";
    });
    const { session, save } = await begin(store, browser);
    const [info] = await store.list("ann");
    assert.equal(info?.handle, store.handleOf(session));
    assert.equal(await store.revoke(info?.handle ?? ""), true);
    assert.equal(await store.revoke(info?.handle ?? ""), false, "there is none any more");
    session.values.n = 2;
    await rejection(save, SessionGoneError);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("revoke by a handle from before a regenerate says false or ends the session, and never says true for nothing", async () => {
    const [store, browser] = [await place().open<Values>({ grace: 30 }), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
      session.subject = "ann";
    });
    const [info] = await store.list("ann");
    await visit(store, browser, (session) => session.regenerate());
    const revoked = await store.revoke(info?.handle ?? "");
    const alive = !(await look(store, browser)).isNew;
    assert.equal(revoked, !alive);
  });

  it("revoke with a subject ends only that subject's session", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
      session.subject = "ann";
    });
    const handle = (await store.list("ann"))[0]?.handle ?? "";
    assert.equal(await store.revoke(handle, { subject: "eve" }), false);
    assert.equal((await look(store, browser)).isNew, false);
    assert.equal(await store.revoke(handle, { subject: "ann" }), true);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("what is no handle revokes nothing: a token, an id, an empty text", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    const { session } = await visit(store, browser, (made) => {
      made.values.n = 1;
    });
    for (const text of ["", session.token ?? "", session.id, "A".repeat(27), "A".repeat(28)]) {
      assert.equal(await store.revoke(text), false);
    }
    assert.equal((await look(store, browser)).isNew, false);
  });

  it("revokeAll ends every session of one user and gives their number; except stays, others' stay", async () => {
    const store = await place().open<Values>();
    const [phone, laptop, tablet, other] = [
      new Browser(),
      new Browser(),
      new Browser(),
      new Browser(),
    ];
    for (
      const [browser, subject] of [[phone, "ann"], [laptop, "ann"], [tablet, "ann"], [
        other,
        "bob",
      ]] as const
    ) {
      await visit(store, browser, (session) => {
        session.values.n = 1;
        session.subject = subject;
      });
    }
    const here = await look(store, phone);
    assert.equal(await store.revokeAll("ann", { except: here }), 2);
    assert.equal((await look(store, phone)).isNew, false);
    assert.equal((await look(store, laptop)).isNew, true);
    assert.equal(await store.revokeAll("ann", { except: store.handleOf(here) ?? "" }), 0);
    assert.equal(await store.revokeAll("ann"), 1);
    assert.equal((await look(store, phone)).isNew, true);
    assert.equal((await look(store, other)).isNew, false);
    assert.equal(await store.revokeAll("nobody"), 0);
  });

  it("list gives the sessions of one user, last used first, with their meta and no secret", async () => {
    const [store, phone, laptop] = [await place().open<Values>(), new Browser(), new Browser()];
    const made = [];
    for (const [browser, device] of [[phone, "phone"], [laptop, "laptop"]] as const) {
      made.push(
        await visit(store, browser, (session) => {
          session.subject = "ann";
          session.meta = { device };
        }),
      );
    }
    const listed = await store.list("ann");
    assert.deepEqual(
      listed.map(({ meta }) => JSON.stringify(meta)).toSorted(),
      ['{"device":"laptop"}', '{"device":"phone"}'],
    );
    const modified = listed.map(({ modifiedAt }) => modifiedAt.getTime());
    assert.deepEqual(modified, modified.toSorted((a, b) => b - a));
    for (const { session } of made) {
      for (const secret of [session.id, session.token ?? ""]) {
        assert.ok(!JSON.stringify(listed).includes(secret));
      }
    }
    assert.deepEqual((await store.list("ann", 1)).length, 1);
    assert.deepEqual(await store.list("eve"), []);
  });

  it("a subject can change, and list and revokeAll follow it", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.subject = "ann";
    });
    await visit(store, browser, (session) => {
      session.subject = "bob";
    });
    assert.deepEqual([(await store.list("ann")).length, (await store.list("bob")).length], [0, 1]);
    await visit(store, browser, (session) => {
      session.subject = undefined;
    });
    assert.equal(await store.revokeAll("bob"), 0);
    assert.equal((await look(store, browser)).isNew, false);
  });
});

describeStores("regenerate", (place) => {
  it("without grace a request in flight on the old token finds it gone and its save fails", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { n: 1 };
    });
    const old = browser.copy();
    const { session, save } = await begin(store, browser);
    await visit(store, browser, (moving) => moving.regenerate());
    session.values.a = 1;
    await rejection(save, SessionGoneError);
    assert.equal((await look(store, old)).error?.code, "SESSION_GONE");
    assert.deepEqual((await look(store, browser)).values, { n: 1 });
  });

  it("with grace a request on the old token joins the session, its save is kept, and it issues no token", async () => {
    const [store, browser] = [await place().open<Values>({ grace: 30 }), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { n: 1 };
    });
    const old = browser.copy();
    const inFlight = await begin(store, old);
    await visit(store, browser, (moving) => {
      moving.regenerate();
      moving.values.b = 1;
    });
    inFlight.session.values.a = 1;
    const first = await inFlight.save();
    assert.deepEqual(first.headers.getSetCookie(), []);
    const { session, response } = await visit(store, old, (joined) => {
      assert.equal(joined.isNew, false);
      assert.deepEqual(joined.values, { n: 1, a: 1, b: 1 });
      joined.values.n = 2;
    });
    assert.deepEqual([response.headers.getSetCookie(), session.token, session.id], [
      [],
      undefined,
      "",
    ]);
    assert.deepEqual((await look(store, browser)).values, { n: 2, a: 1, b: 1 });
  });

  it("with grace a request that joined and calls regenerate issues no token and leaves the owner's alone", async () => {
    const [store, browser] = [await place().open<Values>({ grace: 30 }), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { n: 1 };
    });
    const thief = browser.copy(); // knows the token from before the login
    await visit(store, browser, (session) => {
      session.regenerate();
      session.values.user = { name: "ann" };
    });
    const { response } = await visit(store, thief, (session) => session.regenerate());
    assert.deepEqual(response.headers.getSetCookie(), []);
    assert.equal((await look(store, browser)).values.user?.name, "ann");
  });

  it("racing a save over two stores: what was acknowledged is in the successor", async () => {
    for (const grace of [0, 30]) {
      const ambush = new Ambush();
      const here = place();
      const [store, other, browser] = [
        await here.open<Values>({ grace }, ambush.around),
        await here.open<Values>({ grace }),
        new Browser(),
      ];
      await visit(store, browser, (session) => {
        session.values = { n: 1 };
      });
      const old = browser.copy();
      ambush.before(({ kind }) => kind === "update", () =>
        visit(other, old, (session) => {
          session.values.a = 1;
        }));
      await visit(store, browser, (session) => {
        session.regenerate();
        session.values.b = 1;
      });
      assert.deepEqual((await look(store, browser)).values, { n: 1, a: 1, b: 1 });
    }
  });

  it("racing a logout over two stores: the successor is never alive and no token is issued", async () => {
    for (const grace of [0, 30]) {
      const ambush = new Ambush();
      const here = place();
      const [store, other, browser] = [
        await here.open<Values>({ grace }, ambush.around),
        await here.open<Values>({ grace }),
        new Browser(),
      ];
      await visit(store, browser, (session) => {
        session.values = { n: 1 };
        session.subject = "ann";
      });
      const { session, saveOn } = await begin(store, browser);
      session.regenerate();
      ambush.before(({ kind }) => kind === "update", async () => {
        await (await look(other, browser)).destroy();
      });
      const headers = new Headers();
      await rejection(() => saveOn(headers), SessionGoneError);
      assert.equal(parseSetCookie(headers.getSetCookie()[0] ?? "").value, "");
      await settled();
      assert.equal((await look(store, browser)).isNew, true);
    }
  });

  it("racing a regenerate: without grace one wins, and the winner's token is the only one that works", async () => {
    const here = place();
    const [store, browser] = [await here.open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { n: 1 };
    });
    const tabs = [browser.copy(), browser.copy()];
    const outcomes = await Promise.allSettled(tabs.map(async (tab) => {
      const { session, saveOn } = await begin(store, tab);
      session.regenerate();
      const headers = new Headers();
      try {
        await saveOn(headers);
      } finally {
        tab.receive(new Response(null, { headers }));
      }
    }));
    assert.deepEqual(outcomes.map(({ status }) => status).toSorted(), ["fulfilled", "rejected"]);
    const alive = await Promise.all(tabs.map(async (tab) => !(await look(store, tab)).isNew));
    assert.equal(alive.filter(Boolean).length, 1);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("of a session whose values are over the limit fails and leaves the old id working", async () => {
    const store = await place().open<{ text: string }>({ maxBytes: 100 });
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values.text = "small";
    });
    const { session, save } = await begin(store, browser);
    session.regenerate();
    session.values.text = "x".repeat(200);
    await assert.rejects(save(), { code: "SESSION_TOO_LARGE" });
    assert.equal((await look(store, browser)).values.text, "small");
  });

  it("called while a save is under way is done by the next save, not forgotten", async () => {
    const [store, browser] = [await place().open<Values>(), new Browser()];
    const { session, save } = await begin(store, browser);
    session.values.n = 1;
    const saving = save();
    session.regenerate();
    await saving;
    const before = session.token;
    session.values.n = 2;
    browser.receive(await save());
    assert.notEqual(session.token, before);
    assert.equal(browser.token, session.token);
  });
});

describe("a touch racing a regenerate", () => {
  it("issues no token: the old cookie does not take the new one's place", async () => {
    const clock = new ManualClock();
    const here = memoryPlace({ clock });
    const store = await here.open<Values>({ maxAge: 100, grace: 30 });
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    clock.advance(50_000);
    const unchanged = await begin(store, browser);
    await visit(store, browser, (session) => session.regenerate());
    const fresh = browser.token;
    browser.receive(await unchanged.save());
    assert.equal(browser.token, fresh);
    clock.advance(31_000);
    assert.equal((await look(store, browser)).isNew, false);
  });
});

describeStores("store.close", (place) => {
  it("waits for saves, updates and logouts that were called before it, and drops none", async () => {
    const here = place();
    const [store, browser] = [await here.open<Values>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const other = new Browser();
    await visit(store, other, (session) => {
      session.values.n = 1;
    });
    const [mine, theirs] = [await begin(store, browser), await begin(store, other)];
    mine.session.values.a = 1;
    const saving = mine.save();
    const updating = mine.session.update((values) => {
      values.b = 1;
    });
    theirs.session.values.a = 1;
    const saved = theirs.save();
    const ending = theirs.session.destroy();
    const closing = store.close();
    await Promise.all([saving, updating, saved, ending, closing]);
    await rejection(() => look(store, browser), StoreUnavailableError);
    await rejection(mine.save, StoreUnavailableError);
    if (!here.collection) return; // in memory the records end with their backend
    const reader = await here.open<Values>();
    assert.deepEqual((await look(reader, browser)).values, { n: 1, a: 1, b: 1 });
    assert.equal((await look(reader, other)).isNew, true);
  });

  it("can be called twice, and by `await using`", async () => {
    const store = await place().open();
    await store.close();
    await store.close();
    await (await place().open())[Symbol.asyncDispose]();
  });
});
