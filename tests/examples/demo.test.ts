// The demo without a server: what its pages, its API and its links do, and what they do at once.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { generateKey } from "#mongostore";
import { createDemo } from "../../examples/demo/app.ts";
import type { Demo } from "../../examples/demo/app.ts";
import { Browser } from "../support/browser.ts";
import { describeStores } from "../support/stores.ts";

const ORIGIN = "https://demo.example";

/** A browser that follows redirects within the demo. */
class Visitor {
  readonly #demo: Demo;
  readonly #jar = new Browser("page", ORIGIN);

  constructor(demo: Demo) {
    this.#demo = demo;
  }

  get token(): string | undefined {
    return this.#jar.token;
  }

  present(token: string): void {
    this.#jar.present(token);
  }

  async get(path: string): Promise<string> {
    return await (await this.open(path)).text();
  }

  async open(path: string): Promise<Response> {
    const response = await this.#demo.fetch(this.#jar.request(path));
    this.#jar.receive(response);
    const location = response.headers.get("location");
    return location === null ? response : await this.open(location);
  }

  async post(path: string, fields: Record<string, string> = {}): Promise<Response> {
    const body = new URLSearchParams(fields);
    const response = await this.#demo.fetch(this.#jar.request(path, { method: "POST", body }));
    this.#jar.receive(response);
    return response;
  }
}

async function logIn(demo: Demo, user = "ann"): Promise<Visitor> {
  const visitor = new Visitor(demo);
  await visitor.post("/login", { user });
  return visitor;
}

/** Reads a stream of events until it has said what matches, or ends. */
async function readUntil(stream: ReadableStream<Uint8Array> | null, said: RegExp): Promise<string> {
  assert.ok(stream);
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    if (said.test(text)) break;
  }
  return text;
}

