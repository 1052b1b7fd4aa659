import { RUNTIME } from "../support/runtime.ts";
import { type Handler, serverSuite } from "../support/server-suite.ts";

/** The little of Deno's namespace that is called here: the suite is also type-checked for the other runtimes. */
interface Serving {
  readonly addr: { readonly port: number };
  shutdown(): Promise<void>;
}

interface DenoNamespace {
  serve(
    options: { port: number; hostname: string; onListen: () => void },
    handler: Handler,
  ): Serving;
}

function isDeno(value: unknown): value is DenoNamespace {
  return typeof value === "object" && value !== null && "serve" in value;
}

const deno: unknown = Reflect.get(globalThis, "Deno");

if (RUNTIME === "deno" && isDeno(deno)) {
  serverSuite("Deno.serve", (handler) => {
    const options = { port: 0, hostname: "127.0.0.1", onListen: () => {} };
    const server = deno.serve(options, handler);
    return Promise.resolve({
      origin: `http://127.0.0.1:${server.addr.port}`,
      stop: () => server.shutdown(),
    });
  });
}
