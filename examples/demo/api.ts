import { deviceOf } from "./device.ts";
import { json, route } from "./html.ts";
import { nameOf, signIn } from "./stores.ts";
import type { Stores } from "./stores.ts";

/** The API: the session travels in a header. */
export function apiHandler({ api }: Stores): (request: Request) => Promise<Response> {
  return api.handle(async (request: Request, getSession) => {
    const session = await getSession();
    switch (route(request)) {
      case "POST /api/login": {
        const user = await userIn(request);
        if (user === undefined) return json({ error: "NO_USER" }, 400);
        signIn(session, user, deviceOf(request));
        // The token itself goes out in the X-Session-Token header.
        return json({ user });
      }
      case "GET /api/me": {
        if (session.values.user === undefined) {
          const answer = json({ error: session.error?.code ?? "NO_TOKEN" }, 401);
          answer.headers.set("WWW-Authenticate", "Bearer");
          return answer;
        }
        await session.update((values) => {
          values.visits = (values.visits ?? 0) + 1;
        });
        return json(session.values);
      }
      case "POST /api/logout": {
        await session.destroy();
        return json({ user: null });
      }
      default:
        return json({ error: "NO_SUCH_CALL" }, 404);
    }
  });
}

/** The `user` of a JSON body; undefined for anything else. */
async function userIn(request: Request): Promise<string | undefined> {
  const body: unknown = await request.json().catch(() => undefined);
  return typeof body === "object" && body !== null && "user" in body
    ? nameOf(body.user)
    : undefined;
}
