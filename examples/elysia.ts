// SESSION_KEY=$(openssl rand -base64 32) bun examples/elysia.ts
import process from "node:process";
import { Elysia } from "elysia";
import { MongoClient } from "mongodb";
// In your own project: from "mongostore" and "mongostore/elysia".
import { createMongoStore } from "#mongostore";
import { elysiaSessions } from "#mongostore/elysia";

const { MONGODB_URI = "mongodb://127.0.0.1:27017", SESSION_KEY = "", PORT = "0" } = process.env;

const client = new MongoClient(MONGODB_URI);
const store = await createMongoStore<{ visits: number }>(
  client.db("shop").collection("sessions"),
  { keys: [SESSION_KEY], maxAge: 3600 },
);

const sessions = elysiaSessions(store);

const app = new Elysia()
  .use(sessions.plugin)
  .derive(sessions.derive)
  .get("/", async ({ session }) => {
    const own = await session();
    await own.update((values) => {
      values.visits = (values.visits ?? 0) + 1;
    });
    return `visits: ${own.values.visits}\n`;
  })
  .post("/logout", async ({ session, redirect }) => {
    await (await session()).destroy();
    return redirect("/");
  })
  .listen({ port: Number(PORT), hostname: "127.0.0.1" });
console.log(`http://127.0.0.1:${app.server?.port}/`);
