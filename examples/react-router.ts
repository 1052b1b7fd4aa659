// SESSION_KEY=$(openssl rand -base64 32) node --import tsx examples/react-router.ts
import process from "node:process";
import { MongoClient } from "mongodb";
import { createStaticHandler, redirect } from "react-router";
import type { ActionFunctionArgs, LoaderFunctionArgs } from "react-router";
// In your own project: from "mongostore" and "mongostore/react-router".
import { createMongoStore } from "#mongostore";
import { routerSessions } from "#mongostore/react-router";
import type { RouterValues } from "#mongostore/react-router";
import { serve } from "./serve.ts";

interface Values {
  visits: number;
}

const { MONGODB_URI = "mongodb://127.0.0.1:27017", SESSION_KEY = "", PORT = "0" } = process.env;

const client = new MongoClient(MONGODB_URI);
const store = await createMongoStore<RouterValues<Values>>(
  client.db("shop").collection("sessions"),
  { keys: [SESSION_KEY], maxAge: 3600 },
);

const { getSession, commitSession, destroySession } = routerSessions<Values>(store);

// In an application built with React Router these two are exports of a route module.
async function loader({ request }: LoaderFunctionArgs): Promise<Response> {
  const session = await getSession(request.headers.get("Cookie"));
  await session.stored.update((values) => {
    values.visits = (values.visits ?? 0) + 1;
  });
  return new Response(`visits: ${session.get("visits")}\n`, {
    headers: { "Set-Cookie": await commitSession(session) },
  });
}

async function action({ request }: ActionFunctionArgs): Promise<Response> {
  const session = await getSession(request.headers.get("Cookie"));
  return redirect("/", { headers: { "Set-Cookie": await destroySession(session) } });
}

const handler = createStaticHandler([{ id: "home", path: "/", loader, action }]);
const { port } = await serve(Number(PORT), async (request) => {
  const response: unknown = await handler.queryRoute(request);
  return response instanceof Response ? response : new Response(null, { status: 404 });
});
console.log(`http://127.0.0.1:${port}/`);
