// SESSION_KEY=$(openssl rand -base64 32) bun examples/bun.ts
import { MongoClient } from "mongodb";
// In your own project: from "mongostore".
import { createMongoStore } from "#mongostore";

/** For the type checkers of the other runtimes; leave it out. */
declare const Bun: {
  serve(options: { fetch(request: Request): Promise<Response> }): { url: URL };
};

const { MONGODB_URI = "mongodb://127.0.0.1:27017", SESSION_KEY = "" } = process.env;

const client = new MongoClient(MONGODB_URI);
const sessions = await createMongoStore<{ visits: number }>(
  client.db("shop").collection("sessions"),
  { keys: [SESSION_KEY], maxAge: 3600 },
);

const server = Bun.serve({
  fetch: sessions.handle(async (_request, getSession) => {
    const session = await getSession();
    await session.update((values) => {
      values.visits = (values.visits ?? 0) + 1;
    });
    return new Response(`visits: ${session.values.visits}\n`);
  }),
});
console.log(server.url.href);
