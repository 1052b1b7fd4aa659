import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { SessionGoneError } from "#mongostore";
import type { Session, Store } from "#mongostore";
import { Counter, Outage, slowWrites } from "../support/backends.ts";
import { Browser } from "../support/browser.ts";
import { memoryPlace } from "../support/stores.ts";

/** What the sessions of the suite hold. */
export interface Values {
  visits?: number;
}

/** Gives the session of a name, by way of the adapter. */
type Getter = (name?: string) => Promise<Session<Values>>;

/** What a handler answers, for the framework to say in its own way. */
export type Answer =
  | { readonly kind: "text"; readonly body: string }
  | { readonly kind: "redirect"; readonly to: string }
  | { readonly kind: "stream"; readonly type: string; readonly chunks: AsyncIterable<string> };

/** What an application under the adapter is made from. */
export interface Application {
  readonly store: Store<Values>;
  readonly saveOnError: boolean;
  /** Handles any request. It may throw. */
  readonly handle: (path: string, getSession: Getter) => Promise<Answer>;
}

/** What an adapter cannot do by its nature. */
export interface Limits {
  /** Its framework hands over no request: nothing is refused. */
  readonly seesCookiesOnly?: boolean;
}

/** A server under way. */
export interface Serving {
  readonly origin: string;
  stop(): Promise<void>;
}

/** A text that opens by itself: the promise, and what settles it. */
class Gate {
  open: () => void = () => {};
  readonly opened: Promise<void> = new Promise((resolve) => this.open = resolve);
}

/** What every adapter does. `listen` serves the application with the adapter and its framework, on a free port of the loopback network. */
export function adapterContract(
  title: string,
  listen: (application: Application) => Promise<Serving>,
  limits: Limits = {},
): void {
  describe(title, () => {
    for (const saveOnError of [false, true]) {
      describe(`with saveOnError ${saveOnError}`, () => suite(listen, saveOnError, limits));
    }
  });
}

