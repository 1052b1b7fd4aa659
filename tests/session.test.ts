import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import {
  createMemoryStore,
  saveAll,
  Session,
  SessionGoneError,
  StoreUnavailableError,
} from "#mongostore";
import type { SessionEvent } from "#mongostore";
import { Outage } from "./support/backends.ts";
import { Browser } from "./support/browser.ts";
import { assertNoSecret, rejection } from "./support/secrets.ts";
import { KEY, memoryPlace } from "./support/stores.ts";
import { begin, look, visit } from "./support/visit.ts";

describe("a session", () => {
  it("has an id, a token and its times after its first save, and its own copy of the options before", async () => {
    const store = createMemoryStore<{ n: number }>({ keys: [KEY] });
    const request = new Browser().request();
    const session = await store.get(request, "sid");
    assert.ok(session instanceof Session);
    assert.equal(session.store, store);
    assert.deepEqual(session.options, {
      path: "/",
      domain: undefined,
      priority: undefined,
      secure: true,
      httpOnly: true,
      sameSite: "lax",
      partitioned: false,
      maxAge: 86_400,
    });
    const { name, id, token, isNew, error, subject, meta, createdAt, expiresAt } = session;
    assert.deepEqual([name, id, token, isNew, error], ["sid", "", undefined, true, undefined]);
    assert.deepEqual([subject, meta, createdAt, expiresAt], [
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
    session.values.n = 1;
    await session.save(request, new Response());
    assert.match(session.id, /^[\w-]{32}$/);
    assert.match(session.token ?? "", /^[\w-]{88}$/);
    assert.ok(session.createdAt && session.expiresAt);
    assert.equal(store.handleOf(session)?.length, 27);
  });

  it("prints its name and its state, and no secret, on console.log and as JSON", async () => {
    const store = createMemoryStore<{ text: string }>({ keys: [KEY] });
    const { session } = await visit(store, new Browser(), (made) => {
      made.values.text = "a private text";
    });
    assert.equal(JSON.stringify(session), '{"name":"session","isNew":true}');
    assert.equal(inspect(session), 'Session {"name":"session","isNew":true}');
  });

  it("keeps a flash's value as it is at the save, not as it was when it was added", async () => {
    const [store, browser] = [createMemoryStore({ keys: [KEY] }), new Browser()];
    const message = { text: "one" };
    await visit(store, browser, (session) => {
      session.addFlash(message);
      message.text = "two";
    });
    assert.deepEqual((await look(store, browser)).flashes(), [{ text: "two" }]);
  });

  it("meta and subject come back, and are part of no values", async () => {
    const [store, browser] = [createMemoryStore<{ n: number }>({ keys: [KEY] }), new Browser()];
    await visit(store, browser, (session) => {
      session.meta = { device: "phone", since: new Date(0) };
      session.subject = "ann";
    });
    const session = await look(store, browser);
    assert.deepEqual([session.meta, session.subject, session.values], [
      { device: "phone", since: new Date(0) },
      "ann",
      {},
    ]);
  });

  it("values can be replaced as a whole", async () => {
    const [store, browser] = [
      createMemoryStore<{ a: number; b: number }>({ keys: [KEY] }),
      new Browser(),
    ];
    await visit(store, browser, (session) => {
      session.values = { a: 1, b: 1 };
    });
    await visit(store, browser, (session) => {
      session.values = { b: 2 };
    });
    assert.deepEqual((await look(store, browser)).values, { b: 2 });
  });

  it("every type that a session keeps comes back as it was", async () => {
    const [store, browser] = [createMemoryStore({ keys: [KEY] }), new Browser()];
    const values = {
      date: new Date(1),
      map: new Map<unknown, unknown>([["a", 1], [{ b: 2 }, new Set([1n])]]),
      set: new Set(["a"]),
      big: 2n ** 70n,
      bytes: new Uint8Array([0, 255]),
      url: new URL("https://app.example/?a=b#c"),
      regexp: /a+/gi,
      inside: { nothing: undefined, list: [undefined, null, -0, NaN, Infinity] },
      text: 'quotes " \u2028 \ud83d\ude00 \ud800',
    };
    await visit(store, browser, (session) => {
      session.values = { ...values };
    });
    assert.deepEqual((await look(store, browser)).values, values);
  });

  for (const data of ["sealed", "signed", "plain"] as const) {
    it(`comes back, merges and is updated where values are kept ${data}`, async () => {
      const store = createMemoryStore<Record<string, number>>({ keys: [KEY], data });
      const browser = new Browser();
      await visit(store, browser, (session) => {
        session.values = { a: 0, n: 0 };
      });
      const [one, two] = [await begin(store, browser), await begin(store, browser)];
      one.session.values["a"] = 1;
      two.session.values["b"] = 2;
      await Promise.all([one.save(), two.save()]);
      await two.session.update((values) => {
        values["n"] = 1;
      });
      assert.deepEqual({ ...(await look(store, browser)).values }, { a: 1, b: 2, n: 1 });
    });
  }
});

describe("store.handle", () => {
  it("saves what was touched before the response leaves, under the store's name by default", async () => {
    const store = createMemoryStore<{ n: number }>({ keys: [KEY], name: "sid" });
    const browser = new Browser("sid");
    const handler = store.handle(async (_request, session) => {
      const { values } = await session();
      values.n = (values.n ?? 0) + 1;
      return new Response(`${values.n}`);
    });
    const bodies: string[] = [];
    for (let i = 0; i < 3; i++) {
      const response = await handler(browser.request());
      browser.receive(response);
      bodies.push(await response.text());
    }
    assert.deepEqual(bodies, ["1", "2", "3"]);
  });

  it("hands on what else the server gives, and the request itself", async () => {
    const store = createMemoryStore({ keys: [KEY] });
    const request = new Browser().request();
    const handler = store.handle(
      (given: Request, _session, server: { port: number }, more: string) => {
        assert.equal(given, request);
        return new Response(`${server.port} ${more}`);
      },
    );
    assert.equal(await (await handler(request, { port: 8080 }, "x")).text(), "8080 x");
  });

  it("leaves a response alone whose handler asked for no session", async () => {
    const store = createMemoryStore({ keys: [KEY] });
    const answer = new Response("plain");
    const before = [...answer.headers];
    const response = await store.handle(() => answer)(new Browser().request());
    assert.equal(response, answer);
    assert.deepEqual([...response.headers], before);
  });

  it("adds Vary to a response whose handler only looked at a session", async () => {
    const store = createMemoryStore({ keys: [KEY] });
    const response = await store.handle(async (_request, session) => {
      await session();
      return new Response();
    })(new Browser().request());
    assert.equal(response.headers.get("vary"), "Cookie");
    assert.equal(response.headers.get("cache-control"), null);
  });

  it("a handler that throws saves nothing, and its error comes through", async () => {
    const events: SessionEvent[] = [];
    const store = createMemoryStore<{ n: number }>({
      keys: [KEY],
      onEvent: (event) => events.push(event),
    });
    const failure = new RangeError("no");
    const handler = store.handle(async (_request, session) => {
      (await session()).values.n = 1;
      throw failure;
    });
    await assert.rejects(handler(new Browser().request()), failure);
    assert.deepEqual(events, []);
  });

  it("saves on a redirect, whose headers may be immutable, and keeps every Set-Cookie", async () => {
    const store = createMemoryStore<{ n: number }>({ keys: [KEY] });
    const response = await store.handle(async (_request, session) => {
      (await session()).values.n = 1;
      return Response.redirect("https://app.example/next", 303);
    })(new Browser().request());
    assert.deepEqual([response.status, response.headers.get("location")], [
      303,
      "https://app.example/next",
    ]);
    assert.equal(response.headers.getSetCookie().length, 1);
    const own = new Response(null, { headers: [["set-cookie", "a=1"], ["set-cookie", "b=2"]] });
    const saved = await store.handle(async (_request, session) => {
      (await session()).values.n = 1;
      return own;
    })(new Browser().request());
    assert.deepEqual(saved.headers.getSetCookie().map((line) => line.split("=")[0]), [
      "a",
      "b",
      "session",
    ]);
  });

  it("an outage at the save is thrown, not swallowed", async () => {
    const outage = new Outage();
    const store = await memoryPlace().open<{ n: number }>({}, outage.around);
    const handler = store.handle(async (_request, session) => {
      (await session()).values.n = 1;
      outage.down = true;
      return new Response();
    });
    await rejection(() => handler(new Browser().request()), StoreUnavailableError);
  });

  it("Cache-Control: no-store goes with a token, unless the application set its own", async () => {
    const store = createMemoryStore<{ n: number }>({ keys: [KEY] });
    for (const [given, expected] of [[undefined, "no-store"], ["private", "private"]] as const) {
      const response = await store.handle(async (_request, session) => {
        (await session()).values.n = 1;
        return new Response(null, given ? { headers: { "cache-control": given } } : {});
      })(new Browser().request());
      assert.equal(response.headers.get("cache-control"), expected);
    }
  });
});

describe("saveAll", () => {
  it("saves every session of the request, on one response", async () => {
    const [one, two] = [
      createMemoryStore<{ n: number }>({ keys: [KEY] }),
      createMemoryStore<{ n: number }>({ keys: [KEY] }),
    ];
    const request = new Browser().request();
    for (const [store, name] of [[one, "a"], [one, "b"], [two, "c"]] as const) {
      (await store.get(request, name)).values.n = 1;
    }
    const response = await saveAll(request, new Response());
    assert.deepEqual(response.headers.getSetCookie().map((line) => line.split("=")[0]), [
      "a",
      "b",
      "c",
    ]);
  });

  it("does nothing for a request that asked for no session", async () => {
    const response = new Response("x");
    assert.equal(await saveAll(new Browser().request(), response), response);
  });
});

describe("events", () => {
  it("tell of loads, saves, merges, touches, rejects, gone, regenerated and destroyed sessions, and hold no secret", async () => {
    const events: SessionEvent[] = [];
    const store = createMemoryStore<Record<string, string>>({
      keys: [KEY],
      touchAfter: 0,
      onEvent: (event) => events.push(event),
    });
    const browser = new Browser();
    const { session: first } = await visit(store, browser, (session) => {
      session.values["secret"] = "a private text";
      session.subject = "ann@example.com";
    });
    const secrets = {
      token: first.token ?? "",
      id: first.id,
      key: KEY,
      value: "a private text",
      subject: "ann@example.com",
      handle: store.handleOf(first) ?? "",
    };
    const [one, two] = [await begin(store, browser), await begin(store, browser)];
    one.session.values["a"] = "1";
    two.session.values["b"] = "2";
    await one.save();
    await two.save();
    await visit(store, browser);
    const late = await begin(store, browser);
    await visit(store, browser, (session) => session.regenerate());
    late.session.values["c"] = "3";
    await rejection(late.save, SessionGoneError);
    await visit(store, browser, (session) => session.destroy());
    browser.present("nonsense");
    await look(store, browser);
    const types = new Set(events.map(({ type }) => type));
    for (
      const type of [
        "load",
        "save",
        "merge",
        "touch",
        "gone",
        "regenerate",
        "destroy",
        "reject",
      ] as const
    ) {
      assert.ok(types.has(type), type);
    }
    assertNoSecret(new Error(JSON.stringify(events)), secrets);
  });

  it("a handler that throws changes nothing", async () => {
    const store = createMemoryStore<{ n: number }>({
      keys: [KEY],
      onEvent: () => {
        throw new Error("observer");
      },
    });
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.values.n = 1;
    });
    assert.equal((await look(store, browser)).values.n, 1);
  });
});
