// Runs the modules named on its command line, one after the other, in the runtime it was started with.
// Prints a line of JSON for each: { module, error? }. A server that a module starts gets a port of the
// system's choice and one request, which it has to answer with a status below 500.
import { once } from "node:events";
import { Server } from "node:net";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { provide, withdraw } from "./prelude.ts";

const MODULE_TIMEOUT = 20_000;

interface Started {
  url: string | Promise<string>;
  stop: () => unknown;
}

type Options = Record<string, unknown>;

/** As much of Bun and Deno as is replaced here; each exists in its own runtime only. */
interface Runtimes {
  Bun?: { serve: (options: Options) => { url: URL; stop: (force: boolean) => unknown } };
  Deno?: {
    serve: (options: Options, handler?: unknown) => { addr: AddressInfo; shutdown: () => unknown };
  };
}

const servers: Started[] = [];
watchServers();
for (const module of process.argv.slice(2)) {
  let error: string | undefined;
  try {
    await provide();
    await Promise.race([exercise(module), giveUp()]);
  } catch (thrown) {
    error = thrown instanceof Error ? thrown.stack ?? thrown.message : String(thrown);
  } finally {
    await withdraw();
  }
  console.log(JSON.stringify({ module, error }));
}
process.exit();

async function exercise(module: string): Promise<void> {
  await import(pathToFileURL(module).href);
  for (const server of servers.splice(0)) {
    const response = await fetch(await server.url, { redirect: "manual" });
    await response.arrayBuffer();
    await server.stop();
    if (response.status >= 500) throw new Error(`its server answers with ${response.status}`);
  }
}

async function giveUp(): Promise<never> {
  await new Promise((resolve) => setTimeout(resolve, MODULE_TIMEOUT).unref());
  throw new Error(`it does not end within ${MODULE_TIMEOUT} ms`);
}

/** Whatever starts a server from now on gets port 0, and its server is put into `servers`. */
function watchServers(): void {
  const { Bun, Deno } = globalThis as unknown as Runtimes;
  if (Bun) {
    const { serve } = Bun;
    Bun.serve = (options) => {
      const server = serve({ ...options, port: 0 });
      servers.push({ url: server.url.href, stop: () => server.stop(true) });
      return server;
    };
  } else if (Deno) {
    const { serve } = Deno;
    Deno.serve = (...args: unknown[]) => {
      const handler = args.find((arg) => typeof arg === "function");
      const options = args.find((arg) => typeof arg === "object") as Options | undefined;
      const server = serve({ ...options, port: 0 }, handler);
      servers.push({ url: localUrl(server.addr), stop: () => server.shutdown() });
      return server;
    };
  } else {
    const { listen } = Server.prototype; // oxlint-disable-line typescript/unbound-method -- see below
    Server.prototype.listen = function (this: Server, ...args: unknown[]): Server {
      const url = once(this, "listening").then(() => localUrl(this.address() as AddressInfo));
      servers.push({ url, stop: () => this.close() });
      const callback = args.find((arg) => typeof arg === "function") as (() => void) | undefined;
      return listen.call(this, 0, callback);
    };
  }
}

function localUrl({ port }: AddressInfo): string {
  return `http://127.0.0.1:${port}/`;
}
