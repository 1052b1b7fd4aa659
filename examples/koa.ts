// SESSION_KEY=$(openssl rand -base64 32) node --import tsx examples/koa.ts
import process from "node:process";
import Koa from "koa";
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

const app = new Koa();
app.use(sessions.koa);
app.use(async (context) => {
  const session = await sessions.get(context);
  switch (`${context.method} ${context.path}`) {
    case "GET /":
      await session.update((values) => {
        values.visits = (values.visits ?? 0) + 1;
      });
      context.body = `visits: ${session.values.visits}\n`;
      break;
    case "POST /logout":
      await session.destroy();
      context.redirect("/");
  }
});

const server = app.listen(Number(PORT), "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object") console.log(`http://127.0.0.1:${address?.port}/`);
});
