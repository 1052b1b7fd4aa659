import { listenOnNode } from "../support/node-server.ts";
import { RUNTIME } from "../support/runtime.ts";
import type { Handler, Listening } from "../support/server-suite.ts";

/** A server of this runtime on a free port. */
export async function listen(handler: Handler, maxHeaderSize = 16_384): Promise<Listening> {
  if (RUNTIME === "node") return await listenOnNode(handler, { maxHeaderSize });
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
