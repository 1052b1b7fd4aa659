import { batched } from "../backend/batch.ts";
import { ensureIndexes } from "../backend/indexes.ts";
import { mongodbBackend } from "../backend/mongodb.ts";
import type { SessionCollection } from "../backend/collection.ts";
import { systemClock } from "../clock.ts";
import type { MongoStoreOptions } from "../create.ts";
import { emitTo } from "../events.ts";
import { resolveOptions, seconds } from "../options.ts";
import type { Snapshot } from "../payload.ts";
import { SidSessions } from "../sid-sessions.ts";

/** How the sessions of express-session or @fastify/session are kept. Only `keys` is required. Times are in seconds unless a name says otherwise. */
export interface SessionStoreOptions extends
  Pick<
    MongoStoreOptions,
    | "keys"
    | "data"
    | "maxBytes"
    | "merge"
    | "timeoutMS"
    | "ensureTTL"
    | "batch"
    | "onEvent"
    | "clock"
    | "random"
  > {
  /** Tells the sessions of this store from others in the collection. Part of every record's key. Default `connect.sid`. */
  name?: string;
  /** Seconds that a session lives whose cookie has neither `maxAge` nor `expires`. Default 1,209,600 (14 days). */
  maxAge?: number;
  /** Seconds since its creation after which a session ends however active it is. Default: no such limit. */
  lifetime?: number;
  /** Seconds since the last write in which a touch of an unchanged session writes nothing. Default 0: each writes. */
  touchAfter?: number;
  /** Seconds that a destroyed session keeps its id from being saved again. Default 300: longer than any request takes. */
  tombstone?: number;
  /** Whose session it is, from its values: for `list` and `revokeAll` of a store of `createMongoStore` on the same collection. */
  subject?: (values: object) => string | undefined;
}

/** As much of express-session's `Store` as is used here. */
export interface ExpressStore {
  /** See `EventEmitter.emit`. */
  emit(event: string, ...args: unknown[]): unknown;
  /** Makes `request.session` from what {@linkcode SidStore.get} gave. */
  createSession(request: object, session: object): object;
}

/** What both libraries keep in a session beside the application's values. */
export interface StoredSession {
  /** The session's cookie, as JSON has it. */
  cookie: {
    /** The cookie's age in milliseconds; `null` where it ends with the browser. */
    originalMaxAge: number | null;
  };
}

/**
 * The store as express-session and @fastify/session call it. `V` is what the application says its sessions hold. No method throws or gives a promise: a callback gets `null` or the
 * error, once. Without one, the outcome is not told.
 */
export interface SidStore<V extends object = StoredSession> {
  /** Gives the session of an id; `null` where there is none. */
  get(sid: string, callback: (error: unknown, session?: V | null) => void): void;
  /**
   * Stores a session. What it changed since it was loaded is merged into what other requests saved meanwhile. Where the
   * session has ended nothing is written, and that is no error: the option `onEvent` hears `gone`.
   */
  set(sid: string, session: object, callback?: (error?: unknown) => void): void;
  /** Ends the session; a save that comes late does not bring it back. Done where there is none. */
  destroy(sid: string, callback?: (error?: unknown) => void): void;
  /** Moves the expiry to where the session's cookie has it. Where the session has ended nothing is written. */
  touch(sid: string, session: object, callback?: (error?: unknown) => void): void;
  /** Gives every session, as a list: ids are not stored. Reads and decrypts the whole collection. */
  all(callback: (error: unknown, sessions?: V[] | null) => void): void;
  /** Gives the number of sessions. Reads and decrypts the whole collection. */
  length(callback: (error: unknown, length?: number) => void): void;
  /** Removes every session. Reads the whole collection. */
  clear(callback?: (error?: unknown) => void): void;
  /** Waits for what is under way. Your `MongoClient` stays yours to close. */
  close(): Promise<void>;
}

/**
 * A store for express-session on a MongoDB collection. Give it express-session's own `Store`, from which it inherits. Emits
 * what connect-mongo emits: `get`, `create`, `update`, `set`, `touch` and `destroy`, with the id. Checks the
 * keys, reaches the database and brings the indexes to what it needs, and rejects as `createMongoStore` does.
 *
 * @example
 * ```ts
 * import { generateKey } from "mongostore";
 * import { expressSessionStore } from "mongostore/express-session";
 * import express from "express";
 * import session from "express-session";
 *
 * const store = await expressSessionStore(session.Store, db.collection("sessions"), {
 *   keys: [process.env["SESSION_KEY"] ?? generateKey()],
 * });
 * const app = express();
 * app.use(session({ store, secret: "keyboard cat", resave: false, saveUninitialized: false }));
 * ```
 */
export async function expressSessionStore<S extends ExpressStore>(
  Store: abstract new () => S,
  collection: SessionCollection,
  options: SessionStoreOptions,
): Promise<S & SidStore> {
  const sessions = await openSessions(collection, options);
  const store: S = Reflect.construct(Store, []);
  const bases = new WeakMap<object, Snapshot>();
  const methods = methodsOf<StoredSession>(
    sessions,
    bases,
    (event, ...args) => store.emit(event, ...args),
  );
  const createSession = store.createSession.bind(store);
  return Object.assign(store, methods, {
    createSession(request: object, session: object): object {
      const base = bases.get(session);
      const created = createSession(request, session);
      if (base) bases.set(created, base);
      return created;
    },
  });
}

