// A small server on whatever runtime starts it. Three kinds of clients, one library:
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
import process from "node:process";
import { MongoClient } from "mongodb";
// In your own project: from "mongostore".
import {
  createMemoryStore,
  createMongoStore,
  generateKey,
  HeaderToken,
  QueryToken,
  SessionGoneError,
} from "#mongostore";
import type { Session, StoreOptions } from "#mongostore";
import { serve } from "./serve.ts";

/** What the sessions hold. */
interface Values {
  user: string;
  visits: number;
}

const { MONGODB_URI, PORT = "0", SESSION_KEY = generateKey() } = process.env;

// ---- The stores: one a kind of client, all in one collection. ----

const client = MONGODB_URI === undefined ? undefined : new MongoClient(MONGODB_URI);

function open(options: Omit<StoreOptions<Values>, "keys">) {
  const all = { keys: [SESSION_KEY], maxAge: 3600, lifetime: 86_400, ...options };
  if (!client) return createMemoryStore<Values>(all);
  return createMongoStore<Values>(client.db("demo").collection("sessions"), all);
}

const pages = await open({
  name: "page",
  // Only because this demo speaks plain http on loopback, where not every browser keeps a Secure cookie (Safari does
  // not). Leave `secure` out in production: the default is true.
  cookie: { secure: false },
  // Requests that are under way while `regenerate` replaces the token still find the session.
  grace: 10,
});
const api = await open({ name: "api", token: new HeaderToken() });
const query = new QueryToken({ issue: "redirect" });
const links = await open({ name: "link", token: query, maxAge: 600 });

// ---- Pages: the session travels in a cookie. ----

const page = pages.handle(async (request: Request, getSession) => {
  const session = await getSession();
  switch (route(request)) {
    case "GET /": {
      // Counts right however many tabs load at once.
      await session.update((values) => {
        values.visits = (values.visits ?? 0) + 1;
      });
      // Of two tabs that load at once, one shows it.
      return html(home(session, await session.takeFlashes()));
    }
    case "POST /login": {
      const form = await request.formData().catch(() => undefined);
      const user = nameOf(form?.get("user"));
      if (user === undefined) return seeOther("/");
      signIn(session, request, user);
      session.addFlash(`Welcome, ${user}. Your session has a new id.`);
      return seeOther("/");
    }
    case "POST /flash": {
      session.addFlash("This message is shown once.");
      return seeOther("/");
    }
    case "POST /logout": {
      // The record is gone before the answer leaves; the cookie is cleared by it.
      await session.destroy();
      return seeOther("/");
    }
    default:
      return html(markup`<p>There is no such page. <a href="/">Home</a>`, 404);
  }
});

/** The same for every kind of client. A new id, because whoever knew the old token must not become the user. */
function signIn(session: Session<Values>, request: Request, user: string): void {
  session.values.user = user;
  session.subject = user;
  session.meta = { device: request.headers.get("user-agent")?.slice(0, 200) ?? "unknown" };
  session.regenerate();
}

function home({ values }: Session<Values>, flashes: readonly unknown[]): Markup {
  return markup`
<h1>Hello, ${values.user ?? "stranger"}</h1>
${flashes.map((flash) => markup`<p role="status">${flash}</p>\n`)}
<p>Visits in this session: <b>${values.visits}</b></p>
${
    values.user === undefined
      ? markup`<form method="post" action="/login"><label>Name <input name="user" required maxlength="40"></label> <button>Log in</button></form>`
      : markup`<form method="post" action="/logout"><button>Log out</button></form>`
  }
<form method="post" action="/flash"><button>Leave a message for the next page</button></form>
<form method="post" action="/link"><button>Make a link that carries a session</button></form>`;
}

// ---- The API: the session travels in a header. ----

