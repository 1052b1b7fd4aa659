// Elysia's own server is Bun's.
import { Elysia } from "elysia";
import { elysiaSessions } from "#mongostore/elysia";
import { adapterContract, bodyOf } from "../contract/adapter.ts";
import { RUNTIME } from "../support/runtime.ts";

if (RUNTIME === "bun") {
  adapterContract("Elysia", ({ store, saveOnError, handle }) => {
    const sessions = elysiaSessions(store, {
      saveOnError,
      onSaveError: () => new Response("failed", { status: 503 }),
    });
    const app = new Elysia()
      .use(sessions.plugin)
      .derive(sessions.derive)
      .onError(({ code }) => code === "NOT_FOUND" ? undefined : "failed")
      .all("*", async ({ path, session, redirect }) => {
        const answer = await handle(path, session);
        if (answer.kind === "text") return answer.body;
        if (answer.kind === "redirect") return redirect(answer.to);
        return new Response(bodyOf(answer.chunks), { headers: { "content-type": answer.type } });
      })
      .listen({ port: 0, hostname: "127.0.0.1" });
    const origin = `http://127.0.0.1:${app.server?.port}`;
    return Promise.resolve({ origin, stop: async () => void await app.stop(true) });
  });
}
