import { CrossOriginError, StoreUnavailableError } from "../errors.ts";
import { askedBy, markAnswered } from "../registry.ts";
import { settle } from "../save-all.ts";
import type { Session } from "../session.ts";
import type { Store } from "../store.ts";
import type { RequestLike } from "../transport/transport.ts";

/** As much of an `http.IncomingMessage` as is used here. Those of Express fit. */
export interface NodeRequest {
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** Each field apart. Without it, what `headers` makes of repeated fields counts. */
  readonly headersDistinct?: Readonly<Record<string, string[] | undefined>>;
  readonly method?: string | undefined;
  readonly url?: string | undefined;
  /** The URL before a router took its own part off. */
  readonly originalUrl?: string | undefined;
  readonly socket: object;
}

/** As much of an `http.ServerResponse` as is used here. Those of Express fit. */
export interface NodeResponse {
  statusCode: number;
  statusMessage: string;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  getHeaders(): Readonly<Record<string, number | string | readonly string[] | undefined>>;
  setHeader(name: string, value: number | string | readonly string[]): unknown;
  removeHeader(name: string): void;
  writeHead(status: number, ...rest: unknown[]): unknown;
  flushHeaders(): void;
  write(chunk: unknown, ...rest: unknown[]): boolean;
  end(...args: unknown[]): unknown;
  destroy(error?: Error): unknown;
  emit(event: string): boolean;
}

/** What leads to a request: itself, Fastify's request, or Koa's context. */
export type NodeRequestSource =
  | NodeRequest
  | { readonly raw: NodeRequest }
  | { readonly req: NodeRequest };

/** How the sessions of a Node server are saved. */
export interface NodeSessionOptions {
  /** Save although the answer is 500 or above, or the handler threw. Default false. */
  saveOnError?: boolean;
  /** Hears, with `handle`, of what the handler threw and of failed saves. Default `console.error`. */
  onError?: (error: unknown) => void;
}

/** Sessions for the handlers of a Node server. */
export interface NodeSessions<V extends object> {
  /** For Express 5 and what takes its middleware: `app.use(sessions.express)`. A failed save goes to `next`. */
  readonly express: (
    request: NodeRequest,
    response: NodeResponse,
    next: (error?: unknown) => void,
  ) => void;
  /** For Fastify 5: `app.addHook("onRequest", sessions.fastify)`. A failed save goes to the error handler. */
  readonly fastify: (
    request: { readonly raw: NodeRequest },
    reply: { readonly raw: NodeResponse; send(payload: unknown): unknown },
  ) => Promise<void>;
  /** For Koa: `app.use(sessions.koa)`. A failed save goes to `ctx.onerror`. */
  readonly koa: (
    context: { readonly req: NodeRequest; readonly res: NodeResponse; onerror(error: Error): void },
    next: () => Promise<unknown>,
  ) => Promise<void>;
  /**
   * For `createServer` of `node:http`. What the handler throws, and a failed save, are answered: 403 to what a page of another
   * origin must not do, 503 in an outage, 500 else.
   */
  handle<Q extends NodeRequest, R extends NodeResponse>(
    handler: (request: Q, response: R) => unknown,
  ): (request: Q, response: R) => void;
  /**
   * The session of the request. Rejects as `store.get` does, with `CrossOriginError` for a session whose cookie a page of another
   * origin made the browser send, and with `TypeError` once the headers have left, or where the middleware was not mounted.
   */
  get(source: NodeRequestSource, name?: string): Promise<Session<V>>;
  /** The request as stores see it: `other.get(sessions.request(req))` is saved with the rest. */
  request(source: NodeRequestSource): RequestLike;
}

/**
 * Sessions for `node:http`, Express 5, Fastify 5 and Koa. Whatever writes the response, its headers wait until the sessions that
 * were asked for are saved; a request that asks for none is left alone. Once the headers have left, as in a stream, asking for a
 * session rejects; a session at hand can still `update` and `destroy`.
 *
 * @example
 * ```ts
 * import { once } from "node:events";
 * import { createServer } from "node:http";
 * import type { AddressInfo } from "node:net";
 * import { createMemoryStore, generateKey } from "mongostore";
 * import { nodeSessions } from "mongostore/node";
 *
 * const store = createMemoryStore<{ visits: number }>({ keys: [generateKey()] });
 * const sessions = nodeSessions(store);
 * const server = createServer(sessions.handle(async (request, response) => {
 *   const { values } = await sessions.get(request);
 *   values.visits = (values.visits ?? 0) + 1;
 *   response.end(`visits: ${values.visits}`);
 * }));
 * await once(server.listen(0, "127.0.0.1"), "listening");
 * ```
 */
