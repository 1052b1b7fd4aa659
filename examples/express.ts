// SESSION_KEY=$(openssl rand -base64 32) node --import tsx examples/express.ts
import process from "node:process";
import express from "express";
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

const app = express();
app.use(sessions.express);
app.get("/", async (request, response) => {
  const session = await sessions.get(request);
  await session.update((values) => {
    values.visits = (values.visits ?? 0) + 1;
  });
  response.send(`visits: ${session.values.visits}\n`);
});
app.post("/logout", async (request, response) => {
  await (await sessions.get(request)).destroy();
  response.redirect("/");
});

const server = app.listen(Number(PORT), "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`http://127.0.0.1:${address?.port}/`);
});