function suite(
  listen: (application: Application) => Promise<Serving>,
  saveOnError: boolean,
  { seesCookiesOnly = false }: Limits,
): void {
  const counter = new Counter();
  const outage = new Outage();
  let store: Store<Values>;
  let serving: Serving | undefined;
  let gates: { entered: Gate; released: Gate };

  const count = async (session: Session<Values>) => {
    session.values.visits = (session.values.visits ?? 0) + 1;
    return await Promise.resolve(`${session.values.visits}`);
  };

  async function* chunks(getSession: Getter, session: Session<Values>) {
    yield "first;";
    await gates.released.opened;
    yield await getSession().then(() => "given", (error: Error) => error.name);
    await session.update((values) => {
      values.visits = 10;
    });
    yield ";last";
  }

  const handle = async (path: string, getSession: Getter): Promise<Answer> => {
    switch (path) {
      case "/static":
        return { kind: "text", body: "static" };
      case "/asks":
        return { kind: "text", body: `${(await getSession()).values.visits ?? 0}` };
      case "/redirect":
        await count(await getSession());
        return { kind: "redirect", to: "/asks" };
      case "/two":
        await Promise.all([getSession().then(count), getSession("campaign").then(count)]);
        return { kind: "text", body: "two" };
      case "/throw":
        await count(await getSession());
        throw new Error("planted");
      case "/stream":
      case "/events": {
        const session = await getSession();
        await count(session);
        const type = path === "/events" ? "text/event-stream" : "text/plain";
        return { kind: "stream", type, chunks: chunks(getSession, session) };
      }
      case "/slow":
        await count(await getSession());
        gates.entered.open();
        await gates.released.opened;
        return { kind: "text", body: "slow" };
      case "/logout":
        await (await getSession()).destroy();
        return { kind: "text", body: "bye" };
      case "/revoked": {
        const session = await getSession();
        await store.revoke(store.handleOf(session) ?? "");
        return { kind: "text", body: await count(session) };
      }
      case "/outage": {
        const session = await getSession();
        outage.down = true;
        return { kind: "text", body: await count(session) };
      }
      default:
        return { kind: "text", body: await count(await getSession()) };
    }
  };

  before(async () => {
    store = await memoryPlace().open<Values>(
      { cookie: { secure: false } }, // the loopback network speaks plain HTTP
      (backend) => outage.around(counter.around(slowWrites(backend))),
    );
    serving = await listen({ store, saveOnError, handle });
  });
  after(async () => await serving?.stop());

  const newBrowser = (name = "session") => new Browser(name, serving?.origin);
  const go = async (browser: Browser, path: string, init: RequestInit = {}) => {
    gates = { entered: new Gate(), released: new Gate() };
    const { url, headers } = browser.request(path, init);
    const response = await fetch(url, { ...init, headers, redirect: "manual" });
    browser.receive(response);
    return response;
  };
  const text = async (browser: Browser, path: string, init: RequestInit = {}) =>
    await (await go(browser, path, init)).text();
  const stored = async (browser: Browser) => (await store.get(browser.request())).values.visits;
  const quiet = async (work: () => Promise<unknown>) => {
    const [loads, writes] = [counter.loads, counter.writes.length];
    await work();
    assert.deepEqual([counter.loads, counter.writes.length], [loads, writes]);
  };

  it("a session lasts from one request to the next", async () => {
    const browser = newBrowser();
    assert.equal(await text(browser, "/"), "1");
    assert.equal(await text(browser, "/"), "2");
    assert.equal(await text(newBrowser(), "/"), "1");
  });

  it("a handler that asks for no session causes no database access, whatever the client presents", async () => {
    const browser = newBrowser();
    await text(browser, "/");
    await quiet(async () => {
      const response = await go(browser, "/static");
      assert.deepEqual([await response.text(), response.headers.getSetCookie()], ["static", []]);
      assert.equal(response.headers.get("vary"), null);
    });
  });

  it("a visitor whose session nothing was put into gets no record and no cookie", async () => {
    await quiet(async () => {
      const response = await go(newBrowser(), "/asks");
      assert.deepEqual([await response.text(), response.headers.getSetCookie()], ["0", []]);
    });
  });

  it("a redirect carries the cookie, and keeps its status and its Location", async () => {
    const browser = newBrowser();
    const response = await go(browser, "/redirect");
    await response.text();
    assert.ok([302, 303].includes(response.status));
    assert.equal(new URL(response.headers.get("location") ?? "", response.url).pathname, "/asks");
    assert.equal(await text(browser, "/asks"), "1");
  });

  it("two sessions of one request are both saved", async () => {
    const browser = newBrowser();
    const response = await go(browser, "/two");
    await response.text();
    const cookies = response.headers.getSetCookie().map((cookie) => cookie.split("=", 1)[0] ?? "");
    assert.deepEqual(cookies.toSorted(), ["campaign", "session"]);
  });

  it(`what a handler did before it threw is ${saveOnError ? "saved" : "not saved"}`, async () => {
    const browser = newBrowser();
    await text(browser, "/");
    const response = await go(browser, "/throw");
    await response.arrayBuffer();
    assert.equal(response.status, 500);
    assert.equal(await stored(browser), saveOnError ? 2 : 1);
    assert.equal((await go(newBrowser(), "/throw")).headers.getSetCookie().length, +saveOnError);
  });

  for (const path of ["/stream", "/events"]) {
    it(`${path}: the cookie leaves and the record is there before the first chunk has been followed by another`, async () => {
      const browser = newBrowser();
      const response = await go(browser, path);
      assert.equal(response.headers.getSetCookie().length, 1);
      assert.equal(await stored(browser), 1);
      gates.released.open();
      const late = seesCookiesOnly ? "given" : "TypeError";
      assert.equal(await response.text(), `first;${late};last`);
      assert.equal(await stored(browser), 10, "an update after the headers had left");
    });
  }

  it("HEAD is answered like GET, without a body", async () => {
    const browser = newBrowser();
    const response = await go(browser, "/", { method: "HEAD" });
    assert.deepEqual([response.status, await response.text()], [200, ""]);
    assert.equal(await stored(browser), 1);
  });

  it("a request whose client has gone away is saved all the same, and the server goes on", async () => {
    const browser = newBrowser();
    await text(browser, "/");
    const controller = new AbortController();
    const going = go(browser, "/slow", { signal: controller.signal });
    const { entered, released } = gates;
    await entered.opened;
    controller.abort();
    await assert.rejects(going);
    released.open();
    for (let turn = 0; turn < 500 && await stored(browser) !== 2; turn++) await wait(10);
    assert.equal(await text(browser, "/asks"), "2");
  });

  it("a logout clears the cookie", async () => {
    const browser = newBrowser();
    await text(browser, "/");
    assert.equal(await text(browser, "/logout", { method: "POST" }), "bye");
    assert.equal(browser.token, undefined);
  });

  it("a session that was revoked meanwhile is not revived: the answer clears the cookie", async () => {
    const browser = newBrowser();
    await text(browser, "/");
    const thief = browser.copy();
    assert.equal(await text(browser, "/revoked"), "2");
    assert.equal(browser.token, undefined);
    const session = await store.get(thief.request());
    assert.ok(session.error instanceof SessionGoneError);
  });

  it("an answer whose session cannot be saved is an error, and nothing of it reaches the client", async () => {
    const browser = newBrowser();
    await text(browser, "/");
    const response = await go(browser, "/outage");
    outage.down = false;
    assert.ok(response.status >= 500, `${response.status}`);
    assert.notEqual(await response.text(), "2");
    assert.deepEqual(response.headers.getSetCookie(), []);
    assert.equal(await text(browser, "/asks"), "1");
  });

  if (seesCookiesOnly) return;
  it("a page of another origin cannot post with the cookie", async () => {
    const browser = newBrowser();
    await text(browser, "/");
    const headers = { origin: "https://evil.example", "sec-fetch-site": "cross-site" };
    const response = await go(browser, "/", { method: "POST", headers });
    await response.text();
    assert.equal(response.status, 403);
    assert.deepEqual(response.headers.getSetCookie(), []);
    assert.equal(await stored(browser), 1);
  });
}

/** The chunks as the body of a response, one a pull. */
export function bodyOf(chunks: AsyncIterable<string>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  const encoder = new TextEncoder();
  return new ReadableStream({
    pull: async (controller) => {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(encoder.encode(value));
    },
  });
}