export function nodeSessions<V extends object>(
  store: Store<V>,
  options: NodeSessionOptions = {},
): NodeSessions<V> {
  const { saveOnError = false, onError = console.error } = options;
  const attach = (request: NodeRequest, response: NodeResponse, fail: (error: Error) => void) => {
    const known = bridges.get(request);
    if (known) return known;
    const bridge = new Bridge(request, response, saveOnError, fail);
    bridges.set(request, bridge);
    return bridge;
  };
  return {
    express: (request, response, next) => {
      attach(request, response, next);
      next();
    },
    fastify: (request, reply) => {
      attach(request.raw, reply.raw, (error) => reply.send(error));
      return Promise.resolve();
    },
    koa: async (context, next) => {
      attach(context.req, context.res, (error) => context.onerror(error));
      await next();
    },
    handle: (handler) => (request, response) => {
      const fail = (thrown: unknown) => {
        onError(thrown);
        answerError(response, thrown);
      };
      const bridge = attach(request, response, fail);
      const run = async () => await handler(request, response);
      run().catch((thrown: unknown) => {
        if (!saveOnError) bridge.drop();
        fail(thrown);
      });
    },
    get: async (source, name) => {
      const bridge = bridgeOf(source);
      try {
        return await store.getter(bridge.request)(name);
      } catch (error) {
        if (error instanceof CrossOriginError) bridge.drop();
        throw withStatus(error);
      }
    },
    request: (source) => bridgeOf(source).request,
  };
}

const bridges = new WeakMap<object, Bridge>();

function bridgeOf(source: NodeRequestSource): Bridge {
  const request = "raw" in source ? source.raw : "req" in source ? source.req : source;
  const bridge = bridges.get(request);
  if (bridge) return bridge;
  throw new TypeError("this request has no sessions: mount the sessions before its handler");
}

/**
 * Stands before a response's methods. The first call that would send the headers begins the save; it and those that follow wait
 * in a queue, and are made in their order when the save is done.
 */
class Bridge {
  readonly request: RequestLike;
  readonly #response: NodeResponse;
  readonly #saveOnError: boolean;
  readonly #fail: (error: Error) => void;
  readonly #queue: (() => void)[] = [];
  /** After a failed save another answer takes the place of the handler's. */
  #phase: "before" | "saving" | "after" | "failed" = "before";
  #dropped = false;
  #ended = false;
  #owesDrain = false;