const apiCall = api.handle(async (request: Request, getSession) => {
  const session = await getSession();
  switch (route(request)) {
    case "POST /api/login": {
      const user = await userIn(request);
      if (user === undefined) return json({ error: "NO_USER" }, 400);
      signIn(session, request, user);
      // The token itself goes out in the X-Session-Token header.
      return json({ user });
    }
    case "GET /api/me": {
      if (session.values.user === undefined) {
        const answer = json({ error: session.error?.code ?? "NO_TOKEN" }, 401);
        answer.headers.set("WWW-Authenticate", "Bearer");
        return answer;
      }
      await session.update((values) => {
        values.visits = (values.visits ?? 0) + 1;
      });
      return json(session.values);
    }
    case "POST /api/logout": {
      await session.destroy();
      return json({ user: null });
    }
    default:
      return json({ error: "NO_SUCH_CALL" }, 404);
  }
});

/** The `user` of a JSON body; undefined for anything else. */
async function userIn(request: Request): Promise<string | undefined> {
  const body: unknown = await request.json().catch(() => undefined);
  return typeof body === "object" && body !== null && "user" in body
    ? nameOf(body.user)
    : undefined;
}

// ---- A link: the session travels in the URL. Short-lived, and never a login: URLs leak. ----

const link = links.handle(async (request: Request, getSession) => {
  const session = await getSession();
  switch (route(request)) {
    case "POST /link": {
      session.values.visits = 0;
      // The save puts the token into this Location: /link?link=…
      return seeOther("/link");
    }
    case "GET /link": {
      if (session.isNew) {
        return html(markup`<p>This link does not work (any more). <a href="/">Home</a>`, 404);
      }
      await session.update((values) => {
        values.visits = (values.visits ?? 0) + 1;
      });
      return html(markup`
<p>This link was opened <b>${session.values.visits}</b> times, from whatever browser.</p>
<p><a href="${query.url("/link", session)}">The link</a> · <a href="/">Home</a></p>`);
    }
    default:
      return html(markup`<p>There is no such page. <a href="/">Home</a>`, 404);
  }
});

// ---- The server. ----

const server = await serve(Number(PORT), async (request) => {
  const { pathname } = new URL(request.url);
  try {
    if (pathname.startsWith("/api/")) return await apiCall(request);
    if (pathname === "/link") return await link(request);
    return await page(request);
  } catch (error) {
    // The session was ended elsewhere between this request's load and its update: the next request finds a new one.
    if (error instanceof SessionGoneError && request.method === "GET") return seeOther(request.url);
    // An outage of the database throws (StoreUnavailableError); it never looks like "logged out".
    console.error(error);
    return new Response("Something went wrong. Please try again.\n", { status: 503 });
  }
});

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

/** From the outside in: no new requests, then no saves under way, then no connections. */
async function stop(): Promise<void> {
  await server.close();
  await Promise.all([pages.close(), api.close(), links.close()]);
  await client?.close();
}

// ---- Responses and HTML. ----

function route({ method, url: address }: Request): string {
  return `${method === "HEAD" ? "GET" : method} ${new URL(address).pathname}`;
}

/** 303: the browser asks for the page with GET, and a reload sends nothing twice. */
function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { Location: location } });
}

function json(value: unknown, status = 200): Response {
  const text = `${JSON.stringify(value)}\n`;
  return new Response(text, { status, headers: { "Content-Type": "application/json" } });
}

/** A name as a user may give it; undefined for anything else. */
function nameOf(input: unknown): string | undefined {
  const name = typeof input === "string" ? input.trim().slice(0, 40) : "";
  return name === "" ? undefined : name;
}

/** Text that is HTML already. */
class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Escapes all that is put into it but other markup. */
function markup(parts: TemplateStringsArray, ...inserts: readonly unknown[]): Markup {
  const texts = inserts.map((insert) => [insert].flat().map(textOf).join(""));
  return new Markup(String.raw({ raw: parts }, ...texts));
}

function textOf(insert: unknown): string {
  if (insert instanceof Markup) return insert.text;
  const text = typeof insert === "string" ? insert : JSON.stringify(insert ?? null);
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

function html(body: Markup, status = 200): Response {
  const text = `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>mongostore demo</title>
${body.text}
</html>
`;
  return new Response(text, {
    status,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    },
  });
}
