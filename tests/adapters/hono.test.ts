import assert from "node:assert/strict";
import { it } from "node:test";
import { Hono } from "hono";
import { createMemoryStore, generateKey } from "#mongostore";
import { honoSessions } from "#mongostore/hono";
import type { HonoSessionVariables } from "#mongostore/hono";
import { serve } from "../../examples/serve.ts";
import { adapterContract, bodyOf } from "../contract/adapter.ts";
import type { Values } from "../contract/adapter.ts";
import { RUNTIME } from "../support/runtime.ts";

adapterContract(`Hono on ${RUNTIME}`, async ({ store, saveOnError, handle }) => {
  const app = new Hono<{ Variables: HonoSessionVariables<Values> }>();
  app.use(honoSessions(store, { saveOnError }));
  app.onError((_error, c) => c.text("failed", 500));
  app.all("*", async (c) => {
    const answer = await handle(c.req.path, c.var.session);
    if (answer.kind === "text") return c.text(answer.body);
    // Its headers are immutable on Node and Deno.
    if (answer.kind === "redirect") {
      return Response.redirect(new URL(answer.to, c.req.url).href, 303);
    }
    return c.body(bodyOf(answer.chunks), 200, { "content-type": answer.type });
  });
  const { port, close } = await serve(0, app.fetch);
  return { origin: `http://127.0.0.1:${port}`, stop: close };
});

it(`a response that was fetched keeps its own cookies beside the session's, with Hono on ${RUNTIME}`, async () => {
  const headers = { "set-cookie": "own=1" };
  const upstream = await serve(0, () => new Response("fetched", { headers }));
  const app = new Hono<{ Variables: HonoSessionVariables<Values> }>();
  app.use(honoSessions(createMemoryStore<Values>({ keys: [generateKey()] })));
  app.get("/", async (c) => {
    (await c.var.session()).values.visits = 1;
    return await fetch(`http://127.0.0.1:${upstream.port}/`); // its headers are immutable
  });
  const response = await app.request("/");
  const names = response.headers.getSetCookie().map((cookie) => cookie.split("=", 1)[0]);
  assert.deepEqual([names, await response.text()], [["own", "session"], "fetched"]);
  await upstream.close();
});
