import { listenOnNode } from "../support/node-server.ts";
import { RUNTIME } from "../support/runtime.ts";
import { serverSuite } from "../support/server-suite.ts";

if (RUNTIME === "node") {
  serverSuite("node:http, by a bridge to Request and Response", listenOnNode);
}
