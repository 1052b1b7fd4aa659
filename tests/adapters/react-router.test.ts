// Loaders and actions of React Router as its static handler runs them, behind the server of each runtime.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createStaticHandler } from "react-router";
import type { LoaderFunctionArgs, SessionStorage } from "react-router";
import { createMemoryStore, generateKey, HeaderToken } from "#mongostore";
import type { StoreOptions } from "#mongostore";
import { routerSessions } from "#mongostore/react-router";
import type { RouterSession, RouterValues } from "#mongostore/react-router";
import { serve } from "../../examples/serve.ts";
import { adapterContract, bodyOf } from "../contract/adapter.ts";
import type { Answer, Application, Values } from "../contract/adapter.ts";
import { parseSetCookie } from "../support/browser.ts";
import { RUNTIME } from "../support/runtime.ts";

/** What an application writes by hand: the sessions it asked for, committed onto its response. */
async function respond({ store, saveOnError, handle }: Application, request: Request) {
  const cookies = request.headers.get("cookie");
  const asked = new Map<string, Promise<RouterSession<Values>>>();
  const storages = new Map(
    ["session", "campaign"].map((name) => [name, routerSessions<Values>(store, name)]),
  );
  const getSession = async (name = "session") => {
    const storage = storages.get(name) ?? assert.fail(name);
    const session = asked.get(name) ?? storage.getSession(cookies);
    asked.set(name, session);
    return (await session).stored;
  };
  let response: Response;
  try {
    response = toResponse(await handle(new URL(request.url).pathname, getSession));
  } catch {
    response = new Response("failed", { status: 500 });
    if (!saveOnError) return response;
  }
  for (const [name, session] of asked) {
    const cookie = await storages.get(name)?.commitSession(await session);
    if (cookie) response.headers.append("set-cookie", cookie);
  }
  return response;
}

function toResponse(answer: Answer): Response {
  if (answer.kind === "text") return new Response(answer.body);
  if (answer.kind === "redirect") {
    return new Response(null, { status: 302, headers: { location: answer.to } });
  }
  return new Response(bodyOf(answer.chunks), { headers: { "content-type": answer.type } });
}

adapterContract(`React Router on ${RUNTIME}`, async (application) => {
  const run = ({ request }: LoaderFunctionArgs) => respond(application, request);
  const handler = createStaticHandler([{ id: "all", path: "*", loader: run, action: run }]);
  const { port, close } = await serve(0, async (request) => {
    try {
      const response: unknown = await handler.queryRoute(request);
      return response instanceof Response ? response : assert.fail("no response");
    } catch {
      return new Response("failed", { status: 503 });
    }
  });
  return { origin: `http://127.0.0.1:${port}`, stop: close };
}, { seesCookiesOnly: true });

interface Shop {
  user: string;
  cart: string[];
}
interface Flashes {
  notice: string;
}

describe("React Router's session storage", () => {
  const open = (options: Partial<StoreOptions<RouterValues<Shop, Flashes>>> = {}) =>
    createMemoryStore<RouterValues<Shop, Flashes>>({ keys: [generateKey()], ...options });

  it("is a SessionStorage, so that it can be given wherever one is asked for", async () => {
    const storage: SessionStorage<Shop, Flashes> = routerSessions<Shop, Flashes>(open());
    const session = await storage.getSession(null);
    session.set("user", "ann");
    const cookie = await storage.commitSession(session);
    assert.equal((await storage.getSession(cookie)).get("user"), "ann");
  });

  it("has, gets, sets and unsets values", async () => {
    const session = await routerSessions<Shop, Flashes>(open()).getSession();
    assert.deepEqual([session.id, session.has("user"), session.get("user")], [
      "",
      false,
      undefined,
    ]);
    session.set("user", "ann");
    assert.deepEqual([session.has("user"), session.get("user")], [true, "ann"]);
    assert.deepEqual({ ...session.data }, { user: "ann" });
    session.unset("user");
    assert.equal(session.has("user"), false);
  });

  it("a flash is there until it is read, and a commit makes its removal last", async () => {
    const { getSession, commitSession } = routerSessions<Shop, Flashes>(open());
    const first = await getSession();
    first.flash("notice", "welcome");
    const cookie = await commitSession(first);
    const second = await getSession(cookie);
    assert.deepEqual({ ...second.data }, { __flash_notice__: "welcome" });
    assert.deepEqual([second.has("notice"), second.get("notice"), second.get("notice")], [
      true,
      "welcome",
      undefined,
    ]);
    await commitSession(second);
    assert.equal((await getSession(cookie)).has("notice"), false);
  });

  it("loaders that commit at once lose nothing", async () => {
    const { getSession, commitSession } = routerSessions<Shop, Flashes>(open());
    const fresh = await getSession();
    fresh.set("user", "ann");
    const cookie = await commitSession(fresh);
    const [one, two] = await Promise.all([getSession(cookie), getSession(cookie)]);
    one.set("user", "bob");
    two.set("cart", ["book"]);
    await Promise.all([commitSession(one), commitSession(two)]);
    assert.deepEqual({ ...(await getSession(cookie)).data }, { user: "bob", cart: ["book"] });
  });

  it("a commit's options go into the cookie, and into the record's expiry", async () => {
    const { getSession, commitSession } = routerSessions<Shop, Flashes>(open());
    const session = await getSession();
    session.set("user", "ann");
    const cookie = await commitSession(session, { maxAge: 60, path: "/shop", sameSite: true });
    const { attributes } = parseSetCookie(cookie);
    assert.deepEqual(
      ["max-age", "path", "samesite"].map((name) => attributes.get(name)),
      ["60", "/shop", "Strict"],
    );
    const left = Number(session.stored.expiresAt) - Date.now();
    assert.ok(left > 50_000 && left <= 60_000, `${left}`);
  });

  it("a regenerated session leaves its old cookie dead", async () => {
    const { getSession, commitSession } = routerSessions<Shop, Flashes>(open());
    const session = await getSession();
    session.set("user", "guest");
    const old = await commitSession(session);
    const login = await getSession(old);
    login.stored.regenerate();
    login.set("user", "ann");
    const cookie = await commitSession(login);
    assert.equal((await getSession(old)).has("user"), false);
    assert.equal((await getSession(cookie)).get("user"), "ann");
  });

  it("destroying deletes the record and clears the cookie", async () => {
    const { getSession, commitSession, destroySession } = routerSessions<Shop, Flashes>(open());
    const session = await getSession();
    session.set("user", "ann");
    const cookie = await commitSession(session);
    const cleared = parseSetCookie(await destroySession(await getSession(cookie)));
    assert.deepEqual([cleared.value, cleared.attributes.get("max-age")], ["", "0"]);
    assert.equal((await getSession(cookie)).has("user"), false);
  });

  it("a session that nobody gave cannot be committed, and a store without cookies cannot be used", async () => {
    const { commitSession } = routerSessions<Shop, Flashes>(open());
    await assert.rejects(commitSession({ id: "" }), TypeError);
    const store = open({ token: new HeaderToken() });
    assert.throws(() => routerSessions<Shop, Flashes>(store), TypeError);
  });
});
