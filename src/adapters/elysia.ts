import { CrossOriginError } from "../errors.ts";
import { askedBy } from "../registry.ts";
import { settle, settleResponse } from "../save-all.ts";
import type { Session } from "../session.ts";
import type { SessionGetter, Store } from "../store.ts";

/** How the plugin saves. */
export interface ElysiaSessionOptions {
  /** Save although the handler threw. Default false: a handler that throws saves nothing. */
  saveOnError?: boolean;
  /** Answers where a save rejects, as in an outage. Default: the error goes to the server, which answers 500. */
  onSaveError?: (error: unknown, request: Request) => Response | Promise<Response>;
}

/** As much of an Elysia app as is used here. */
export interface ElysiaApp {
  wrap(
    around: (
      inner: (request: Request, ...rest: unknown[]) => unknown,
    ) => (request: Request, ...rest: unknown[]) => Promise<unknown>,
  ): unknown;
  onError(
    handler: (context: {
      readonly request: Request;
      readonly error: unknown;
    }) => Response | undefined,
  ): unknown;
}

/** Sessions for the handlers of an Elysia app. */
export interface ElysiaSessions<V extends object> {
  /** For `app.use`, before the routes. */
  readonly plugin: <App extends ElysiaApp>(app: App) => App;
  /** For `app.derive`: puts `session` into the context, which gives the session of a name, or of the store's default name. */
  readonly derive: (context: { readonly request: Request }) => { session: SessionGetter<V> };
  /** The session of the request, for where there is no context. Rejects as `session` does. */
  get(request: Request, name?: string): Promise<Session<V>>;
}

/**
 * Sessions for Elysia 1.4. The plugin saves, before the response leaves, the sessions that a request asked for, those of other stores
 * (`other.get(request)`) included. A session whose cookie a page of another origin made the browser send, with a method that
 * changes things, is not given: the answer is 403 (see `trustedOrigins`). Once the response has left, as in a generator that
 * streams, asking for a session rejects with `TypeError`; a session at hand can still `update` and `destroy`.
 *
 * @example
 * ```ts
 * import { Elysia } from "elysia";
 * import { createMemoryStore, generateKey } from "mongostore";
 * import { elysiaSessions } from "mongostore/elysia";
 *
 * const store = createMemoryStore<{ visits: number }>({ keys: [generateKey()] });
 * const sessions = elysiaSessions(store);
 * const app = new Elysia()
 *   .use(sessions.plugin)
 *   .derive(sessions.derive)
 *   .get("/", async ({ session }) => {
 *     const { values } = await session();
 *     values.visits = (values.visits ?? 0) + 1;
 *     return `visits: ${values.visits}`;
 *   });
 * const response = await app.handle(new Request("https://shop.example/"));
 * console.log(response.headers.has("set-cookie")); // true
 * ```
 */
export function elysiaSessions<V extends object>(
  store: Store<V>,
  options: ElysiaSessionOptions = {},
): ElysiaSessions<V> {
  const { saveOnError = false, onSaveError } = options;
  const dropped = new WeakSet<Request>();
  return {
    plugin: (app) => {
      app.onError(({ request, error }) => {
        const crosses = error instanceof CrossOriginError;
        if (crosses || !saveOnError) dropped.add(request);
        return crosses ? new Response(error.message, { status: 403 }) : undefined;
      });
      app.wrap((inner) => async (request, ...rest) => {
        const response = await inner(request, ...rest);
        if (dropped.has(request) || askedBy(request).length === 0) return response;
        try {
          if (response instanceof Response) return await settleResponse(request, response);
          await settle(request, new Headers(), undefined); // an upgrade
          return response;
        } catch (error) {
          if (onSaveError) return await onSaveError(error, request);
          throw error;
        }
      });
      return app;
    },
    derive: ({ request }) => ({ session: store.getter(request) }),
    get: (request, name) => store.getter(request)(name),
  };
}
