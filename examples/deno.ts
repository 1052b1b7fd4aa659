// SESSION_KEY=$(openssl rand -base64 32) deno run --allow-net --allow-env --allow-sys examples/deno.ts
import { MongoClient } from "mongodb";
// In your own project: from "mongostore".
import { createMongoStore } from "#mongostore";

/** For the type checkers of the other runtimes; leave it out. */
declare const Deno: {
  env: { get(name: string): string | undefined };
  serve(handler: (request: Request) => Promise<Response>): unknown;
};

const client = new MongoClient(Deno.env.get("MONGODB_URI") ?? "mongodb://127.0.0.1:27017");
const sessions = await createMongoStore<{ visits: number }>(
  client.db("shop").collection("sessions"),
  { keys: [Deno.env.get("SESSION_KEY") ?? ""], maxAge: 3600 },
);

Deno.serve(sessions.handle(async (_request, getSession) => {
  const session = await getSession();
  await session.update((values) => {
    values.visits = (values.visits ?? 0) + 1;
  });
  return new Response(`visits: ${session.values.visits}\n`);
}));
