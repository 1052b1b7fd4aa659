import type { Collection } from "mongodb";
// In your own project: from "mongostore".
import { createMongoStore, HeaderToken, memoryBackend, QueryToken, Store } from "#mongostore";
import type { EventHandler, Session, StoreOptions } from "#mongostore";

/** What the sessions hold. */
export interface Values {
  user: string;
  visits: number;
  /** How many of each product, by its id. */
  cart: Record<string, number>;
}

/** The stores of the demo, one a kind of client, all in one collection and with the same keys. */
export interface Stores {
  /** The session travels in a cookie. */
  readonly pages: Store<Values>;
  /** The session travels in the Authorization header. */
  readonly api: Store<Values>;
  /** The session travels in the link itself. */
  readonly links: Store<Values>;
  /** Makes such links. */
  readonly query: QueryToken;
}

/** Opens the stores with these keys: the first protects, all of them open. */
export type OpenStores = (keys: readonly string[]) => Promise<Stores>;

/** Stores in the collection, or in this process where there is none. */
export function storesIn(collection: Collection | undefined, onEvent: EventHandler): OpenStores {
  const memory = memoryBackend();
  return async (keys) => {
    const open = (options: Omit<StoreOptions<Values>, "keys">) => {
      const all = { keys, maxAge: 3600, lifetime: 86_400, onEvent, ...options };
      return collection
        ? createMongoStore<Values>(collection, all)
        : new Store<Values>({ ...all, backend: memory });
    };
    const query = new QueryToken({ issue: "redirect" });
    return {
      pages: await open({
        name: "page",
        // Only because this demo speaks plain http on loopback, where not every browser keeps a Secure cookie (Safari
        // does not). Leave `secure` out in production: the default is true.
        cookie: { secure: false },
        // Requests that are under way while `regenerate` replaces the token still find the session.
        grace: 10,
      }),
      api: await open({ name: "api", token: new HeaderToken() }),
      links: await open({ name: "link", token: query, maxAge: 600 }),
      query,
    };
  };
}

/** The same for every kind of client. A new id, because whoever knew the old token must not become the user. */
export function signIn(session: Session<Values>, user: string, device: string): void {
  session.values.user = user;
  session.subject = user; // what store.list and store.revokeAll go by
  session.meta = { device }; // what store.list shows
  session.regenerate();
}

/** A name as a user may give it; undefined for anything else. */
export function nameOf(input: unknown): string | undefined {
  const name = typeof input === "string" ? input.trim().slice(0, 40) : "";
  return name === "" ? undefined : name;
}
