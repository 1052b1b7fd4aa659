import type { Server } from "node:http";
import type { SidStore } from "#mongostore/express-session";

type Callback<T> = (error: unknown, result?: T) => void;

/** What a method calls back with, as a promise. */
function promised<T>(run: (callback: Callback<T>) => void): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    run((error, result) => error ? reject(error) : resolve(result));
  });
}

/** The methods of a store as promises. */
export function promisedStore(store: SidStore): {
  get(sid: string): Promise<object | null | undefined>;
  set(sid: string, session: object): Promise<unknown>;
  touch(sid: string, session: object): Promise<unknown>;
  destroy(sid: string): Promise<unknown>;
  all(): Promise<object[] | null | undefined>;
  length(): Promise<number | undefined>;
  clear(): Promise<unknown>;
} {
  return {
    get: (sid) => promised<object | null>((done) => store.get(sid, done)),
    set: (sid, session) => promised((done) => store.set(sid, session, done)),
    touch: (sid, session) => promised((done) => store.touch(sid, session, done)),
    destroy: (sid) => promised((done) => store.destroy(sid, done)),
    all: () => promised<object[] | null>((done) => store.all(done)),
    length: () => promised<number>((done) => store.length(done)),
    clear: () => promised((done) => store.clear(done)),
  };
}

/** The origin of a server of node:http, once it listens on a port of the system's choice. */
export async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on no port");
  return `http://127.0.0.1:${address.port}`;
}

/** Ends a server and its connections. */
export function stopped(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** A browser with one cookie. */
export class Visitor {
  readonly #origin: string;
  /** The cookie it sends, as `name=value`. */
  cookie: string | undefined;

  constructor(origin: string, cookie?: string) {
    this.#origin = origin;
    this.cookie = cookie;
  }

  /** Asks for a page; keeps the cookie that comes with it. */
  async get(
    path = "/",
  ): Promise<{ status: number; text: string; setCookie: string | undefined }> {
    const headers = this.cookie === undefined ? {} : { cookie: this.cookie };
    const response = await fetch(`${this.#origin}${path}`, { headers });
    const [setCookie] = response.headers.getSetCookie();
    if (setCookie !== undefined) this.cookie = setCookie.split(";")[0];
    return { status: response.status, text: await response.text(), setCookie };
  }

  /** The id in a cookie of express-session or @fastify/session. */
  get sid(): string {
    const value = decodeURIComponent(this.cookie?.split("=")[1] ?? "");
    return value.replace(/^s:/, "").split(".")[0] ?? "";
  }
}

/** Waits until the condition holds; fails after ten seconds. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_000; tries++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error("it did not come to pass");
}
