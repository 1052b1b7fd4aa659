// SESSION_KEY=$(openssl rand -base64 32) node --import tsx examples/fastify.ts
import process from "node:process";
import fastify from "fastify";
import { MongoClient } from "mongodb";
// In your own project: from "mongostore" and "mongostore/node".
import { createMongoStore } from "#mongostore";
import { nodeSessions } from "#mongostore/node";

const { MONGODB_URI = "mongodb://127.0.0.1:27017", SESSION_KEY = "", PORT = "0" } = process.env;

const client = new MongoClient(MONGODB_URI);
const store = await createMongoStore<{ visits: number }>(
  client.db("shop").collection("sessions"),
  { keys: [SESSION_KEY], maxAge: 3600 },
);

const sessions = nodeSessions(store);

const app = fastify();
app.addHook("onRequest", sessions.fastify);
app.get("/", async (request) => {
  const session = await sessions.get(request);
  await session.update((values) => {
    values.visits = (values.visits ?? 0) + 1;
  });
  return `visits: ${session.values.visits}\n`;
});
app.post("/logout", async (request, reply) => {
  await (await sessions.get(request)).destroy();
  return reply.redirect("/");
});

const address = await app.listen({ port: Number(PORT), host: "127.0.0.1" });
console.log(`${address}/`);
