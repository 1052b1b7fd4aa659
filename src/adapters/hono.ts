import { CrossOriginError } from "../errors.ts";
import { settleResponse } from "../save-all.ts";
import type { SessionGetter, Store } from "../store.ts";

/** How the middleware saves. */
export interface HonoSessionOptions {
  /** Save although the handler threw. Default false: a handler that throws saves nothing. */
  saveOnError?: boolean;
}

/**
 * What the middleware puts into Hono's context: `c.var.session()` gives the session, `c.var.session("cart")` the one of that name.
 *
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import type { HonoSessionVariables } from "mongostore/hono";
 *
 * const app = new Hono<{ Variables: HonoSessionVariables<{ visits: number }> }>();
 * app.get("/", async (c) => c.json((await c.var.session()).values));
 * ```
 */
export interface HonoSessionVariables<V extends object> {
  /** Gives the session of a name, or of the store's default name. */
  readonly session: SessionGetter<V>;
}

/** As much of Hono's context as is used here. */
export interface HonoContext<V extends object> {
  readonly req: { readonly raw: Request };
  /** Answers with undefined until there is a response. */
  get res(): Response;
  set res(response: Response | undefined);
  /** What the handler threw. */
  readonly error: Error | undefined;
  set(key: "session", value: SessionGetter<V>): void;
}

/**
 * Middleware for Hono 4. Gives handlers `c.var.session` and saves, before the response leaves, the sessions that were asked for,
 * those of other stores (`other.get(c.req.raw)`) included. A session whose cookie a page of another origin made the browser
 * send, with a method that changes things, is not given: the answer is 403 (see `trustedOrigins`). What a save rejects with goes
 * to `app.onError`. Once the response has left, as in the callback of a stream, asking for a session rejects with `TypeError`;
 * a session at hand can still `update` and `destroy`.
 *
 * @example
 * ```ts
 * import { Hono } from "hono";
 * import { createMemoryStore, generateKey } from "mongostore";
 * import { honoSessions } from "mongostore/hono";
 * import type { HonoSessionVariables } from "mongostore/hono";
 *
 * const store = createMemoryStore<{ visits: number }>({ keys: [generateKey()] });
 * const app = new Hono<{ Variables: HonoSessionVariables<{ visits: number }> }>();
 * app.use(honoSessions(store));
 * app.get("/", async (c) => {
 *   const session = await c.var.session();
 *   session.values.visits = (session.values.visits ?? 0) + 1;
 *   return c.text(`visits: ${session.values.visits}`);
 * });
 * const response = await app.request("/");
 * console.log(response.headers.has("set-cookie")); // true
 * ```
 */
export function honoSessions<V extends object>(
  store: Store<V>,
  options: HonoSessionOptions = {},
): (c: HonoContext<V>, next: () => Promise<void>) => Promise<void> {
  const { saveOnError = false } = options;
  return async (c, next) => {
    const request = c.req.raw;
    c.set("session", store.getter(request));
    await next();
    const answer = c.error instanceof CrossOriginError
      ? new Response(c.error.message, { status: 403 })
      : c.error && !saveOnError
      ? c.res
      : await settleResponse(request, c.res);
    if (answer === c.res) return;
    c.res = undefined; // or Hono adds the old response's headers to the new one's
    c.res = answer;
  };
}
