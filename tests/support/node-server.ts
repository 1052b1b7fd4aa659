import { createServer } from "node:http";
import type { IncomingMessage, ServerOptions, ServerResponse } from "node:http";
import type { Handler, Listening } from "./server-suite.ts";

/** A server of node:http on a free port, with a bridge to the Web's `Request` and `Response`. */
export async function listenOnNode(
  handler: Handler,
  options: ServerOptions = {},
): Promise<Listening> {
  const server = createServer(options, (incoming, outgoing) => {
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
  const chunks: Uint8Array[] = [];
  for await (const chunk of incoming) if (chunk instanceof Uint8Array) chunks.push(chunk);
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(incoming.headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  const { method = "GET", url = "/" } = incoming;
  const body = chunks.length > 0
    ? await new Blob(chunks.map((c) => new Uint8Array(c))).text()
    : null;
  const request = new Request(`http://${headers.get("host")}${url}`, { method, headers, body });
  const response = await handler(request);
  outgoing.statusCode = response.status;
  for (const [name, value] of response.headers) {
    if (name !== "set-cookie") outgoing.setHeader(name, value);
  }
  outgoing.setHeader("set-cookie", response.headers.getSetCookie());
  outgoing.end(await response.text());
}
