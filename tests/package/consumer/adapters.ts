// What the adapters say of themselves needs no framework: only what Node has is at hand here.
import { createServer } from "node:http";
import { createMemoryStore } from "mongostore";
import { elysiaSessions } from "mongostore/elysia";
import { honoSessions } from "mongostore/hono";
import { nodeSessions } from "mongostore/node";
import { routerSessions } from "mongostore/react-router";
import type { RouterValues } from "mongostore/react-router";

interface Values {
  userId: string;
}

const keys = ["a-secret-that-has-at-least-32-bytes"];
const store = createMemoryStore<Values>({ keys });
const sessions = nodeSessions(store);

export const server = createServer(sessions.handle(async (request, response) => {
  const { values } = await sessions.get(request);
  values.userId ??= "42";
  // @ts-expect-error: userId is text
  values.userId = 42;
  response.end(values.userId);
}));
export const router = routerSessions<Values>(createMemoryStore<RouterValues<Values>>({ keys }));
export const plugins = [honoSessions(store), elysiaSessions(store).plugin];
