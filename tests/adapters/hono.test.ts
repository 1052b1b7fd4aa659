import { Hono } from "hono";
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
    if (answer.kind === "redirect") return Response.redirect(new URL(answer.to, c.req.url), 303);
    return c.body(bodyOf(answer.chunks), 200, { "content-type": answer.type });
  });
  const { port, close } = await serve(0, app.fetch);
  return { origin: `http://127.0.0.1:${port}`, stop: close };
});
