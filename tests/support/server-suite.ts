import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
  CookieToken,
  createMemoryStore,
  firstOf,
  generateKey,
  HeaderToken,
  QueryToken,
} from "#mongostore";
import type { SessionGetter } from "#mongostore";
import { Browser } from "./browser.ts";

/** What a server runs: a handler of the Web's `Request` and `Response`. */
export type Handler = (request: Request) => Promise<Response>;

/** A server under way on a free port of the loopback network. */
export interface Listening {
  readonly origin: string;
  stop(): Promise<void>;
}

interface Values {
  visits: number;
  user: string;
}

/** Talks to a real server of this runtime over the loopback network. */
export function serverSuite(title: string, listen: (handler: Handler) => Promise<Listening>): void {
  const query = new QueryToken();
  const store = createMemoryStore<Values>({
    keys: [generateKey()],
    name: "sid",
    cookie: { secure: false }, // the loopback network speaks plain HTTP
    token: firstOf(new CookieToken(), new HeaderToken(), query),
  });
  const header = createMemoryStore<Values>({ keys: [generateKey()], token: new HeaderToken() });
  const links = createMemoryStore<Values>({ keys: [generateKey()], token: query });

  const respond = async (request: Request, session: SessionGetter<Values>) => {
    const { pathname, origin } = new URL(request.url);
    const own = await session();
    if (pathname.endsWith("/login")) {
      own.regenerate();
      own.values.user = await request.text();
      return Response.redirect(`${origin}/home`, 303);
    }
    if (pathname.endsWith("/logout")) {
      await own.destroy();
      return new Response("bye");
    }
    if (pathname.endsWith("/look")) return Response.json(own.values);
    own.values.visits = (own.values.visits ?? 0) + 1;
    return new Response(`${own.values.visits}`);
  };
  const handlers: Record<string, Handler> = {
    header: header.handle(respond),
    link: async (request) => {
      const session = await links.get(request);
      session.values.visits = (session.values.visits ?? 0) + 1;
      const response = new Response(`${session.values.visits}`);
      const saved = await links.save(request, response, session);
      saved.headers.set("x-next", query.url(request.url, session));
      return saved;
    },
  };
  const cookies = store.handle(respond);

  describe(title, () => {
    let server: Listening | undefined;
    let origin = "";
    before(async () => {
      server = await listen((request) => {
        const [, first = ""] = new URL(request.url).pathname.split("/");
        return (handlers[first] ?? cookies)(request);
      });
      origin = server.origin;
    });
    after(async () => await server?.stop());

    const go = async (browser: Browser, path: string, init: RequestInit = {}) => {
      const { url, headers } = browser.request(path, init);
      const response = await fetch(url, { ...init, headers, redirect: "manual" });
      browser.receive(response);
      return response;
    };

    it("a cookie jar keeps its session over requests, and two jars keep two", async () => {
      const [ann, bob] = [new Browser("sid", origin), new Browser("sid", origin)];
      const bodies: string[] = [];
      for (const browser of [ann, ann, bob, ann, bob]) {
        bodies.push(await (await go(browser, "/")).text());
      }
      assert.deepEqual(bodies, ["1", "2", "1", "3", "2"]);
    });

    it("a login that redirects sets a new cookie on the redirect; the old one is dead", async () => {
      const browser = new Browser("sid", origin);
      await (await go(browser, "/")).text();
      const old = browser.copy();
      const response = await go(browser, "/login", { method: "POST", body: "ann" });
      assert.deepEqual([response.status, response.headers.get("location")], [
        303,
        `${origin}/home`,
      ]);
      assert.equal(response.headers.getSetCookie().length, 1);
      assert.notEqual(browser.token, old.token);
      assert.deepEqual(await (await go(browser, "/look")).json(), { visits: 1, user: "ann" });
      assert.deepEqual(await (await go(old, "/look")).json(), {});
    });

    it("a logout clears the cookie, and the session is gone for whoever has it still", async () => {
      const browser = new Browser("sid", origin);
      await (await go(browser, "/")).text();
      const thief = browser.copy();
      await (await go(browser, "/logout", { method: "POST" })).text();
      assert.equal(browser.token, undefined);
      assert.deepEqual(await (await go(thief, "/look")).json(), {});
    });

    it("twenty requests of one jar at once are all answered, and their session survives", async () => {
      const browser = new Browser("sid", origin);
      await (await go(browser, "/")).text();
      const statuses = await Promise.all(Array.from({ length: 20 }, async () => {
        const response = await go(browser, "/");
        await response.text();
        return response.status;
      }));
      assert.deepEqual(new Set(statuses), new Set([200]));
      assert.equal((await go(browser, "/look")).status, 200);
    });

    it("a bearer token keeps its session over requests", async () => {
      let authorization = "";
      const bodies: string[] = [];
      for (let i = 0; i < 3; i++) {
        const headers = authorization ? { authorization } : undefined;
        const response = await fetch(`${origin}/header/`, headers ? { headers } : {});
        bodies.push(await response.text());
        const token = response.headers.get("x-session-token");
        if (token) authorization = `Bearer ${token}`;
        assert.deepEqual(response.headers.getSetCookie(), []);
      }
      assert.deepEqual(bodies, ["1", "2", "3"]);
    });

    it("a bearer token that is nonsense is a new session, not an error", async () => {
      const headers = { authorization: "Bearer nonsense" };
      const response = await fetch(`${origin}/header/`, { headers });
      assert.deepEqual([response.status, await response.text()], [200, "1"]);
    });

    it("a token in the query keeps its session from link to link", async () => {
      let url = `${origin}/link/?page=1`;
      const bodies: string[] = [];
      for (let i = 0; i < 3; i++) {
        const response = await fetch(url);
        bodies.push(await response.text());
        assert.equal(response.headers.get("referrer-policy"), "no-referrer");
        url = response.headers.get("x-next") ?? "";
        assert.equal(new URL(url).searchParams.get("page"), "1");
      }
      assert.deepEqual(bodies, ["1", "2", "3"]);
    });
  });
}
