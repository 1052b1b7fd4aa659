// SESSION_KEY=$(openssl rand -base64 32) bun examples/hono.ts (or node --import tsx, or deno run --allow-net --allow-env --allow-sys)
import process from "node:process";
import { Hono } from "hono";
import { MongoClient } from "mongodb";
// In your own project: from "mongostore" and "mongostore/hono".
import { createMongoStore } from "#mongostore";
import { honoSessions } from "#mongostore/hono";
import type { HonoSessionVariables } from "#mongostore/hono";
import { serve } from "./serve.ts";

const { MONGODB_URI = "mongodb://127.0.0.1:27017", SESSION_KEY = "", PORT = "0" } = process.env;

const client = new MongoClient(MONGODB_URI);
const store = await createMongoStore<{ visits: number }>(
  client.db("shop").collection("sessions"),
  { keys: [SESSION_KEY], maxAge: 3600 },
);

const app = new Hono<{ Variables: HonoSessionVariables<{ visits: number }> }>();
app.use(honoSessions(store));
app.get("/", async (c) => {
  const session = await c.var.session();
  await session.update((values) => {
    values.visits = (values.visits ?? 0) + 1;
  });
  return c.text(`visits: ${session.values.visits}\n`);
});
app.post("/logout", async (c) => {
  await (await c.var.session()).destroy();
  return c.redirect("/");
});

const { port } = await serve(Number(PORT), app.fetch);
console.log(`http://127.0.0.1:${port}/`);
