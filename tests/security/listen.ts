import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { RUNTIME } from "../support/runtime.ts";
import type { Handler, Listening } from "../support/server-suite.ts";

/** A server of this runtime on a free port; on Node with a bridge that carries headers and no bodies. */
export async function listen(handler: Handler, maxHeaderSize = 16_384): Promise<Listening> {
  if (RUNTIME === "node") return await listenOnNode(handler, maxHeaderSize);
  const host: unknown = Reflect.get(globalThis, RUNTIME === "bun" ? "Bun" : "Deno");
  const server = RUNTIME === "bun"
    ? call(host, "serve", { port: 0, hostname: "127.0.0.1", fetch: handler })
    : call(host, "serve", { port: 0, hostname: "127.0.0.1", onListen: () => {} }, handler);
  const place: unknown = RUNTIME === "bun" ? server : Reflect.get(Object(server), "addr");
  return {
    origin: `http://127.0.0.1:${String(Reflect.get(Object(place), "port"))}`,
    stop: async () => {
      await (RUNTIME === "bun" ? call(server, "stop", true) : call(server, "shutdown"));
    },
  };
}

function call(target: unknown, method: string, ...args: readonly unknown[]): unknown {
  const found: unknown = Reflect.get(Object(target), method);
  if (typeof found !== "function") throw new TypeError(`there is no ${method}`);
  return Reflect.apply(found, target, args);
}

async function listenOnNode(handler: Handler, maxHeaderSize: number): Promise<Listening> {
  const server = createServer({ maxHeaderSize }, (incoming, outgoing) => {
    bridge(handler, incoming, outgoing).catch(() => outgoing.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it listens on no port");
  return {
    origin: `http://127.0.0.1:${address.port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bridge(handler: Handler, incoming: IncomingMessage, outgoing: ServerResponse) {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const url = `http://${headers.get("host")}${incoming.url ?? "/"}`;
  const response = await handler(new Request(url, { headers }));
  outgoing.statusCode = response.status;
  outgoing.setHeader("set-cookie", response.headers.getSetCookie());
  outgoing.end(await response.text());
}
