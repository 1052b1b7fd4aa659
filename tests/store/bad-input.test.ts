// Everything that comes from outside and is not what it should be: a named error or a fresh session, nothing lost, nothing shown.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import {
  CookieToken,
  CorruptRecordError,
  createMemoryStore,
  firstOf,
  HeaderToken,
  SessionTooLargeError,
  UnserializableValueError,
  WeakKeyError,
} from "#mongostore";
import { Counter } from "../support/backends.ts";
import { Browser } from "../support/browser.ts";
import { assertFresh, assertNoSecret, rejection } from "../support/secrets.ts";
import { describeStores, KEY } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

describe("bad keys", () => {
  const repeated = "k".repeat(64);
  for (
    const [what, keys] of [
      ["no keys", []],
      ["an empty key", [""]],
      ["a key of 31 bytes", ["0123456789012345678901234567890"]],
      ["a key of one repeated byte", [repeated]],
      ["31 bytes that are no text", [new Uint8Array(31).map((_, i) => i)]],
      ["one key twice", [KEY, KEY]],
      ["one key as text and as bytes", [KEY, new TextEncoder().encode(KEY)]],
      ["a weak key behind a good one", [KEY, "0123456789"]],
    ] as const
  ) {
    it(`${what}: WeakKeyError that does not show the key`, async () => {
      await rejection(() => createMemoryStore({ keys }), WeakKeyError, {
        key: KEY,
        repeated,
        digits: "0123456789",
      });
    });
  }

  it("what is neither text nor bytes is a TypeError", () => {
    for (const keys of [[42], [null], [{}], "text", undefined, [["a"]]]) {
      assert.throws(() => createMemoryStore(JSON.parse(JSON.stringify({ keys }))), TypeError);
    }
  });
});

describe("bad options", () => {
  for (
    const option of ["maxAge", "lifetime", "touchAfter", "maxBytes", "grace", "timeoutMS"] as const
  ) {
    it(`${option} that is negative, infinite or NaN is a RangeError`, () => {
      for (const value of [-1, Infinity, -Infinity, NaN]) {
        assert.throws(() => createMemoryStore({ keys: [KEY], [option]: value }), RangeError);
      }
    });
  }

  it("store.maxAge refuses what the option refuses, and keeps what it had", async () => {
    const store = createMemoryStore({ keys: [KEY], maxAge: 60 });
    for (const value of [-1, Infinity, NaN, 0.5]) {
      assert.throws(() => store.maxAge(value), RangeError, `${value}`);
    }
    assert.equal(store.options.maxAge, 60);
    assert.equal((await store.get(new Request("https://app.example/"))).options.maxAge, 60);
  });
});