  constructor(
    request: NodeRequest,
    response: NodeResponse,
    saveOnError: boolean,
    fail: (error: Error) => void,
  ) {
    this.request = requestLike(request);
    this.#response = response;
    this.#saveOnError = saveOnError;
    this.#fail = fail;
    Object.assign(response, this.#methods(response));
  }

  /** Saves nothing: the request was refused, or its handler failed. */
  drop(): void {
    this.#dropped = true;
  }

  #methods(
    response: NodeResponse,
  ): Pick<NodeResponse, "writeHead" | "flushHeaders" | "write" | "end"> {
    const writeHead = response.writeHead.bind(response);
    const flushHeaders = response.flushHeaders.bind(response);
    const write = response.write.bind(response);
    const end = response.end.bind(response);
    return {
      writeHead: (status, ...rest) => {
        if (this.#phase === "after" || this.#phase === "failed") return writeHead(status, ...rest);
        if (this.#phase === "before") {
          applyHead(response, status, rest);
          if (!this.#waits()) return writeHead(status);
          this.#queue.push(() => writeHead(status));
        }
        return response;
      },
      flushHeaders: () => {
        if (this.#waits()) this.#queue.push(flushHeaders);
        else flushHeaders();
      },
      write: (chunk, ...rest) => {
        if (this.#isReplaced()) return false;
        if (!this.#waits()) return write(chunk, ...rest);
        this.#queue.push(() => this.#owesDrain = write(chunk, ...rest));
        return false;
      },
      end: (...args) => {
        if (this.#isReplaced()) return response;
        const waits = this.#waits();
        this.#ended = true;
        if (!waits) return end(...args);
        this.#queue.push(() => end(...args));
        return response;
      },
    };
  }

  /** Whether the handler goes on writing although an error was answered in its stead. */
  #isReplaced(): boolean {
    return this.#phase === "failed" && this.#ended;
  }

  /** Whether a call that sends something has to wait. The first one begins the save. */
  #waits(): boolean {
    if (this.#phase !== "before") return this.#phase === "saving";
    const failed = this.#response.statusCode >= 500 && !this.#saveOnError;
    if (askedBy(this.request).length === 0 || this.#dropped || failed) {
      this.#phase = "after";
      markAnswered(this.request, true);
      return false;
    }
    this.#phase = "saving";
    this.#save().catch((error: unknown) => this.#abandon(error));
    return true;
  }

  async #save(): Promise<void> {
    const response = this.#response;
    // Meanwhile whoever asks is told what would be true without us.
    Object.defineProperty(response, "headersSent", { configurable: true, get: () => true });
    Object.defineProperty(response, "writableEnded", {
      configurable: true,
      get: () => this.#ended,
    });
    try {
      const before = headersOf(response);
      const headers = new Headers(before);
      await settle(this.request, headers, response.statusCode);
      applyChanges(response, before, headers);
    } finally {
      Reflect.deleteProperty(response, "headersSent");
      Reflect.deleteProperty(response, "writableEnded");
    }
    this.#phase = "after";
    for (const call of this.#queue.splice(0)) call();
    if (this.#owesDrain && !this.#ended) response.emit("drain");
  }

  #abandon(thrown: unknown): void {
    const error = asError(withStatus(thrown));
    if (this.#response.headersSent) {
      this.#response.destroy(error);
      return;
    }
    this.#phase = "failed";
    this.#ended = false;
    for (const name of ["content-length", "content-encoding", "etag", "last-modified"]) {
      this.#response.removeHeader(name);
    }
    this.#response.statusCode = 200;
    this.#fail(error);
  }
}

function requestLike(request: NodeRequest): RequestLike {
  const { headers, headersDistinct, method } = request;
  const get = (name: string) => {
    const key = name.toLowerCase();
    const value = headersDistinct?.[key] ?? headers[key];
    return typeof value === "object" ? value.join(key === "cookie" ? "; " : ", ") : value ?? null;
  };
  const scheme = "encrypted" in request.socket ? "https" : "http";
  const host = get("host") ?? get(":authority") ?? "localhost";
  const path = request.originalUrl ?? request.url ?? "/";
  return {
    headers: { get },
    url: path.startsWith("/") ? `${scheme}://${host}${path}` : path,
    ...(method === undefined ? {} : { method }),
  };
}

/** What `writeHead(status, message?, headers?)` says, put where `getHeaders` finds it. */
function applyHead(response: NodeResponse, status: number, rest: readonly unknown[]): void {
  const [first, second] = rest;
  response.statusCode = status;
  if (typeof first === "string") response.statusMessage = first;
  for (const [name, value] of fieldsOf(typeof first === "string" ? second : first)) {
    response.setHeader(name, value);
  }
}

/** Node takes an object, a flat list of names and values, or a list of pairs. */
function fieldsOf(headers: unknown): Map<string, HeaderValue> {
  const fields = new Map<string, HeaderValue>();
  if (typeof headers !== "object" || headers === null) return fields;
  if (!Array.isArray(headers)) return new Map(Object.entries(headers));
  const list: readonly unknown[] = headers.flat();
  for (let i = 0; i + 1 < list.length; i += 2) {
    const [name, value] = [String(list[i]).toLowerCase(), String(list[i + 1])];
    const known = fields.get(name);
    fields.set(name, known === undefined ? value : [...[known].flat().map(String), value]);
  }
  return fields;
}

type HeaderValue = number | string | readonly string[];

function headersOf(response: NodeResponse): Headers {
  const headers = new Headers();
  for (const [name, value = []] of Object.entries(response.getHeaders())) {
    for (const one of [value].flat()) headers.append(name, String(one));
  }
  return headers;
}

/** Sets what a save changed, and nothing else: the rest stays as the handler wrote it. */
function applyChanges(response: NodeResponse, before: Headers, after: Headers): void {
  for (const [name, value] of after) {
    if (name === "set-cookie") response.setHeader(name, after.getSetCookie());
    else if (value !== before.get(name)) response.setHeader(name, value);
  }
  for (const name of new Set(before.keys())) {
    if (!after.has(name)) response.removeHeader(name);
  }
}

/** Express, Fastify and Koa answer with the status that an error has. */
function withStatus(error: unknown): unknown {
  const status = statusOf(error);
  if (status === 500 || !(error instanceof Error)) return error;
  return Object.assign(error, { status, statusCode: status });
}

function statusOf(error: unknown): number {
  if (error instanceof CrossOriginError) return 403;
  return error instanceof StoreUnavailableError ? 503 : 500;
}

function answerError(response: NodeResponse, error: unknown): void {
  if (response.writableEnded) return;
  if (response.headersSent) {
    response.destroy();
    return;
  }
  response.statusCode = statusOf(error);
  response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(error instanceof CrossOriginError ? error.message : "the request failed");
}

function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error("the save failed", { cause: thrown });
}
