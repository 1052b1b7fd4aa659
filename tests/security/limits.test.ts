// SECURITY.md section 6: Deno passes a cookie header of 60 kB where Node and Bun answer 431. Our limits are our own.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { generateKey, memoryBackend, Store } from "#mongostore";
import { Counter } from "../support/backends.ts";
import type { Listening } from "../support/server-suite.ts";
import { RUNTIME } from "../support/runtime.ts";
import { listen } from "./listen.ts";

interface Values {
  n: number;
}

const KILOBYTES_60 = 60 * 1024;
const MANY = Array.from({ length: 5_000 }, (_, i) => `c${i}=${i}`).join("; ").slice(
  0,
  KILOBYTES_60,
);

describe(`cookie headers of 60 kB on a real server (${RUNTIME})`, () => {
  const counter = new Counter();
  const store = new Store<Values>({
    keys: [generateKey()],
    backend: counter.around(memoryBackend()),
    cookie: { secure: false },
  });
  const handler = store.handle(async (_request, session) => {
    const own = await session();
    if (own.isNew) return new Response(own.error?.code ?? "new");
    own.values.n = (own.values.n ?? 0) + 1;
    return new Response(String(own.values.n));
  });
  const login = store.handle(async (_request, session) => {
    (await session()).values.n = 0;
    return new Response("hello");
  });
  const servers: Listening[] = [];
  let cookie = "";

  before(async () => {
    const serve = (request: Request) =>
      new URL(request.url).pathname === "/login" ? login(request) : handler(request);
    servers.push(await listen(serve));
    if (RUNTIME === "node") servers.push(await listen(serve, 1 << 20));
    const response = await fetch(`${servers[0]?.origin}/login`);
    await response.text();
    cookie = response.headers.getSetCookie()[0]?.split(";")[0] ?? "";
  });
  after(async () => {
    await Promise.all(servers.map((server) => server.stop()));
  });

  /** What each server answers. A server's own limit is as good: 431 (RFC 6585 section 5). */
  const answers = async (header: string, loads: number) => {
    const passed: string[] = [];
    for (const { origin } of servers) {
      counter.loads = 0;
      const response = await fetch(origin, { headers: { cookie: header } });
      const text = await response.text();
      if (response.status === 431) assert.equal(counter.loads, 0);
      else {
        assert.equal(response.status, 200);
        assert.equal(counter.loads, loads);
        passed.push(text);
      }
    }
    if (RUNTIME !== "bun") assert.equal(passed.length, 1, "one server let it through to us");
    return passed;
  };

  it("as one cookie of the session's name: refused, the database not asked", async () => {
    for (const text of await answers(`session=${"A".repeat(KILOBYTES_60)}`, 0)) {
      assert.equal(text, "INVALID_TOKEN");
    }
  });

  it("as hundreds of cookies of the session's name: refused, the database not asked", async () => {
    const header = Array.from({ length: 660 }, (_, i) => `session=${String(i).padStart(80, "A")}`);
    for (const text of await answers(`${header.join("; ")}; ${cookie}`, 0)) {
      assert.equal(text, "INVALID_TOKEN");
    }
  });

  it("as thousands of other cookies: the session is found behind them", async () => {
    for (const text of await answers(`${MANY}; ${cookie}`, 1)) assert.match(text, /^\d+$/);
  });

  it("and all the while who sends what browsers send is served", async () => {
    for (const { origin } of servers) {
      const other = MANY.slice(0, 8_000).replace(/;[^;]*$/, "");
      const response = await fetch(origin, { headers: { cookie: `${other}; ${cookie}` } });
      assert.match(await response.text(), /^\d+$/);
    }
  });
});
