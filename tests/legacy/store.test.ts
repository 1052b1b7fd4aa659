import assert from "node:assert/strict";
import test from "node:test";
import {
  CookieToken,
  createMemoryStore,
  generateKey,
  type SessionEvent,
  StoreUnavailableError,
} from "#mongostore";
import { expressSessionReader } from "#mongostore/legacy";
import { Browser } from "../support/browser.ts";
import { rejection } from "../support/secrets.ts";
import { expressCookie } from "./readers.ts";

const OLD = `connect.sid=${expressCookie("q3Zl8xHv", "keyboard cat")}`;

interface Values {
  userId: string;
  n: number;
}

/** A store that takes over from express-session, and what it tells. */
function moved({ keep = false, cookie = "connect.sid", fails = false } = {}) {
  const events: SessionEvent[] = [];
  const asked: string[] = [];
  const store = createMemoryStore<Values>({
    keys: [generateKey()],
    onEvent: (event) => events.push(event),
    legacy: [
      expressSessionReader({
        token: new CookieToken(),
        cookie,
        keep,
        secrets: ["keyboard cat"],
        subject: (values) => String(values["userId"]),
        load: (id) => {
          asked.push(id);
          if (fails) return Promise.reject(new Error("down"));
          return Promise.resolve({ values: { cookie: {}, userId: "42" } });
        },
      }),
    ],
  });
  return { store, events, asked };
}

function visit(cookie: string): Request {
  return new Request("https://app.example/", { headers: { cookie } });
}

test("moving in: an old cookie becomes a fresh session, once", async () => {
  const { store, events, asked } = moved();
  const browser = new Browser();
  const request = visit(OLD);
  const session = await store.get(request, "session");
  assert.equal(session.isNew, true);
  assert.equal(session.error, undefined);
  assert.deepEqual(session.values, { userId: "42" });
  assert.deepEqual(events, [{ type: "legacy", reader: "express-session", name: "session" }]);
  const response = await store.save(request, new Response(), session);
  const cookies = response.headers.getSetCookie();
  assert.equal(cookies.length, 2);
  assert.match(cookies.join("\n"), /^connect\.sid=; Max-Age=0/m);
  browser.receive(response);
  const again = await store.get(browser.request(), "session");
  assert.equal(again.isNew, false);
  assert.deepEqual(again.values, { userId: "42" });
  assert.equal(asked.length, 1);
  assert.equal((await store.list("42")).length, 1);
});

test("moving in: an old cookie of the session's own name", async () => {
  const { store } = moved({ cookie: "session" });
  const request = visit(OLD.replace("connect.sid", "session"));
  const session = await store.get(request, "session");
  assert.deepEqual(session.values, { userId: "42" });
  const response = await store.save(request, new Response(), session);
  assert.match(response.headers.getSetCookie().join("\n"), /^session=[\w-]{88};[^\n]*$/);
});

test("moving in: a token of ours that fails is never handed on", async () => {
  const { store, asked } = moved();
  const session = await store.get(visit(`${OLD}; session=${"A".repeat(88)}`), "session");
  assert.equal(session.error?.code, "INVALID_TOKEN");
  assert.deepEqual(session.values, {});
  assert.deepEqual(asked, []);
});

test("moving in: logging out takes the old cookie along", async () => {
  for (const keep of [true, false]) {
    const { store } = moved({ keep });
    const request = visit(OLD);
    const session = await store.get(request, "session");
    const response = await store.save(request, new Response(), session);
    const mine = response.headers.getSetCookie().find((text) => text.startsWith("session="));
    assert.equal(response.headers.getSetCookie().length, keep ? 1 : 2);
    const both = visit(`${OLD}; ${mine?.split(";")[0]}`);
    const last = await store.get(both, "session");
    assert.equal(last.isNew, false);
    await last.destroy();
    const bye = await store.save(both, new Response(), last);
    assert.match(bye.headers.getSetCookie().join("\n"), /^connect\.sid=; Max-Age=0/m);
    assert.match(bye.headers.getSetCookie().join("\n"), /^session=; Max-Age=0/m);
  }
});

test("moving in: logging out on the first request takes the old cookie along", async () => {
  const { store } = moved({ keep: true });
  const request = visit(OLD);
  const session = await store.get(request, "session");
  await session.destroy();
  const response = await store.save(request, new Response(), session);
  assert.match(response.headers.getSetCookie().join("\n"), /^connect\.sid=; Max-Age=0/m);
});

test("moving in: an older system that is down is an outage, not a logout", async () => {
  const { store } = moved({ fails: true });
  await rejection(() => store.get(visit(OLD), "session"), StoreUnavailableError);
  const other = await store.get(visit("other=1"), "session");
  assert.deepEqual(other.values, {});
});

test("moving in: another site's request does not act with an old cookie either", async () => {
  const { store } = moved();
  const handler = store.handle(async (_, session) => {
    const { values } = await session();
    return new Response(values.userId ?? "nobody");
  });
  const crossing = new Request(visit(OLD), { method: "POST" });
  crossing.headers.set("origin", "https://evil.example");
  crossing.headers.set("sec-fetch-site", "cross-site");
  const answer = await handler(crossing).then((response) => response.text(), () => "refused");
  assert.notEqual(answer, "42");
});
