// What is kept of the Go package, a test a sentence.
import assert from "node:assert/strict";
import { it } from "node:test";
import { Browser, parseSetCookie } from "../support/browser.ts";
import { TRANSPORTS } from "../support/clients.ts";
import { describeStores, KEY } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

describeStores("kept of the Go package", (place) => {
  it("get registers: one request and name give one session, however often and concurrently asked", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("hello"));
    const request = browser.request();
    const [a, b] = await Promise.all([
      store.get(request, "session"),
      store.get(request, "session"),
    ]);
    assert.equal(a, b);
    assert.equal(await store.get(request, "session"), a);
    assert.notEqual(await store.get(browser.request(), "session"), a);
    assert.notEqual(await store.get(request, "other"), a);
  });

  it("get takes any object for a request, as frameworks wrap it", async () => {
    const store = await place().open();
    const wrapped = { headers: new Headers(), url: "/relative" };
    assert.equal(await store.get(wrapped), await store.get(wrapped));
  });

  it("new decodes afresh and registers nothing", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("hello"));
    const request = browser.request();
    const fresh = await store.new(request, "session");
    assert.equal(fresh.isNew, false);
    assert.notEqual(await store.get(request, "session"), fresh);
    assert.notEqual(await store.new(request, "session"), fresh);
  });

  it("a missing token gives a new session and no error", async () => {
    const store = await place().open();
    const session = await store.get(new Browser().request());
    assert.deepEqual([session.isNew, session.id, session.error], [true, "", undefined]);
  });

  it("a bad token gives a new, usable session with error set, registered like any other", async () => {
    const [store, browser] = [await place().open<{ n: number }>(), new Browser()];
    browser.present("nonsense");
    const request = browser.request();
    const session = await store.get(request);
    assert.deepEqual([session.isNew, session.error?.code], [true, "INVALID_TOKEN"]);
    assert.equal(await store.get(request), session);
    session.values.n = 1;
    browser.receive(await store.save(request, new Response(), session));
    assert.equal((await look(store, browser)).values.n, 1);
  });

  it("a token of other keys gives a new session with error set", async () => {
    const here = place();
    const [ours, theirs] = [
      await here.open(),
      await here.open({ keys: [KEY.toLowerCase() + KEY] }),
    ];
    const browser = new Browser();
    await visit(theirs, browser, (session) => session.addFlash("hello"));
    const session = await look(ours, browser);
    assert.deepEqual([session.isNew, session.error?.code], [true, "INVALID_TOKEN"]);
  });

  for (const [channel, transport] of TRANSPORTS) {
    it(`a name that is no RFC 9110 token throws TypeError through ${channel}`, async () => {
      const store = await place().open({ token: transport() });
      for (const name of ["", "a b", "a;b", "a=b", "é", "a\r\nb", "a\0b", "(a)"]) {
        await assert.rejects(store.get(new Request("https://app.example/"), name), TypeError, name);
        await assert.rejects(store.new(new Request("https://app.example/"), name), TypeError, name);
      }
    });
  }

  it("isNew is false only after a successful load", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    const { session } = await visit(store, browser, (made) => made.addFlash("hello"));
    assert.equal(session.isNew, true, "saving a new session does not make it an old one");
    assert.equal((await look(store, browser)).isNew, false);
  });

  it("the id is made at the first save and stays until the session is regenerated", async () => {
    const [store, browser] = [await place().open<{ n: number }>(), new Browser()];
    const { session } = await visit(store, browser, (made) => {
      assert.deepEqual([made.id, made.token, made.createdAt], ["", undefined, undefined]);
      made.values.n = 1;
    });
    assert.match(session.id, /^[\w-]{32}$/);
    const later = await visit(store, browser, (loaded) => {
      loaded.values.n = 2;
    });
    assert.equal(later.session.id, session.id);
    assert.equal(later.session.token, session.token);
  });

  it("A's token presented as B's fails: the token is bound to its name", async () => {
    const [store, a, b] = [await place().open(), new Browser("A"), new Browser("B")];
    await visit(store, a, (session) => session.addFlash("hello"), "A");
    b.present(a.token ?? "");
    const session = await look(store, b, "B");
    assert.deepEqual([session.isNew, session.error?.code], [true, "INVALID_TOKEN"]);
    assert.equal((await look(store, a, "A")).isNew, false);
  });

  it("options are copied for each session: later changes of the store's do not reach it", async () => {
    const store = await place().open({ maxAge: 100 });
    const session = await store.get(new Browser().request());
    store.options.path = "/later";
    store.maxAge(200);
    assert.deepEqual([session.options.path, session.options.maxAge], ["/", 100]);
    const next = await store.get(new Browser().request());
    assert.deepEqual([next.options.path, next.options.maxAge], ["/later", 200]);
    next.options.path = "/own";
    assert.equal(store.options.path, "/later", "nor do a session's reach the store");
  });

  it("flashes read and not saved are there again", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("hello"));
    assert.deepEqual((await look(store, browser)).flashes(), ["hello"]);
    assert.deepEqual((await look(store, browser)).flashes(), ["hello"]);
  });

  it("the default key of flashes is _flash", async () => {
    const session = await (await place().open()).get(new Browser().request());
    session.addFlash("hello");
    assert.deepEqual(session.flashes("_flash"), ["hello"]);
  });

  it("a maxAge above 0 gives the cookie Max-Age and Expires", async () => {
    const store = await place().open({ maxAge: 3600 });
    const { response, session } = await visit(store, new Browser(), (made) => made.addFlash("x"));
    const { attributes } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
    assert.equal(attributes.get("max-age"), "3600");
    const expires = Date.parse(attributes.get("expires") ?? "");
    assert.ok(Math.abs(expires - (session.expiresAt?.getTime() ?? 0)) <= 1000);
  });

  it("a maxAge of 0 gives neither: a cookie of the browser session", async () => {
    const store = await place().open({ maxAge: 0 });
    const { response } = await visit(store, new Browser(), (session) => session.addFlash("x"));
    const { attributes } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
    assert.deepEqual([attributes.has("max-age"), attributes.has("expires")], [false, false]);
  });

  it("a maxAge below 0 deletes the record and the client's token", async () => {
    const here = place();
    const [store, browser] = [await here.open(), new Browser()];
    await visit(store, browser, (session) => {
      session.subject = "ann";
      session.addFlash("x");
    });
    const { response } = await visit(store, browser, (session) => {
      session.options.maxAge = -1;
    });
    const { value, attributes } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
    assert.equal(value, "");
    assert.equal(attributes.get("max-age"), "0");
    assert.equal(attributes.get("expires"), "Thu, 01 Jan 1970 00:00:01 GMT");
    assert.equal(browser.token, undefined);
    assert.deepEqual(await store.list("ann"), []);
    assert.equal(await here.collection?.countDocuments() ?? 0, 0);
  });

  it("key pairs rotate: the first writes, all read, a dropped one reads no more", async () => {
    const here = place();
    const [older, newer] = [KEY, `${KEY}, the newer of two`];
    const [before, during, after] = [
      await here.open<{ n: number }>({ keys: [older] }),
      await here.open<{ n: number }>({ keys: [newer, older] }),
      await here.open<{ n: number }>({ keys: [newer] }),
    ];
    const browser = new Browser();
    await visit(before, browser, (session) => {
      session.values.n = 1;
    });
    const token = browser.token;
    assert.equal((await look(after, browser)).error?.code, "INVALID_TOKEN");
    await visit(during, browser, (session) => {
      assert.equal(session.values.n, 1);
      session.values.n = 2;
    });
    assert.notEqual(browser.token, token, "the token is made anew under the first key");
    assert.equal((await look(after, browser)).values.n, 2);
    assert.equal((await look(before, browser)).error?.code, "INVALID_TOKEN");
  });

  it("the collection: one document a session", async () => {
    const here = place();
    const [store, browser] = [await here.open<{ n: number }>(), new Browser()];
    for (let n = 0; n < 3; n++) {
      await visit(store, browser, (session) => {
        session.values.n = n;
      });
    }
    assert.equal(await here.collection?.countDocuments() ?? 1, 1);
  });
});
