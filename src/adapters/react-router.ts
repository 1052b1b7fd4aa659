import { SessionGoneError } from "../errors.ts";
import type { Session } from "../session.ts";
import type { Store } from "../store.ts";
import type { RequestLike, SessionOptions } from "../transport/transport.ts";

/** The session's values as React Router shows them: a flash stands under a key of its own until it is read. */
export type RouterValues<V, F = V> = Partial<
  V & { [K in keyof F as `__flash_${K & string}__`]: F[K] }
>;

/** React Router's session, and behind it the one of the store. */
export interface RouterSession<V extends object, F extends object = V> {
  /** The session id; `""` until first saved. It is a secret. */
  readonly id: string;
  /** All values, with unread flashes under `__flash_name__`. */
  readonly data: RouterValues<V, F>;
  /** The store's session: `regenerate` at login, `update`, `subject`. */
  readonly stored: Session<RouterValues<V, F>>;
  /** Whether there is a value or a flash of the name. */
  has(name: (keyof V | keyof F) & string): boolean;
  /** The value or the flash of the name. Reading removes a flash. */
  get<K extends (keyof V | keyof F) & string>(
    name: K,
  ):
    | (K extends keyof V ? V[K] : undefined)
    | (K extends keyof F ? F[K] : undefined)
    | undefined;
  /** Sets a value. */
  set<K extends keyof V & string>(name: K, value: V[K]): void;
  /** Sets a value that the next `get` removes. */
  flash<K extends keyof F & string>(name: K, value: F[K]): void;
  /** Removes a value. */
  unset(name: keyof V & string): void;
}

/** What may be said of the cookie at a commit, in place of the store's options. */
export interface RouterCookieOptions {
  /** Seconds until the session ends. */
  maxAge?: number | undefined;
  /** When the session ends, where there is no `maxAge`. */
  expires?: Date | undefined;
  domain?: string | undefined;
  path?: string | undefined;
  secure?: boolean | undefined;
  httpOnly?: boolean | undefined;
  sameSite?: boolean | "lax" | "strict" | "none" | undefined;
  partitioned?: boolean | undefined;
  priority?: "low" | "medium" | "high" | undefined;
}

/** React Router's `SessionStorage` over a store. */
export interface RouterSessionStorage<V extends object, F extends object = V> {
  /** The session of a `Cookie` header. Rejects with `StoreUnavailableError` in an outage. */
  readonly getSession: (cookieHeader?: string | null) => Promise<RouterSession<V, F>>;
  /**
   * Writes what changed; gives a `Set-Cookie`, which is empty where there is nothing to tell the client and clears the cookie
   * where the session has ended meanwhile. Rejects as `store.save` does, and with `TypeError` for a session of another storage.
   */
  readonly commitSession: (
    session: { readonly id: string },
    options?: RouterCookieOptions,
  ) => Promise<string>;
  /** Deletes the record, then gives a `Set-Cookie` that clears the cookie. */
  readonly destroySession: (
    session: { readonly id: string },
    options?: RouterCookieOptions,
  ) => Promise<string>;
}

/**
 * A `SessionStorage` for React Router 7 that keeps its sessions in the store, under the store's default name or the one given. The store
 * must carry tokens in cookies. Two requests that commit at once lose nothing: values merge key by key.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey } from "mongostore";
 * import { routerSessions } from "mongostore/react-router";
 * import type { RouterValues } from "mongostore/react-router";
 *
 * interface Values { userId: string }
 * interface Flashes { notice: string }
 *
 * const store = createMemoryStore<RouterValues<Values, Flashes>>({ keys: [generateKey()] });
 * const { getSession, commitSession } = routerSessions<Values, Flashes>(store);
 * const session = await getSession(null);
 * session.stored.regenerate(); // at login
 * session.set("userId", "42");
 * session.flash("notice", "welcome");
 * const cookie = await commitSession(session);
 * console.log((await getSession(cookie)).get("notice")); // welcome
 * ```
 */
export function routerSessions<V extends object = Record<string, unknown>, F extends object = V>(
  store: Store<RouterValues<V, F>>,
  name?: string,
): RouterSessionStorage<V, F> {
  if (!store.token.ambient) {
    throw new TypeError("React Router keeps sessions in cookies: the store needs a CookieToken");
  }
  const stored = new WeakMap<object, readonly [RequestLike, Session<RouterValues<V, F>>]>();
  const commit = async (
    session: object,
    options: RouterCookieOptions = {},
    end: boolean = false,
  ): Promise<string> => {
    const [request, own] = stored.get(session) ?? foreign();
    Object.assign(own.options, changed(options));
    const headers = new Headers();
    if (end) await own.destroy();
    try {
      await own.save(request, headers);
    } catch (error) {
      if (!(error instanceof SessionGoneError)) throw error; // the headers clear the cookie
    }
    return headers.getSetCookie().at(-1) ?? "";
  };
  return {
    getSession: async (cookieHeader) => {
      const request = requestOf(cookieHeader ?? "");
      const session = await store.get(request, name);
      const view = viewOf<V, F>(session);
      stored.set(view, [request, session]);
      return view;
    },
    commitSession: (session, options) => commit(session, options),
    destroySession: (session, options) => commit(session, options, true),
  };
}

/** React Router hands over the cookies of a request and nothing else. */
function requestOf(cookie: string): RequestLike {
  const get = (name: string) => name.toLowerCase() === "cookie" ? cookie : null;
  return { headers: { get }, url: "http://localhost/" };
}

function foreign(): never {
  throw new TypeError("cannot commit a session that this storage did not give");
}

function viewOf<V extends object, F extends object>(
  stored: Session<RouterValues<V, F>>,
): RouterSession<V, F> {
  const values = (): object => stored.values;
  const owns = (key: string) => Object.hasOwn(values(), key);
  return {
    stored,
    get id() {
      return stored.id;
    },
    get data() {
      return stored.values;
    },
    has: (key) => owns(key) || owns(flashKey(key)),
    get: (key) => {
      if (owns(key)) return Reflect.get(values(), key);
      if (!owns(flashKey(key))) return undefined;
      const value = Reflect.get(values(), flashKey(key));
      Reflect.deleteProperty(values(), flashKey(key));
      return value;
    },
    set: (key, value) => void Reflect.set(values(), key, value),
    flash: (key, value) => void Reflect.set(values(), flashKey(key), value),
    unset: (key) => void Reflect.deleteProperty(values(), key),
  };
}

function flashKey(name: string): string {
  return `__flash_${name}__`;
}

function changed({ expires, sameSite, ...options }: RouterCookieOptions): Partial<SessionOptions> {
  const until = expires && { maxAge: Math.max(1, Math.round((+expires - Date.now()) / 1000)) };
  const site = sameSite === true ? "strict" : sameSite === false ? "none" : sameSite;
  const given = { ...until, sameSite: site, ...options };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}