describeStores("bad requests", (place) => {
  it("a cookie header of 1 MiB is a fresh session, and the database is not asked", async () => {
    const counter = new Counter();
    const store = await place().open({}, counter.around);
    const cookie = `session=${"A".repeat(1 << 20)}`;
    const request = { headers: new Headers({ cookie }), url: "https://app.example/" };
    assertFresh(await store.get(request), "INVALID_TOKEN", { token: "AAAA" });
    assert.equal(counter.loads, 0);
  });

  it("a token among 500 other cookies is found", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const others = Array.from({ length: 250 }, (_, i) => `session${i}=${i}`).join("; ");
    const cookie = `${others}; session=${browser.token}; ${others}`;
    const session = await store.get({ headers: new Headers({ cookie }), url: "/" });
    assert.equal(session.isNew, false);
  });

  it("500 cookies of the session's own name are a fresh session, and the database is not asked", async () => {
    const counter = new Counter();
    const store = await place().open({}, counter.around);
    const cookie = Array.from({ length: 500 }, (_, i) => `session=${i}`).join("; ");
    assertFresh(await store.get({ headers: new Headers({ cookie }), url: "/" }), "INVALID_TOKEN");
    assert.equal(counter.loads, 0);
  });

  it("garbage is a fresh session, and the database is not asked", async () => {
    const counter = new Counter();
    const store = await place().open({}, counter.around);
    const garbage = [
      "garbage",
      "A".repeat(88),
      "_".repeat(88),
      `AQ${"A".repeat(86)}`,
      "..%2f..%2f",
      "[object Object]",
      '{"$ne":null}',
      "undefined",
      "\u00ff\u00fe\u00ff\u00fe",
      "=".repeat(88),
    ];
    for (const text of garbage) {
      const headers = new Headers({ cookie: `session=${text}` });
      assertFresh(await store.get({ headers, url: "/" }), "INVALID_TOKEN", { token: text });
    }
    assert.equal(counter.loads, 0);
  });

  it("a token cut short or made longer anywhere is a fresh session, and the database is not asked", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open({}, counter.around), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const token = browser.token ?? "";
    assert.equal(token.length, 88);
    counter.loads = 0;
    const forged = Array.from({ length: 88 }, (_, length) => token.slice(0, length)).slice(4);
    for (const text of [...forged, `${token}A`, `${token}=`, `A${token}`, token + token]) {
      browser.present(text);
      assertFresh(await look(store, browser), "INVALID_TOKEN", { token, text });
    }
    assert.equal(counter.loads, 0);
  });

  it("a token with any one character changed is a fresh session, and the database is not asked", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open({}, counter.around), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const token = browser.token ?? "";
    counter.loads = 0;
    for (let i = 0; i < token.length; i++) {
      const text = token.slice(0, i) + (token[i] === "A" ? "B" : "A") + token.slice(i + 1);
      browser.present(text);
      assertFresh(await look(store, browser), "INVALID_TOKEN", { token, text });
    }
    assert.equal(counter.loads, 0);
  });

  it("two different tokens that both open are a tossed cookie: neither counts, neither session is touched", async () => {
    const [store, ann, bob] = [await place().open<{ who: string }>(), new Browser(), new Browser()];
    await visit(store, ann, (session) => {
      session.values.who = "ann";
    });
    await visit(store, bob, (session) => {
      session.values.who = "bob";
    });
    const cookie = `session=${ann.token}; session=${bob.token}`;
    const tossed = await store.get({ headers: new Headers({ cookie }), url: "/" });
    assertFresh(tossed, "INVALID_TOKEN", { ann: ann.token ?? "", bob: bob.token ?? "" });
    assert.equal((await look(store, ann)).values.who, "ann");
    assert.equal((await look(store, bob)).values.who, "bob");
  });

  it("a good token beside a bad one of the same name counts", async () => {
    const [store, ann] = [await place().open(), new Browser()];
    await visit(store, ann, (session) => session.addFlash("x"));
    for (
      const cookie of [`session=bad; session=${ann.token}`, `session=${ann.token}; session=bad`]
    ) {
      const session = await store.get({ headers: new Headers({ cookie }), url: "/" });
      assert.equal(session.isNew, false);
    }
  });

  it("two Authorization headers are refused, whatever they hold", async () => {
    const store = await place().open({ token: new HeaderToken() });
    const request = new Request("https://app.example/");
    const session = await store.get(request);
    session.addFlash("x");
    await store.save(request, new Response(), session);
    const token = session.token ?? "";
    for (const second of [`Bearer ${token}`, "Bearer other", "Basic YTpi"]) {
      const headers = new Headers();
      headers.append("authorization", `Bearer ${token}`);
      headers.append("authorization", second);
      assertFresh(await store.get({ headers, url: "/" }), "INVALID_TOKEN", { token });
    }
  });

  it("two channels with two tokens are refused: neither counts", async () => {
    const store = await place().open({ token: firstOf(new CookieToken(), new HeaderToken()) });
    const [ann, bob] = [new Browser(), new Browser()];
    await visit(store, ann, (session) => session.addFlash("x"));
    await visit(store, bob, (session) => session.addFlash("y"));
    const headers = { authorization: `Bearer ${bob.token}` };
    const session = await store.get(ann.request("/", { headers }));
    assertFresh(session, "INVALID_TOKEN", { ann: ann.token ?? "", bob: bob.token ?? "" });
  });

  it("a fresh session after bad input saves under a new id and works from then on", async () => {
    const [store, browser] = [await place().open<{ n: number }>(), new Browser()];
    browser.present("A".repeat(88));
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    assert.equal((await look(store, browser)).values.n, 1);
  });
});

