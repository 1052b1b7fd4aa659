// A small shop on whatever runtime starts it. Three kinds of clients, one library:
//
//   /            pages, whose session travels in a cookie
//   /api/…       an API, whose session travels in the Authorization header
//   /link?link=… a page whose session travels in the link itself
//
// npm run demo                                       Bun, with a MongoDB of its own
// node scripts/demo.mjs --deno --memory --port=8000  Deno, without MongoDB, on port 8000
//
// MONGODB_URI  where sessions are kept; without it, in this process
// SESSION_KEY  the secret; without it a new one, and a restart ends every session
// PORT         0, the default, is any free one
//
// This file starts and stops it. demo/app.ts has the rest, and works without a server.
import process from "node:process";
import { MongoClient } from "mongodb";
import { createDemo } from "./demo/app.ts";
import { serve } from "./serve.ts";

const { MONGODB_URI, PORT = "0", SESSION_KEY } = process.env;

const client = MONGODB_URI === undefined ? undefined : new MongoClient(MONGODB_URI);
const demo = await createDemo(
  client?.db("demo").collection("sessions"),
  SESSION_KEY === undefined ? {} : { keys: [SESSION_KEY] },
);
const server = await serve(Number(PORT), (request) => demo.fetch(request));

const url = `http://127.0.0.1:${server.port}`;
console.log(`${url}

${
  client
    ? "Sessions are kept in MongoDB, in demo.sessions."
    : "Sessions are kept in this process: MONGODB_URI is not set."
}
Open the address in a browser, or paste this into a shell:

# Pages, with a cookie jar: visits count up, logging in replaces the cookie, the message shows once.
JAR=$(mktemp)
curl -s -b $JAR -c $JAR ${url}/
curl -s -b $JAR -c $JAR ${url}/
curl -s -L -b $JAR -c $JAR -d user=ann ${url}/login
curl -s -b $JAR -c $JAR ${url}/
curl -s -L -b $JAR -c $JAR -d '' ${url}/logout

# The API, with a token in a header. The last call is refused: the session has ended.
TOKEN=$(curl -s -o /dev/null -w '%header{x-session-token}' -d '{"user":"ann"}' ${url}/api/login)
curl -s -H "Authorization: Bearer $TOKEN" ${url}/api/me
curl -s -H "Authorization: Bearer $TOKEN" -d '' ${url}/api/logout
curl -s -H "Authorization: Bearer $TOKEN" ${url}/api/me

# A link that carries its session.
LINK=$(curl -s -o /dev/null -w '%{redirect_url}' -d '' ${url}/link)
curl -s "$LINK"
curl -s "$LINK"

Ctrl-C stops the server.`);

let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    stop().then(() => process.exit(0), (error: unknown) => {
      console.error(error);
      process.exit(1);
    });
  });
}

/** From the outside in: no new requests, then no streams and no saves under way, then no connections. */
async function stop(): Promise<void> {
  const closed = server.close(); // it waits for the streams, which the demo ends
  await demo.close();
  await closed;
  await client?.close();
}
