// When sessions end: by a clock that the test moves, and on MongoDB by what the records say.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Browser, parseSetCookie } from "../support/browser.ts";
import { Counter } from "../support/backends.ts";
import { ManualClock } from "../support/clock.ts";
import { describeStores, memoryPlace } from "../support/stores.ts";
import { begin, look, visit } from "../support/visit.ts";

const DAY = 86_400;

describe("lifetime", () => {
  it("a session ends maxAge seconds after its last save, to the millisecond", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open({ maxAge: 60 }), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    clock.advance(59_999);
    assert.equal((await look(store, browser)).isNew, false);
    clock.advance(1);
    const session = await look(store, browser);
    assert.deepEqual([session.isNew, session.error?.code], [true, "SESSION_GONE"]);
  });

  it("reading never slides expiry, however often", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open({ maxAge: 60 }), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    for (let second = 0; second < 59; second++) {
      clock.advance(1000);
      assert.equal((await look(store, browser)).isNew, false);
    }
    clock.advance(1000);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("saving a change slides expiry, for as long as lifetime allows and not longer", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open<{ n: number }>({ maxAge: 60, lifetime: 200 });
    const browser = new Browser();
    for (let n = 0; n < 4; n++) {
      await visit(store, browser, (session) => {
        assert.equal(session.isNew, n === 0);
        session.values.n = n;
      });
      clock.advance(49_000);
    }
    assert.equal((await look(store, browser)).values.n, 3);
    clock.advance(3999);
    assert.equal((await look(store, browser)).isNew, false);
    clock.advance(1);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("a lifetime that is lowered later ends the sessions that are older", async () => {
    const clock = new ManualClock();
    const here = memoryPlace({ clock });
    const browser = new Browser();
    await visit(
      await here.open({ lifetime: 30 * DAY }),
      browser,
      (session) => session.addFlash("x"),
    );
    clock.advance(3600_000);
    const lowered = await here.open({ lifetime: 1800 });
    const session = await look(lowered, browser);
    assert.equal(session.isNew, true);
    assert.ok(["SESSION_GONE", "EXPIRED_TOKEN"].includes(session.error?.code ?? ""));
  });

  it("a lifetime that is lowered later holds for a session at hand: its save cannot outlive it", async () => {
    const clock = new ManualClock();
    const here = memoryPlace({ clock });
    const [long, short, browser] = [
      await here.open<{ n: number }>({ maxAge: 600 }),
      await here.open<{ n: number }>({ maxAge: 600, lifetime: 900 }),
      new Browser(),
    ];
    await visit(long, browser, (session) => {
      session.values.n = 1;
    });
    clock.advance(500_000);
    const { session } = await visit(short, browser, (loaded) => {
      loaded.values.n = 2;
    });
    assert.equal(session.expiresAt?.getTime(), (session.createdAt?.getTime() ?? 0) + 900_000);
  });

  it("the default lifetime is 30 days, or maxAge where that is longer", async () => {
    for (const [maxAge, days] of [[3600, 30], [90 * DAY, 90]] as const) {
      const clock = new ManualClock();
      const store = await memoryPlace({ clock }).open<{ n: number }>({ maxAge });
      const browser = new Browser();
      await visit(store, browser, (session) => {
        session.values.n = 0;
        session.options.maxAge = 365 * DAY;
      });
      clock.advance(days * DAY * 1000 - 1);
      assert.equal((await look(store, browser)).isNew, false);
      clock.advance(1);
      assert.equal((await look(store, browser)).isNew, true);
    }
  });

  it("a session's own maxAge is restored on load and goes on to rule it", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open<{ n: number }>({ maxAge: 60 });
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values.n = 1;
      session.options.maxAge = 600;
    });
    clock.advance(500_000);
    const { response } = await visit(store, browser, (session) => {
      assert.equal(session.options.maxAge, 600);
      session.values.n = 2;
    });
    const { attributes } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
    assert.equal(attributes.get("max-age"), "600");
    clock.advance(599_999);
    assert.equal((await look(store, browser)).values.n, 2);
    clock.advance(1);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("a changed maxAge of the store reaches the sessions that have none of their own, at their next save", async () => {
    const clock = new ManualClock();
    const here = memoryPlace({ clock });
    const browser = new Browser();
    await visit(await here.open<{ n: number }>({ maxAge: 60 }), browser, (session) => {
      session.values.n = 1;
    });
    await visit(await here.open<{ n: number }>({ maxAge: 600 }), browser, (session) => {
      session.values.n = 2;
    });
    clock.advance(599_000);
    assert.equal((await look(await here.open(), browser)).isNew, false);
  });

  it("the stored expiry wins: a changed maxAge of the store does not move it by itself", async () => {
    const clock = new ManualClock();
    const here = memoryPlace({ clock });
    const browser = new Browser();
    await visit(await here.open({ maxAge: 60 }), browser, (session) => session.addFlash("x"));
    const later = await here.open({ maxAge: 6000 });
    clock.advance(59_999);
    assert.equal((await look(later, browser)).isNew, false);
    clock.advance(1);
    assert.equal((await look(later, browser)).isNew, true);
  });

  it("maxAge 0 of a session: the cookie ends with the browser, the record with the store's maxAge", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open({ maxAge: 60 }), new Browser()];
    const { response } = await visit(store, browser, (session) => {
      session.options.maxAge = 0;
      session.addFlash("x");
    });
    const { attributes } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
    assert.deepEqual([attributes.has("max-age"), attributes.has("expires")], [false, false]);
    clock.advance(59_999);
    assert.equal((await look(store, browser)).options.maxAge, 0);
    clock.advance(1);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("maxAge 0 of the store: only lifetime ends a session", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open({ maxAge: 0, lifetime: 1000 });
    const browser = new Browser();
    await visit(store, browser, (session) => session.addFlash("x"));
    clock.advance(999_999);
    assert.equal((await look(store, browser)).isNew, false);
    clock.advance(1);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("a maxAge above 400 days gives a cookie of 400 days and a record that lives on", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open({ maxAge: 500 * DAY });
    const { response, session } = await visit(store, new Browser(), (made) => made.addFlash("x"));
    const { attributes } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
    assert.equal(attributes.get("max-age"), `${400 * DAY}`);
    assert.equal(Date.parse(attributes.get("expires") ?? ""), clock.now() + 400 * DAY * 1000);
    assert.equal(session.expiresAt?.getTime(), clock.now() + 500 * DAY * 1000);
  });

  it("an unchanged session is touched only when a tenth of maxAge has gone by, and its cookie is sent again with it", async () => {
    const clock = new ManualClock();
    const counter = new Counter();
    const store = await memoryPlace({ clock }).open({ maxAge: 100 }, counter.around);
    const browser = new Browser();
    await visit(store, browser, (session) => session.addFlash("x"));
    clock.advance(9_999);
    const early = await visit(store, browser);
    assert.deepEqual([counter.writes, early.response.headers.getSetCookie()], [["insert"], []]);
    clock.advance(1);
    const due = await visit(store, browser);
    assert.deepEqual(counter.writes, ["insert", "touch"]);
    const { value, attributes } = parseSetCookie(due.response.headers.getSetCookie()[0] ?? "");
    assert.deepEqual([value, attributes.get("max-age")], [due.session.token, "100"]);
    assert.equal(due.session.expiresAt?.getTime(), clock.now() + 100_000);
    assert.equal((await visit(store, browser)).response.headers.getSetCookie().length, 0);
    clock.advance(99_999);
    assert.equal((await look(store, browser)).isNew, false);
  });

  it("touchAfter says when an unchanged session is touched; 0 is always", async () => {
    for (const touchAfter of [0, 30]) {
      const clock = new ManualClock();
      const counter = new Counter();
      const store = await memoryPlace({ clock }).open({ maxAge: 100, touchAfter }, counter.around);
      const browser = new Browser();
      await visit(store, browser, (session) => session.addFlash("x"));
      await visit(store, browser);
      assert.equal(counter.writes.length, touchAfter === 0 ? 2 : 1);
      clock.advance(30_000);
      await visit(store, browser);
      assert.equal(counter.writes.at(-1), "touch");
    }
  });

  it("a touch of a session that has ended meanwhile fails and clears the token", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open({ maxAge: 100 }), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    clock.advance(50_000);
    const { saveOn } = await begin(store, browser);
    clock.advance(50_000);
    const headers = new Headers();
    await assert.rejects(saveOn(headers), { code: "SESSION_GONE" });
    assert.equal(parseSetCookie(headers.getSetCookie()[0] ?? "").value, "");
  });

  it("a change at the very end of its time is gone, not revived", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open<{ n: number }>({ maxAge: 100 });
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    clock.advance(99_999);
    const { session, save } = await begin(store, browser);
    clock.advance(1);
    session.values.n = 2;
    await assert.rejects(save(), { code: "SESSION_GONE" });
    await assert.rejects(session.update(() => {}), { code: "SESSION_GONE" });
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("regenerate counts maxAge from now: a session older than maxAge that is in use lives on under its new id", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open<{ n: number }>({ maxAge: 100 });
    const browser = new Browser();
    for (let n = 0; n < 3; n++) {
      await visit(store, browser, (session) => {
        session.values.n = n;
      });
      clock.advance(90_000);
    }
    const { session } = await visit(store, browser, (loaded) => loaded.regenerate());
    assert.equal(session.expiresAt?.getTime(), clock.now() + 100_000);
    assert.equal((await look(store, browser)).values.n, 2, "right after it");
    clock.advance(99_999);
    assert.equal((await look(store, browser)).values.n, 2, "until maxAge has gone by");
  });

  it("regenerate keeps the creation: lifetime is not stretched", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open<{ n: number }>({ maxAge: 100, lifetime: 150 });
    const browser = new Browser();
    const { session: first } = await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    clock.advance(80_000);
    const { session } = await visit(store, browser, (loaded) => loaded.regenerate());
    assert.deepEqual(session.createdAt, first.createdAt);
    clock.advance(70_000);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("a session object that is saved again and again without a change keeps its record alive", async () => {
    const clock = new ManualClock();
    const [store, browser] = [await memoryPlace({ clock }).open({ maxAge: 100 }), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const { save } = await begin(store, browser); // a stream of events, for example
    for (let i = 0; i < 4; i++) {
      clock.advance(50_000);
      await save();
    }
    assert.equal((await look(store, browser)).isNew, false);
  });

  it("after a session has ended its browser starts anew", async () => {
    const clock = new ManualClock();
    const store = await memoryPlace({ clock }).open<{ n: number }>({ maxAge: 60 });
    const browser = new Browser();
    const { session: old } = await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    clock.advance(60_000);
    const { session } = await visit(store, browser, (fresh) => {
      assert.deepEqual({ ...fresh.values }, {});
      fresh.values.n = 2;
    });
    assert.notEqual(session.id, old.id);
    assert.equal((await look(store, browser)).values.n, 2);
  });
});

describeStores("lifetime in the record", (place, kind) => {
  it("createdAt and expiresAt are the record's: maxAge apart at first", async () => {
    const [store, browser] = [await place().open({ maxAge: 60 }), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const session = await look(store, browser);
    const lives = (session.expiresAt?.getTime() ?? 0) - (session.createdAt?.getTime() ?? 0);
    assert.equal(lives, 60_000);
  });

  if (kind === "memory") return;

  it("a record that has expired and was not removed yet does not load, is not revived and is not listed", async () => {
    const here = place();
    const { collection } = here;
    assert.ok(collection);
    const [store, browser] = [await here.open<{ n: number }>({ ensureTTL: false }), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
      session.subject = "ann";
    });
    const { session, save } = await begin(store, browser);
    await collection.updateOne({}, { $set: { expires: new Date(Date.now() - 3600_000) } });
    assert.equal((await look(store, browser)).error?.code, "SESSION_GONE");
    session.values.n = 2;
    await assert.rejects(save(), { code: "SESSION_GONE" });
    assert.deepEqual(await store.list("ann"), []);
  });
});