describeStores("bad values", (place) => {
  it("a session over its limit keeps what is stored, and saves once it is small again", async () => {
    const [store, browser] = [
      await place().open<{ text: string }>({ maxBytes: 100 }),
      new Browser(),
    ];
    await visit(store, browser, (session) => {
      session.values.text = "small";
    });
    const request = browser.request();
    const session = await store.get(request);
    session.values.text = "secret".repeat(40);
    const secrets = { value: "secretsecret", token: browser.token ?? "", id: session.id };
    const error = await rejection(
      () => store.save(request, new Response(), session),
      SessionTooLargeError,
      secrets,
    );
    assert.equal(error.limit, 100);
    assert.equal((await look(store, browser)).values.text, "small");
    session.values.text = "tiny";
    await store.save(request, new Response(), session);
    assert.equal((await look(store, browser)).values.text, "tiny");
  });

  it("the limit counts bytes of UTF-8, not characters", async () => {
    const store = await place().open<{ text: string }>({ maxBytes: 130 });
    const request = new Browser().request();
    const session = await store.get(request);
    for (const [text, bytes] of [["é", 2], ["語", 3], ["😀", 4]] as const) {
      session.values.text = text.repeat(100);
      const error = await rejection(
        () => store.save(request, new Response(), session),
        SessionTooLargeError,
        { value: text.repeat(4) },
      );
      assert.equal(error.bytes, '{"values":{"text":""}}'.length + 100 * bytes);
    }
  });

  class Money {
    amount = "12345 gold";
  }
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  for (
    const [what, value, path] of [
      ["a function", { price: () => "12345 gold" }, "values.cart.price"],
      ["a class instance", [{}, new Money()], "values.cart[1]"],
      ["a symbol", Symbol("12345 gold"), "values.cart"],
      ["a cycle", cyclic, "values.cart.self"],
      ["a promise", { later: Promise.resolve("12345 gold") }, "values.cart.later"],
      ["an invalid Date", new Date(NaN), "values.cart"],
    ] as const
  ) {
    it(`${what} is refused with its path, nothing is written, and the rest can still be saved`, async () => {
      const [store, browser] = [await place().open(), new Browser()];
      await visit(store, browser, (session) => {
        session.values["kept"] = true;
      });
      const request = browser.request();
      const session = await store.get(request);
      session.values["cart"] = value;
      const error = await rejection(
        () => store.save(request, new Response(), session),
        UnserializableValueError,
        { value: "12345 gold", token: browser.token ?? "" },
      );
      assert.equal(error.path, path);
      assert.deepEqual((await look(store, browser)).values, { kept: true });
      session.values["cart"] = "bread";
      await store.save(request, new Response(), session);
      assert.deepEqual((await look(store, browser)).values, { kept: true, cart: "bread" });
    });
  }

  it("values that are no plain object are refused and never stored: nothing is lost", async () => {
    for (const values of [["a"], new Map([["a", 1]]), new Set(["a"])]) {
      const [store, browser] = [await place().open<object>(), new Browser()];
      const request = browser.request();
      const session = await store.get(request);
      session.values = values;
      session.meta = "not empty";
      await assert.rejects(async () => {
        await store.save(request, new Response(), session);
      }, inspect(values));
    }
  });

  it("a subject that is no text is refused and never stored: nothing is lost", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    await visit(store, browser, (session) => session.addFlash("x"));
    const request = browser.request();
    const session = await store.get(request);
    Reflect.set(session, "subject", 42);
    await assert.rejects(store.save(request, new Response(), session), TypeError);
    assert.equal((await look(store, browser)).isNew, false);
  });

  it("what the store prints of itself, its sessions and its codecs shows no token, id, key or value", async () => {
    const [store, browser] = [await place().open<{ text: string }>(), new Browser()];
    const { session } = await visit(store, browser, (made) => {
      made.values.text = "a very private text";
    });
    const loaded = await look(store, browser);
    const secrets = { token: session.token ?? "", id: session.id, key: KEY, value: "very private" };
    for (const shown of [session, loaded]) {
      const printed = [inspect(shown), inspect({ shown }), JSON.stringify(shown)];
      assertNoSecret(new Error(printed.join("\n")), secrets);
    }
    const printed = inspect(store, { depth: 12, showHidden: true }) + JSON.stringify(store.options);
    assertNoSecret(new Error(printed), secrets);
  });
});

