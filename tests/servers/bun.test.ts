import { RUNTIME } from "../support/runtime.ts";
import { type Handler, serverSuite } from "../support/server-suite.ts";

/** The little of Bun's namespace that is called here: the suite is also type-checked for the other runtimes. */
interface Serving {
  readonly port: number;
  stop(closeActive: boolean): Promise<void> | void;
}

interface BunNamespace {
  serve(options: { port: number; hostname: string; fetch: Handler }): Serving;
}

function isBun(value: unknown): value is BunNamespace {
  return value !== null && value !== undefined && Reflect.has(Object(value), "serve");
}

const bun: unknown = Reflect.get(globalThis, "Bun");

if (RUNTIME === "bun" && isBun(bun)) {
  serverSuite("Bun.serve", (handler) => {
    const server = bun.serve({ port: 0, hostname: "127.0.0.1", fetch: handler });
    return Promise.resolve({
      origin: `http://127.0.0.1:${server.port}`,
      stop: async () => await server.stop(true),
    });
  });
}