describeStores("the demo", (place) => {
  const demos: Demo[] = [];
  after(() => Promise.all(demos.map((demo) => demo.close())));

  async function start(): Promise<Demo> {
    const demo = await createDemo(place().collection, { keys: [generateKey()] });
    demos.push(demo);
    return demo;
  }

  it("counts visits, and logs in under a new id with a welcome that is shown once", async () => {
    const visitor = new Visitor(await start());
    assert.match(await visitor.get("/"), /Hello, stranger[^]*Visits in this session: <b>1</);
    const { token } = visitor;
    await visitor.post("/login", { user: "<ann>" });
    assert.notEqual(visitor.token, token);
    const home = await visitor.get("/");
    assert.match(home, /Hello, &#60;ann&#62;[^]*Visits in this session: <b>2</);
    assert.match(home, /Your session has a new id/);
    assert.doesNotMatch(await visitor.get("/"), /Your session has a new id/);
  });

  it("shows a message once, to one of two tabs", async () => {
    const visitor = await logIn(await start());
    await visitor.get("/");
    await visitor.post("/flash");
    const tabs = await Promise.all([visitor.get("/"), visitor.get("/")]);
    const shown = tabs.filter((tab) => tab.includes("This message is shown once."));
    assert.equal(shown.length, 1);
  });

  it("logs out: the cookie is cleared, and the old token opens nothing", async () => {
    const demo = await start();
    const visitor = await logIn(demo);
    const { token = "" } = visitor;
    await visitor.post("/logout");
    assert.equal(visitor.token, undefined);
    const thief = new Visitor(demo);
    thief.present(token);
    assert.match(await thief.get("/"), /Hello, stranger/);
  });

  it("keeps all of twenty items that two tabs put into the cart at once", async () => {
    const visitor = await logIn(await start());
    const product = { product: "sencha" };
    await Promise.all(Array.from({ length: 20 }, () => visitor.post("/cart/add", product)));
    assert.match(await visitor.get("/cart"), /20 items, € 290\.00/);
    await visitor.post("/cart/remove", product);
    assert.match(await visitor.get("/cart"), /19 items/);
  });

  it("gives what is ordered twice at once to one of the orders", async () => {
    const visitor = await logIn(await start());
    await visitor.post("/cart/add", { product: "assam" });
    await visitor.get("/");
    await Promise.all([visitor.post("/cart/order"), visitor.post("/cart/order")]);
    const page = await visitor.get("/cart");
    assert.equal(page.split("Thank you: 1 items for € 9.80").length - 1, 1);
    assert.match(page, /Nothing yet/);
  });

  it("puts nothing into the cart that is not sold", async () => {
    const visitor = await logIn(await start());
    for (const product of ["__proto__", "constructor", "coffee"]) {
      assert.equal((await visitor.post("/cart/add", { product })).status, 303);
    }
    assert.match(await visitor.get("/cart"), /Nothing yet/);
  });

  it("lists the devices of a user, renames one and ends another", async () => {
    const demo = await start();
    const [phone, laptop] = [await logIn(demo), await logIn(demo)];
    await phone.post("/devices/name", { device: "Ann's phone" });
    const page = await laptop.get("/devices");
    assert.match(page, /Ann&#39;s phone/);
    const handles = [...page.matchAll(/name="handle" value="([^"]+)"/g)].map(([, handle]) =>
      handle
    );
    assert.equal(handles.length, 1);
    await laptop.post("/devices/revoke", { handle: handles[0] ?? "" });
    assert.match(await phone.get("/"), /Hello, stranger/);
    assert.match(await laptop.get("/devices"), /Logged out there/);
  });

  it("ends no session of another user, whatever handle is sent", async () => {
    const demo = await start();
    const [ann, other, ben] = [await logIn(demo), await logIn(demo), await logIn(demo, "ben")];
    const handle = /name="handle" value="([^"]+)"/.exec(await other.get("/devices"))?.[1] ?? "";
    assert.notEqual(handle, "");
    await ben.post("/devices/revoke", { handle });
    assert.match(await ben.get("/devices"), /had ended already/);
    assert.match(await ann.get("/"), /Hello, ann/);
  });

  it("logs out everywhere but here", async () => {
    const demo = await start();
    const [here, there, ben] = [await logIn(demo), await logIn(demo), await logIn(demo, "ben")];
    await here.post("/devices/revoke-others");
    assert.match(await here.get("/"), /Logged out everywhere else: 1[^]*Hello, ann/);
    assert.match(await there.get("/"), /Hello, stranger/);
    assert.match(await ben.get("/"), /Hello, ben/);
  });

  it("rotates the key: nobody is logged out, tokens are made anew, and stored data is protected anew", async () => {
    const demo = await start();
    const [ann, idle] = [await logIn(demo), await logIn(demo, "idle")];
    const { token } = ann;
    await ann.post("/keys/rotate");
    const done = /Every stored session is protected with the newest key/;
    // A stream ends when other stores come into use, and a browser then asks again.
    for (let tries = 0, text = ""; !done.test(text) && tries < 5; tries++) {
      const { body } = await ann.open("/events?signed-in");
      text = await readUntil(body, done);
    }
    assert.match(await ann.get("/keys"), /2 keys[^]*Every stored session[^]*[12] protected anew/);
    assert.notEqual(ann.token, token);
    assert.match(await idle.get("/"), /Hello, idle/);
  });

  it("rotates no key and sends no crowd for a stranger", async () => {
    const stranger = new Visitor(await start());
    for (const path of ["/keys/rotate", "/activity/rush"]) {
      assert.equal((await stranger.post(path)).status, 403, path);
    }
    assert.match(await stranger.get("/keys"), /One key/);
  });

  it("tells the page of a session at once that it has ended elsewhere", async () => {
    const demo = await start();
    const [here, there] = [await logIn(demo), await logIn(demo)];
    const events = await there.open("/events?signed-in");
    const ended = readUntil(events.body, /^event: ended$/m);
    await here.post("/devices/revoke-others");
    assert.match(await ended, /^event: ended$/m);
    const late = await there.open("/events?signed-in");
    assert.match(await readUntil(late.body, /^event: ended$/m), /^event: ended$/m);
  });

  it("shows a token of the API, what was said with it, and that it ends", async () => {
    const visitor = await logIn(await start());
    const page = await (await visitor.post("/try/token")).text();
    const token = /name="token" value="([^"]+)"/.exec(page)?.[1] ?? "";
    const me = await visitor.post("/try/call", { token, call: "GET /api/me" });
    assert.match(await me.text(), /&#34;user&#34;:&#34;ann&#34;/);
    assert.match(await visitor.get("/devices"), /The API page/);
    await visitor.post("/try/call", { token, call: "POST /api/logout" });
    const refused = await visitor.post("/try/call", { token, call: "GET /api/me" });
    assert.match(await refused.text(), /SESSION_GONE/);
  });

  it("serves the API by the header alone", async () => {
    const demo = await start();
    const call = (path: string, init: RequestInit = {}) =>
      demo.fetch(new Request(`${ORIGIN}${path}`, init));
    const login = await call("/api/login", { method: "POST", body: '{"user":"ann"}' });
    const authorization = `Bearer ${login.headers.get("x-session-token")}`;
    const me = await call("/api/me", { headers: { authorization } });
    assert.deepEqual(await me.json(), { user: "ann", visits: 1 });
    await call("/api/logout", { method: "POST", headers: { authorization } });
    assert.equal((await call("/api/me", { headers: { authorization } })).status, 401);
  });

  it("makes a link that carries its session, and counts who opens it", async () => {
    const demo = await start();
    const made = await new Visitor(demo).post("/link");
    const link = made.headers.get("location") ?? "";
    assert.match(link, /^\/link\?link=/);
    assert.match(await new Visitor(demo).get(link), /opened <b>1<\/b> times/);
    assert.match(await new Visitor(demo).get(link), /opened <b>2<\/b> times/);
    assert.match(await new Visitor(demo).get("/link"), /does not work/);
  });

  it("shows what the stores told, and loads anew without script where it is asked to", async () => {
    const visitor = await logIn(await start());
    await visitor.post("/activity/rush");
    const page = await visitor.get("/activity?refresh=5");
    assert.match(page, /<dt>Saves<\/dt><dd>20\d</);
    assert.match(page, /<meta http-equiv="refresh" content="5">/);
    assert.doesNotMatch(await visitor.get("/activity?refresh=0"), /http-equiv/);
  });

  it("answers what is not there with 404", async () => {
    const visitor = new Visitor(await start());
    for (const path of ["/nothing", "/demo.ts", "/api/nothing"]) {
      assert.equal((await visitor.open(path)).status, 404, path);
    }
  });
});

describe("a page of the demo", () => {
  it("allows nothing from elsewhere and nothing inline", async () => {
    const demo = await createDemo(undefined);
    const response = await demo.fetch(new Request(`${ORIGIN}/`));
    const policy = response.headers.get("content-security-policy") ?? "";
    assert.match(policy, /^default-src 'none';/);
    assert.doesNotMatch(policy, /unsafe|https?:|\*/);
    assert.doesNotMatch(await response.text(), /<style|\sstyle=|\son[a-z]+=|<script>/);
    assert.equal(response.headers.get("cache-control"), "no-store");
    await demo.close();
  });
});
