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
    switch (answer.kind) {
      case "text":
        return c.text(answer.body);
      case "redirect":
        return c.redirect(answer.to);
      case "stream":
        return c.body(bodyOf(answer.chunks), 200, { "content-type": answer.type });
    }
  });
  const { port, close } = await serve(0, app.fetch);
  return { origin: `http://127.0.0.1:${port}`, stop: close };
});
