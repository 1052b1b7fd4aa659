// What is mended of the Go package, a test a row. The row on indexes is proved by tests/backend/indexes.test.ts.
import assert from "node:assert/strict";
import { it } from "node:test";
import {
  HeaderToken,
  saveAll,
  SessionGoneError,
  SessionTooLargeError,
  StoreUnavailableError,
  WeakKeyError,
} from "#mongostore";
import { Counter, Outage } from "../support/backends.ts";
import { Browser, parseSetCookie } from "../support/browser.ts";
import { rejection } from "../support/secrets.ts";
import { describeStores, KEY } from "../support/stores.ts";
import { begin, look, visit } from "../support/visit.ts";

describeStores("mended of the Go package", (place, kind) => {
  it("absence gives a fresh id: the presented one is never taken over", async () => {
    const [store, browser] = [await place().open<{ n: number }>(), new Browser()];
    const { session: first } = await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    await first.destroy();
    const { session: second } = await visit(store, browser, (session) => {
      session.values.n = 2;
    });
    assert.notEqual(second.id, first.id);
    assert.notEqual(second.token, first.token);
  });

  it("an outage throws StoreUnavailableError from get, save, update, list and destroy, and is never a new session", async () => {
    const outage = new Outage();
    const [store, browser] = [await place().open<{ n: number }>({}, outage.around), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
      session.addFlash("shown later");
    });
    const increment = (values: { n?: number }) => {
      values.n = (values.n ?? 0) + 1;
    };
    const { session, save } = await begin(store, browser);
    session.values.n = 2;
    const secrets = { token: session.token ?? "", id: session.id, key: KEY };
    outage.down = true;
    await rejection(() => look(store, browser), StoreUnavailableError, secrets);
    await rejection(save, StoreUnavailableError, secrets);
    await rejection(() => session.update(increment), StoreUnavailableError, secrets);
    await rejection(() => session.takeFlashes(), StoreUnavailableError, secrets);
    await rejection(() => store.list("ann"), StoreUnavailableError, secrets);
    await rejection(() => session.destroy(), StoreUnavailableError, secrets);
    outage.down = false;
    await save();
    assert.equal((await look(store, browser)).values.n, 2, "what was set is saved once it is back");
  });

  it("a get that failed in an outage is asked again within the same request", async () => {
    const outage = new Outage();
    const [store, browser] = [await place().open({}, outage.around), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const request = browser.request();
    outage.down = true;
    await rejection(() => store.get(request), StoreUnavailableError);
    outage.down = false;
    assert.equal((await store.get(request)).isNew, false);
  });

  it("a deleted session is never revived by a save", async () => {
    const [store, browser] = [await place().open<{ n: number }>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const { session, saveOn } = await begin(store, browser);
    await (await look(store, browser)).destroy();
    session.values.n = 2;
    const headers = new Headers();
    await rejection(() => saveOn(headers), SessionGoneError, { id: session.id });
    assert.equal(parseSetCookie(headers.getSetCookie()[0] ?? "").value, "");
    assert.equal((await look(store, browser)).error?.code, "SESSION_GONE");
  });

  it("a save merges where the Go package overwrites the whole record", async () => {
    const [store, browser] = [await place().open<{ a: number; b: number }>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values = { a: 0, b: 0 };
    });
    const [one, two] = [await begin(store, browser), await begin(store, browser)];
    one.session.values.a = 1;
    two.session.values.b = 2;
    await one.save();
    await two.save();
    assert.deepEqual((await look(store, browser)).values, { a: 1, b: 2 });
  });

  it("deleting an unsaved session succeeds and clears the client's token", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    browser.present("nonsense");
    await visit(store, browser, (session) => session.destroy());
    assert.equal(browser.token, undefined);
  });

  it("deleting an already deleted session succeeds, again and again, and clears the client's token", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const { session, save } = await begin(store, browser);
    await (await look(store, browser)).destroy();
    await session.destroy();
    await session.destroy();
    browser.receive(await save());
    assert.equal(browser.token, undefined);
  });

  it("the limit is its own option, 256 KiB by default, and is refused before anything is sent", async () => {
    const counter = new Counter();
    const store = await place().open<{ text: string }>({}, counter.around);
    const [request, browser] = [new Browser().request(), new Browser()];
    const session = await store.get(request);
    session.values.text = "v".repeat(262_144);
    const error = await rejection(
      () => store.save(request, new Response(), session),
      SessionTooLargeError,
      { value: "vvvv" },
    );
    assert.deepEqual([error.limit, error.bytes > 262_144, counter.writes], [262_144, true, []]);
    session.values.text = "v".repeat(262_000);
    browser.receive(await store.save(request, new Response(), session));
    assert.equal((await look(store, browser)).values.text?.length, 262_000);
  });

  it("a session's own maxAge reaches record and cookie alike", async () => {
    const [store, browser] = [await place().open({ maxAge: 3600 }), new Browser()];
    const { response, session } = await visit(store, browser, (made) => {
      made.options.maxAge = 60;
      made.addFlash("x");
    });
    const { attributes } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
    assert.equal(attributes.get("max-age"), "60");
    const lives = (session.expiresAt?.getTime() ?? 0) - (session.createdAt?.getTime() ?? 0);
    assert.equal(lives, 60_000);
    const loaded = await look(store, browser);
    assert.equal(loaded.options.maxAge, 60);
    const stored = (loaded.expiresAt?.getTime() ?? 0) - (loaded.createdAt?.getTime() ?? 0);
    assert.ok(Math.abs(stored - 60_000) < 1000, `the record lives ${stored} ms`);
  });

  it("a session's own maxAge that is not finite is a RangeError through every transport, and nothing is lost", async () => {
    const here = place();
    for (const token of [undefined, new HeaderToken()]) {
      const store = await here.open<{ n: number }>(token ? { token } : {});
      for (const maxAge of [NaN, Infinity, -Infinity]) {
        const request = new Browser().request();
        const session = await store.get(request);
        session.values.n = 1;
        session.options.maxAge = maxAge;
        await assert.rejects(store.save(request, new Response(), session), RangeError, `${maxAge}`);
      }
    }
  });

  it("Secure, HttpOnly, SameSite=Lax and Path=/ by default", async () => {
    const store = await place().open();
    const { response } = await visit(store, new Browser(), (session) => session.addFlash("x"));
    const [line = ""] = response.headers.getSetCookie();
    const { attributes } = parseSetCookie(line);
    assert.equal(attributes.get("path"), "/");
    assert.equal(attributes.get("samesite"), "Lax");
    for (const flag of ["secure", "httponly"]) assert.ok(attributes.has(flag), flag);
  });

  it("the rules of __Host- and __Secure- names are checked when the store is made and when a session is asked for", async () => {
    const here = place();
    await assert.rejects(
      async () => await here.open({ name: "__Host-sid", cookie: { path: "/shop" } }),
      TypeError,
    );
    const store = await here.open({ cookie: { secure: false } });
    await assert.rejects(store.get(new Browser().request(), "__Secure-sid"), TypeError);
  });

  it("a weak key anywhere in the list is WeakKeyError at construction, never a silent fallback", async () => {
    const here = place();
    for (const keys of [[], ["short"], [KEY, "short"], ["a".repeat(40)], [KEY, KEY]]) {
      await rejection(() => here.open({ keys }), WeakKeyError, { key: KEY });
    }
  });

  if (kind === "mongodb") {
    it("sealed data is bound to its record: a copy under another session does not open", async () => {
      const here = place();
      const [store, victim, attacker] = [await here.open(), new Browser(), new Browser()];
      await visit(store, victim, (session) => session.addFlash("gold"));
      await visit(store, attacker, (session) => session.addFlash("tin"));
      const { collection } = here;
      const [one, two, ...others] = await collection?.find().toArray() ?? [];
      assert.ok(collection && one && two && others.length === 0);
      await collection.updateOne({ _id: one._id }, { $set: { data: two["data"] } });
      await collection.updateOne({ _id: two._id }, { $set: { data: one["data"] } });
      for (const browser of [victim, attacker]) {
        const session = await look(store, browser);
        assert.deepEqual([session.isNew, session.error?.code], [true, "CORRUPT_RECORD"]);
        assert.deepEqual(session.flashes(), []);
      }
    });
  }

  it("two stores with one name in one request have two sessions", async () => {
    const [one, two] = [await place().open(), await place().open()];
    const request = new Browser().request();
    assert.notEqual(await one.get(request), await two.get(request));
  });

  it("saveAll saves the sessions of every store, goes on past a failure and names each", async () => {
    const outage = new Outage();
    const [good, bad] = [
      await place().open<{ n: number }>(),
      await place().open<{ n: number }>({}, outage.around),
    ];
    const [browser, other] = [new Browser("good"), new Browser("bad")];
    const request = browser.request();
    (await good.get(request, "good")).values.n = 1;
    (await bad.get(request, "bad")).values.n = 1;
    outage.down = true;
    const headers = new Headers();
    const error = await rejection(() => saveAll(request, headers), AggregateError);
    assert.match(error.message, /bad \(StoreUnavailableError\)/);
    assert.doesNotMatch(error.message, /good/);
    assert.equal(error.errors.length, 1);
    browser.receive(new Response(null, { headers }));
    assert.equal((await look(good, browser, "good")).values.n, 1);
    outage.down = false;
    const response = await saveAll(request, new Response());
    other.receive(response);
    assert.equal((await look(bad, other, "bad")).values.n, 1);
  });

  it("saveAll names a session whose load failed, and saves the others first", async () => {
    const outage = new Outage();
    const here = place();
    const [good, bad] = [
      await here.open<{ n: number }>(),
      await here.open<{ n: number }>({}, outage.around),
    ];
    const browser = new Browser("bad");
    await visit(bad, browser, (session) => session.addFlash("x"), "bad");
    const request = browser.request();
    const session = await good.get(request, "good");
    session.values.n = 1;
    outage.down = true;
    const loading = bad.get(request, "bad"); // a handler that did not wait for it
    loading.catch(() => undefined);
    const headers = new Headers();
    const error = await rejection(() => saveAll(request, headers), AggregateError);
    assert.match(error.message, /bad \(StoreUnavailableError\)/);
    assert.ok(headers.getSetCookie().some((line) => line.startsWith("good=")));
  });

  it("saving twice gives one Set-Cookie, the last", async () => {
    const store = await place().open<{ n: number }>();
    const request = new Browser().request();
    const session = await store.get(request);
    session.values.n = 1;
    const once = await store.save(request, new Response(), session);
    session.values.n = 2;
    session.regenerate();
    const twice = await store.save(request, once, session);
    const lines = twice.headers.getSetCookie();
    assert.equal(lines.length, 1);
    assert.equal(parseSetCookie(lines[0] ?? "").value, session.token);
  });
});