describeStores("bad records", (place, kind) => {
  if (kind === "memory") {
    it("a record under other keys is a fresh session with InvalidTokenError or CorruptRecordError", async () => {
      const here = place();
      const [ours, theirs] = [await here.open(), await here.open({ keys: [`${KEY}, dropped`] })];
      const browser = new Browser();
      await visit(theirs, browser, (session) => session.addFlash("x"));
      assertFresh(await look(ours, browser), "INVALID_TOKEN", { token: browser.token ?? "" });
    });
    return;
  }

  it("documents that are not ours are fresh sessions with CorruptRecordError, and stay untouched", async () => {
    const here = place();
    const { collection } = here;
    assert.ok(collection);
    const [store, browser] = [await here.open<{ n: number }>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 12345678;
    });
    const original = await collection.findOne();
    assert.ok(original);
    const { _id } = original;
    const junk: readonly object[] = [
      {},
      { hello: "world" },
      { ...original, data: 42 },
      { ...original, data: new Uint8Array(0) },
      { ...original, data: "not sealed" },
      { ...original, rev: new Uint8Array(7) },
      { ...original, name: "other" },
      { ...original, name: ["session"] },
      { ...original, created: "yesterday" },
      { ...original, created: new Date(0) },
      { ...original, subject: { $ne: null } },
    ];
    const secrets = { token: browser.token ?? "", value: "12345678", key: KEY };
    for (const fields of junk) {
      const { _id: _, ...body } = { _id, ...fields };
      await collection.replaceOne({ _id }, body);
      const stored: unknown = await collection.findOne({ _id });
      const session = await look(store, browser);
      assert.equal(session.isNew, true, inspect(body));
      const codes = ["CORRUPT_RECORD", "SESSION_GONE"]; // junk without an expiry is no living record at all
      assert.ok(codes.includes(session.error?.code ?? ""), inspect(body));
      assertFresh(session, session.error?.code, secrets);
      const other = browser.copy();
      await visit(store, other, (fresh) => {
        fresh.values.n = 2;
      });
      assert.equal((await look(store, other)).values.n, 2, "a save after that works");
      assert.deepEqual(await collection.findOne({ _id }), stored, "the junk is untouched");
    }
  });

  it("a record that turned to junk during a request is CorruptRecordError at save, and stays untouched", async () => {
    const here = place();
    const { collection } = here;
    assert.ok(collection);
    const [store, browser] = [await here.open<{ n: number }>(), new Browser()];
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    const request = browser.request();
    const session = await store.get(request);
    await collection.updateOne({}, { $set: { data: "junk", rev: new Uint8Array(8) } });
    session.values.n = 2;
    await rejection(() => store.save(request, new Response(), session), CorruptRecordError, {
      token: browser.token ?? "",
    });
    assert.equal((await collection.findOne())?.["data"], "junk");
  });
});
