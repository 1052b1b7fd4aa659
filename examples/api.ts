// An API for clients that keep their token themselves: apps, command lines, other servers. On any runtime:
//   SESSION_KEY=$(openssl rand -base64 32) node --import tsx examples/api.ts
import process from "node:process";
import { MongoClient } from "mongodb";
// In your own project: from "mongostore".
import { createMongoStore, HeaderToken } from "#mongostore";
import { serve } from "./serve.ts";

const { MONGODB_URI = "mongodb://127.0.0.1:27017", SESSION_KEY = "", PORT = "0" } = process.env;

const client = new MongoClient(MONGODB_URI);
const sessions = await createMongoStore<{ user: string }>(
  client.db("shop").collection("sessions"),
  { keys: [SESSION_KEY], maxAge: 3600, name: "api", token: new HeaderToken() },
);

const handler = sessions.handle(async (request: Request, getSession) => {
  const session = await getSession();
  switch (`${request.method} ${new URL(request.url).pathname}`) {
    case "POST /login":
      // Check a password here.
      session.values.user = "ann";
      session.regenerate();
      return Response.json({ ok: true }); // its header X-Session-Token holds the token
    case "GET /me":
      if (session.values.user === undefined) return new Response(null, { status: 401 });
      return Response.json({ user: session.values.user });
    case "POST /logout":
      await session.destroy();
      return Response.json({ ok: true });
    default:
      return new Response(null, { status: 404 });
  }
});

const { port } = await serve(Number(PORT), handler);
console.log(`http://127.0.0.1:${port}

TOKEN=$(curl -s -o /dev/null -w '%header{x-session-token}' -d '' http://127.0.0.1:${port}/login)
curl -H "Authorization: Bearer $TOKEN" http://127.0.0.1:${port}/me`);