/**
 * A store for @fastify/session on a MongoDB collection. It needs no base class and emits nothing. Every loaded session has one
 * more key, `mongostore:loaded`, which holds a function that is never stored: it tells a save what the session began from.
 *
 * @example
 * ```ts
 * import { generateKey } from "mongostore";
 * import { fastifySessionStore } from "mongostore/express-session";
 * import fastifyCookie from "@fastify/cookie";
 * import fastifySession from "@fastify/session";
 * import fastify from "fastify";
 *
 * const app = fastify();
 * app.register(fastifyCookie);
 * app.register(fastifySession, {
 *   secret: "a secret of at least thirty-two characters",
 *   store: await fastifySessionStore(db.collection("sessions"), {
 *     keys: [process.env["SESSION_KEY"] ?? generateKey()],
 *   }),
 * });
 * ```
 */
export async function fastifySessionStore<V extends object = StoredSession>(
  collection: SessionCollection,
  options: SessionStoreOptions,
): Promise<SidStore<V>> {
  const sessions = await openSessions(collection, options);
  return methodsOf(sessions, new WeakMap(), undefined);
}

/** What a session that @fastify/session copies carries along. */
const MARK = "mongostore:loaded";
const DAY = 86_400;
/** As good as no limit: a century. */
const ENDLESS = 36_525 * DAY;

/** The sessions, and how long a call may take. */
interface Opened {
  readonly sessions: SidSessions;
  readonly call: () => { readonly deadline: number };
}

async function openSessions(
  collection: SessionCollection,
  options: SessionStoreOptions,
): Promise<Opened> {
  const { name = "connect.sid", maxAge = 14 * DAY, lifetime = ENDLESS, touchAfter = 0 } = options;
  const { ensureTTL = true, clock = systemClock, batch = true } = options;
  const emit = emitTo(options.onEvent);
  const plain = mongodbBackend(collection, { clock });
  const backend = batch === false ? plain : batched(plain, {
    ...(typeof batch === "object" ? batch : {}),
    clock,
    onBatch: (event) => emit({ type: "batch", ...event }),
  });
  const resolved = resolveOptions(backend, { ...options, name, maxAge, lifetime });
  const sessions = new SidSessions({
    ...resolved,
    name,
    maxAge: seconds("maxAge", maxAge) * 1000,
    touchAfter: seconds("touchAfter", touchAfter) * 1000,
    tombstone: seconds("tombstone", options.tombstone ?? 300) * 1000,
    subject: options.subject,
    check: undefined,
    emit,
  });
  const call = () => ({ deadline: clock.monotonic() + resolved.timeoutMS });
  await resolved.ready();
  await ensureIndexes(collection, { ttl: ensureTTL, clock }, call());
  return { sessions, call };
}

/** The methods of a store. With `emit` it is express-session's; without, sessions carry their mark. */
function methodsOf<V extends object>(
  { sessions, call }: Opened,
  bases: WeakMap<object, Snapshot>,
  emit: ((event: string, ...args: unknown[]) => unknown) | undefined,
): SidStore<V> {
  const typed = (values: object): V => Object(values); // as it was stored
  const tell = emit ?? (() => undefined);
  const baseOf = (session: object): Snapshot | undefined => {
    const mark: unknown = emit ? undefined : Reflect.get(session, MARK);
    return bases.get(session) ?? (typeof mark === "function" ? bases.get(mark) : undefined);
  };
  return {
    get(sid, callback) {
      answer(() => sessions.get(sid, call()), callback, (loaded) => {
        tell("get", sid);
        if (!loaded) return callback(null, null);
        const { values, base } = loaded;
        if (!emit) {
          const mark = () => undefined;
          bases.set(mark, base);
          Reflect.set(values, MARK, mark);
        }
        bases.set(values, base);
        callback(null, typed(values));
      });
    },
    set(sid, session, callback) {
      answer(() => sessions.set(sid, session, baseOf(session), call()), callback, (saved) => {
        if (saved.status !== "gone") {
          bases.set(session, saved.base);
          tell(saved.status === "created" ? "create" : "update", sid);
          tell("set", sid);
        }
        callback?.(null);
      });
    },
    destroy(sid, callback) {
      answer(() => sessions.destroy(sid, call()), callback, () => {
        tell("destroy", sid);
        callback?.(null);
      });
    },
    touch(sid, session, callback) {
      answer(() => sessions.touch(sid, session, baseOf(session), call()), callback, (touched) => {
        if ("base" in touched) {
          bases.set(session, touched.base);
          tell("touch", sid, session);
        }
        callback?.(null);
      });
    },
    all(callback) {
      answer(() => sessions.all(call), callback, (all) => callback(null, all.map(typed)));
    },
    length(callback) {
      answer(() => sessions.length(call), callback, (length) => callback(null, length));
    },
    clear(callback) {
      answer(() => sessions.clear(call), callback, () => callback?.(null));
    },
    close: () => sessions.close(call()),
  };
}

/** Calls back once, outside of any promise: what a callback throws is the caller's, not an outcome of the store. */
function answer<T>(
  work: () => Promise<T>,
  failed: ((error: unknown) => void) | undefined,
  done: (result: T) => void,
): void {
  // Async for what it throws; what it reads of the session, it reads now.
  const working = (async () => await work())();
  working.then(
    (result) => queueMicrotask(() => done(result)),
    (error: unknown) => queueMicrotask(() => failed?.(error)),
  );
}
