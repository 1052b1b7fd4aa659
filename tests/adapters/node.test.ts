// node:http, Express, Fastify and Koa behind one adapter, on whatever runtime serves node:http.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, describe, it } from "node:test";
import { setTimeout as wait } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import express from "express";
import type { Request, Response } from "express";
import fastify from "fastify";
import Koa from "koa";
import { createMemoryStore, generateKey } from "#mongostore";
import type { Store } from "#mongostore";
import { nodeSessions } from "#mongostore/node";
import type { NodeRequest, NodeSessions } from "#mongostore/node";
import { adapterContract } from "../contract/adapter.ts";
import type { Answer, Serving, Values } from "../contract/adapter.ts";
import { Counter, Outage, slowWrites } from "../support/backends.ts";
import { RUNTIME } from "../support/runtime.ts";
import { memoryPlace } from "../support/stores.ts";

async function listen(listener: RequestListener): Promise<Serving> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return {
    origin: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Answers by hand: every way of sending headers is one of the suite's. */
async function send(response: ServerResponse, answer: Answer): Promise<void> {
  switch (answer.kind) {
    case "text":
      response.end(answer.body);
      return;
    case "redirect":
      response.writeHead(303, { location: answer.to }).end();
      return;
    case "stream":
      response.setHeader("content-type", answer.type);
      response.flushHeaders();
      for await (const chunk of answer.chunks) response.write(chunk);
      response.end();
  }
}

adapterContract(`node:http on ${RUNTIME}`, ({ store, saveOnError, handle }) => {
  const sessions = nodeSessions(store, { saveOnError, onError: () => {} });
  return listen(sessions.handle(async (request: IncomingMessage, response: ServerResponse) => {
    const answer = await handle(request.url ?? "/", (name) => sessions.get(request, name));
    await send(response, answer);
  }));
});

adapterContract(`Express on ${RUNTIME}`, ({ store, saveOnError, handle }) => {
  const sessions = nodeSessions(store, { saveOnError });
  const app = express();
  app.set("env", "test"); // or it logs
  app.use(sessions.express);
  app.use(async (request, response) => {
    const answer = await handle(request.path, (name) => sessions.get(request, name));
    if (answer.kind === "text") response.send(answer.body);
    else if (answer.kind === "redirect") response.redirect(answer.to);
    else await pipeline(Readable.from(answer.chunks), response.type(answer.type));
  });
  return listen(app);
});

adapterContract(`Fastify on ${RUNTIME}`, async ({ store, saveOnError, handle }) => {
  const sessions = nodeSessions(store, { saveOnError });
  const app = fastify();
  app.addHook("onRequest", sessions.fastify);
  app.all("/*", async (request, reply) => {
    const answer = await handle(request.url, (name) => sessions.get(request, name));
    if (answer.kind === "text") return answer.body;
    if (answer.kind === "redirect") return reply.redirect(answer.to);
    return reply.type(answer.type).send(Readable.from(answer.chunks));
  });
  const origin = await app.listen({ port: 0, host: "127.0.0.1" });
  return { origin, stop: () => app.close() };
});

adapterContract(`Koa on ${RUNTIME}`, ({ store, saveOnError, handle }) => {
  const sessions = nodeSessions(store, { saveOnError });
  const app = new Koa();
  app.silent = true;
  app.use(sessions.koa);
  app.use(async (context) => {
    const answer = await handle(context.path, (name) => sessions.get(context, name));
    if (answer.kind === "text") context.body = answer.body;
    else if (answer.kind === "redirect") context.redirect(answer.to);
    else {
      context.type = answer.type;
      context.body = Readable.from(answer.chunks);
    }
  });
  const answer = app.callback();
  return listen((request, response) => void answer(request, response));
});

describe(`the bridge to node:http on ${RUNTIME}`, () => {
  const counter = new Counter();
  const outage = new Outage();
  let store: Store<Values>;
  let sessions: NodeSessions<Values>;
  let serving: Serving | undefined;
  let failed: () => void = () => {};
  let handler: (request: IncomingMessage, response: ServerResponse) => unknown;

  before(async () => {
    store = await memoryPlace().open<Values>(
      { cookie: { secure: false } },
      (backend) => outage.around(counter.around(slowWrites(backend))),
    );
    sessions = nodeSessions(store, { onError: () => failed() });
    serving = await listen(sessions.handle(
      (request: IncomingMessage, response: ServerResponse) => handler(request, response),
    ));
  });
  after(async () => await serving?.stop());

  /** Answers one request whose session was changed. */
  const answer = async (respond: (response: ServerResponse) => unknown) => {
    handler = async (request, response) => {
      (await sessions.get(request)).values.visits = 1;
      await respond(response);
    };
    return await fetch(serving?.origin ?? "");
  };
  const namesOf = (response: { headers: Headers }) =>
    response.headers.getSetCookie().map((cookie) => cookie.split("=", 1)[0] ?? "");

  const heads: readonly (readonly [what: string, head: (response: ServerResponse) => unknown])[] = [
    ["an object", (response) => response.writeHead(201, { "X-Own": "1", "Set-Cookie": "own=1" })],
    ["a list", (response) => response.writeHead(201, ["X-Own", "1", "Set-Cookie", "own=1"])],
    [
      "a message and an object",
      (response) => response.writeHead(201, "Made", { "X-Own": "1", "Set-Cookie": ["own=1"] }),
    ],
  ];
  for (const [what, head] of heads) {
    it(`what writeHead is given, as ${what}, leaves beside the session's cookie`, async () => {
      const received = await answer((response) => {
        head(response);
        response.end("made");
      });
      assert.deepEqual(
        [received.status, received.headers.get("x-own"), namesOf(received), await received.text()],
        [201, "1", ["own", "session"], "made"],
      );
    });
  }

  it("a body in one piece keeps its Content-Length", async () => {
    const received = await answer((response) => response.end("body"));
    assert.equal(received.headers.get("content-length"), "4");
    assert.equal(await received.text(), "body");
  });

  it("while the save is under way, the response says that it was sent and ended", async () => {
    const seen: boolean[] = [];
    const received = await answer((response) => {
      seen.push(response.headersSent, response.writableEnded);
      response.write("a");
      seen.push(response.headersSent, response.writableEnded);
      response.end("b");
      seen.push(response.headersSent, response.writableEnded);
    });
    assert.equal(await received.text(), "ab");
    assert.deepEqual(seen, [false, false, true, false, true, true]);
  });

  it("a writer that waits for drain is told to go on, and 4 MB arrive as they were sent", async () => {
    const sent = Array.from(
      { length: 64 },
      (_, i) => String.fromCharCode(97 + i % 26).repeat(65_536),
    );
    const received = await answer(async (response) => {
      for (const chunk of sent) if (!response.write(chunk)) await once(response, "drain");
      response.end();
    });
    assert.deepEqual(namesOf(received), ["session"]);
    assert.ok(await received.text() === sent.join(""), "the body differs");
  });

  it("a writer that waits for drain after each small piece is told to go on as well", async () => {
    const received = await answer(async (response) => {
      for (const chunk of "abc") if (!response.write(chunk)) await once(response, "drain");
      response.end();
    });
    assert.equal(await received.text(), "abc");
  });

  it("the callbacks of write and end are called", async () => {
    const called: string[] = [];
    const received = await answer((response) => {
      response.write("a", () => called.push("write"));
      response.end("b", () => called.push("end"));
    });
    assert.equal(await received.text(), "ab");
    for (let turn = 0; turn < 500 && called.length < 2; turn++) await wait(10);
    assert.deepEqual(called, ["write", "end"]);
  });

  it("where a stream's session cannot be saved, 503 is answered and what the handler goes on writing is dropped", async () => {
    let done: () => void = () => {};
    const written = new Promise<void>((resolve) => done = resolve);
    const received = await answer(async (response) => {
      outage.down = true;
      const failing = new Promise<void>((resolve) => failed = resolve);
      response.write("secret");
      await failing;
      for (let i = 0; i < 10; i++) response.write("secret");
      response.end("secret");
      done();
    });
    outage.down = false;
    assert.equal(received.status, 503);
    assert.deepEqual(namesOf(received), []);
    await written;
    assert.ok(!(await received.text()).includes("secret"));
    assert.equal((await answer((response) => response.end("on"))).status, 200);
  });

  it("who answers for a failed save can still ask for the session", async () => {
    const app = express();
    app.use(sessions.express);
    app.use(async (request: Request, response: Response) => {
      (await sessions.get(request)).values.visits = 7;
      outage.down = true;
      response.send("sent");
    });
    app.use(async (_error: unknown, request: Request, response: Response, _next: unknown) => {
      const { values } = await sessions.get(request);
      response.status(503).send(`failed at ${values.visits}`);
    });
    const failing = await listen(app);
    const received = await fetch(failing.origin);
    outage.down = false;
    assert.deepEqual([received.status, await received.text()], [503, "failed at 7"]);
    await failing.stop();
  });

  it("another store's session is saved with the rest", async () => {
    const other = createMemoryStore<Values>({ keys: [generateKey()], name: "other" });
    handler = async (request, response) => {
      (await sessions.get(request)).values.visits = 1;
      (await other.get(sessions.request(request))).values.visits = 1;
      response.end();
    };
    const response = await fetch(serving?.origin ?? "");
    assert.deepEqual(namesOf(response).toSorted(), ["other", "session"]);
  });

  it("a request whose sessions were not mounted is refused by name", async () => {
    const unmounted: NodeRequest = { headers: {}, socket: {} };
    await assert.rejects(sessions.get(unmounted), { name: "TypeError", message: /mount/ });
  });

  it("a static file of Express is no matter of the database", async () => {
    const app = express();
    app.use(sessions.express);
    app.use(express.static(fileURLToPath(new URL("../vectors", import.meta.url))));
    const files = await listen(app);
    const cookie = (await answer((response) => response.end())).headers.getSetCookie()[0] ?? "";
    const [loads, writes] = [counter.loads, counter.writes.length];
    const response = await fetch(`${files.origin}/id.json`, { headers: { cookie } });
    assert.equal(response.status, 200);
    assert.deepEqual([namesOf(response), typeof await response.json()], [[], "object"]);
    assert.deepEqual([counter.loads, counter.writes.length], [loads, writes]);
    await files.stop();
  });
});
