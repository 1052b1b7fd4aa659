import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Readable } from "node:stream";

/** A handler of Web-standard requests: what `Bun.serve` and `Deno.serve` take. */
export type Handler = (request: Request) => Response | Promise<Response>;

/** A server that listens. */
export interface Server {
  readonly port: number;
  /** Takes no new requests and waits for those under way. */
  close(): Promise<void>;
}

/** As much of each runtime's server as is used here. */
interface Runtimes {
  /** What every runtime has: without anything in common, `globalThis` is no such object to the compiler. */
  Request: unknown;
  Bun?: {
    serve(options: { hostname: string; port: number; fetch: Handler }): {
      port?: number | undefined;
      stop(): Promise<void>;
    };
  };
  Deno?: {
    serve(
      options: { hostname: string; port: number; onListen: () => void },
      handler: Handler,
    ): { addr: object; shutdown(): Promise<void> };
  };
}

/** Serves on this host's loopback with the server of the runtime at hand: Bun, Deno or Node. Port 0 is any free one. */
export async function serve(port: number, handler: Handler): Promise<Server> {
  const hostname = "127.0.0.1";
  const { Bun, Deno }: Runtimes = globalThis;
  if (Bun) {
    const server = Bun.serve({ hostname, port, fetch: handler });
    return { port: server.port ?? port, close: () => server.stop() };
  }
  if (Deno) {
    const server = Deno.serve({ hostname, port, onListen: () => {} }, handler);
    return { port: portOf(server.addr), close: () => server.shutdown() };
  }
  const server = createServer((incoming, outgoing) => {
    answer(incoming, outgoing, handler).catch((error: unknown) => {
      console.error(error);
      if (!outgoing.headersSent) outgoing.writeHead(500);
      outgoing.end();
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject).listen(port, hostname, resolve);
  });
  return {
    port: portOf(server.address()),
    close: () =>
      new Promise((resolve, reject) => {
        server.close((error) => error ? reject(error) : resolve());
      }),
  };
}

/** The bridge from `node:http`: makes a `Request`, and sends what the handler answers. */
async function answer(
  incoming: IncomingMessage,
  outgoing: ServerResponse,
  handler: Handler,
): Promise<void> {
  const headers = new Headers();
  for (const [name, values] of Object.entries(incoming.headersDistinct)) {
    for (const value of values ?? []) headers.append(name, value);
  }
  const method = incoming.method ?? "GET";
  const bodyless = method === "GET" || method === "HEAD";
  const request = new Request(
    `http://${headers.get("host") ?? "localhost"}${incoming.url ?? "/"}`,
    {
      method,
      headers,
      ...(bodyless ? {} : { body: Readable.toWeb(incoming), duplex: "half" }),
    },
  );
  const response = await handler(request);
  // `entries` gives each Set-Cookie apart; `setHeader` would keep only the last.
  for (const [name, value] of response.headers) outgoing.appendHeader(name, value);
  outgoing.writeHead(response.status);
  outgoing.flushHeaders(); // a stream of events may have nothing to say yet
  if (response.body) await send(response.body, outgoing);
  outgoing.end();
}

/** Sends a body as fast as the client reads, and cancels it where the client leaves. */
async function send(body: ReadableStream<Uint8Array>, outgoing: ServerResponse): Promise<void> {
  const reader = body.getReader();
  const leave = () => void reader.cancel().catch(() => {});
  outgoing.once("close", leave);
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    if (!outgoing.write(value) && !outgoing.closed) {
      await new Promise<void>((resolve) => {
        outgoing.once("drain", resolve).once("close", resolve);
      });
    }
  }
  outgoing.off("close", leave);
}

function portOf(address: unknown): number {
  if (typeof address === "object" && address && "port" in address) return Number(address.port);
  throw new TypeError("the server does not listen on a port");
}
