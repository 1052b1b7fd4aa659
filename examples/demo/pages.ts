import type { Session, Store } from "#mongostore";
import type { App } from "./app.ts";
import { add, countOf, priceOf, productOf, removeOne, takeAll } from "./cart.ts";
import type { Line } from "./cart.ts";
import { deviceOf } from "./device.ts";
import { exchange } from "./exchange.ts";
import type { Exchange } from "./exchange.ts";
import { html, route, seeOther } from "./html.ts";
import type { Markup } from "./html.ts";
import { layout } from "./layout.ts";
import { nameOf, signIn } from "./stores.ts";
import type { Stores, Values } from "./stores.ts";
import {
  activityView,
  apiView,
  cartView,
  devicesView,
  homeView,
  keysView,
  nothingHereView,
  signedOutView,
  signInFirstView,
} from "./views.ts";

type Handler = (request: Request) => Promise<Response>;

/** Pages: the session travels in a cookie. */
export function pageHandler(app: App, { pages }: Stores, api: Handler): Handler {
  const { activity, live, rotation } = app;

  return pages.handle(async (request: Request, getSession) => {
    const session = await getSession();
    const { user } = session.values;
    const url = new URL(request.url);
    const show = async (title: string, view: Markup, status = 200) => {
      // Of two tabs that load at once, one shows it.
      const flashes = session.isNew ? session.flashes() : await session.takeFlashes();
      const refresh = secondsIn(url.searchParams.get("refresh"));
      const frame = { title, path: url.pathname, user, flashes, activity, refresh };
      return html(layout(frame, view), status);
    };
    const logInFirst = (title: string) => show(title, signInFirstView(title), 403);

    switch (route(request)) {
      case "GET /": {
        // Counts right however many tabs load at once.
        await session.update((values) => {
          values.visits = (values.visits ?? 0) + 1;
        });
        return await show("Account", homeView(session));
      }
      case "POST /login": {
        const name = nameOf(await fieldIn(request, "user"));
        if (name === undefined) return seeOther("/");
        signIn(session, name, deviceOf(request));
        session.addFlash(`Welcome, ${name}. Your session has a new id.`);
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
      case "GET /signed-out": {
        // Another tab of this browser may have logged in again meanwhile.
        return user === undefined ? await show("Logged out", signedOutView()) : seeOther("/");
      }

      case "GET /cart": {
        return await show("Cart", cartView(session.values));
      }
      case "POST /cart/add": {
        const product = productOf(await fieldIn(request, "product"));
        if (product) await session.update((values) => add(values, product));
        return seeOther("/cart");
      }
      case "POST /cart/remove": {
        const product = productOf(await fieldIn(request, "product"));
        if (product) await session.update((values) => removeOne(values, product));
        return seeOther("/cart");
      }
      case "POST /cart/order": {
        let lines: Line[] = [];
        await session.update((values) => {
          lines = takeAll(values);
        });
        if (lines.length > 0) {
          session.addFlash(`Thank you: ${countOf(lines)} items for ${priceOf(lines)}.`);
        }
        return seeOther("/cart");
      }

      case "GET /devices": {
        if (user === undefined) return await logInFirst("Your devices");
        const sessions = await pages.list(user, 100);
        return await show("Your devices", devicesView(sessions, pages.handleOf(session)));
      }
      case "POST /devices/revoke": {
        if (user === undefined) return seeOther("/devices");
        const handle = await fieldIn(request, "handle");
        // With the subject, because the handle comes from a client: it ends this user's sessions only.
        const ended = handle !== undefined && await pages.revoke(handle, { subject: user });
        session.addFlash(ended ? "Logged out there." : "That session had ended already.");
        return seeOther("/devices");
      }
      case "POST /devices/revoke-others": {
        if (user === undefined) return seeOther("/devices");
        const count = await pages.revokeAll(user, { except: session });
        session.addFlash(`Logged out everywhere else: ${count}.`);
        return seeOther("/devices");
      }
      case "POST /devices/name": {
        const device = nameOf(await fieldIn(request, "device"));
        if (user !== undefined && device !== undefined) session.meta = { device };
        return seeOther("/devices");
      }

      case "GET /keys": {
        return await show("Keys", keysView(rotation));
      }
      case "POST /keys/rotate": {
        if (user === undefined) return await logInFirst("Keys");
        const began = rotation.rotate();
        session.addFlash(began ? "A new key is on its way." : "A rotation is running already.");
        return seeOther("/keys");
      }

      case "GET /activity": {
        return await show("Activity", activityView(activity, app.inMemory));
      }
      case "POST /activity/rush": {
        if (user === undefined) return await logInFirst("Activity");
        await rush(pages, url);
        session.addFlash("200 visitors came at once.");
        return seeOther("/activity");
      }
      case "GET /events": {
        // A page that was rendered for a user, whose session has ended since.
        const isOver = user === undefined && url.searchParams.has("signed-in");
        return live.open(request, (page) => {
          if (isOver) page.send("ended");
          if (isOver || session.isNew) return undefined;
          return pages.watch(session, (end) => {
            // Where the id was replaced, the browser asks again, with the new token.
            if (end !== "replaced") page.send("ended");
            page.end();
          });
        });
      }

      case "GET /api": {
        return await show("API", apiView(url, "", undefined));
      }
      case "POST /try/token": {
        const said = await exchange(api, new URL("/api/login", url), "POST", {
          body: { user: user ?? "guest" },
          userAgent: "The API page",
        });
        return await show("API", apiView(url, said.token ?? "", said));
      }
      case "POST /try/call": {
        const form = await request.formData().catch(() => undefined);
        const token = textIn(form?.get("token")) ?? "";
        const said = await callWith(api, url, token, textIn(form?.get("call")));
        if (!said) return seeOther("/api");
        return await show("API", apiView(url, said.token ?? token, said));
      }
      default:
        return await show("Nothing here", nothingHereView(), 404);
    }
  });
}

/** Calls the API as a program would that has the token. Undefined for a call that there is not. */
async function callWith(
  api: Handler,
  base: URL,
  token: string,
  call: string | undefined,
): Promise<Exchange | undefined> {
  const [method, path] = call?.split(" ") ?? [];
  if (path !== "/api/me" && path !== "/api/logout") return undefined;
  // A header holds no line breaks and the like; what a token may hold is for the store to judge.
  const sendable = token.replaceAll(/[^\x21-\x7e]/g, "");
  return await exchange(api, new URL(path, base), method ?? "GET", {
    token: sendable,
    userAgent: "The API page",
  });
}

/** Many new visitors at the same moment, to see what the batches make of it. They are gone after a minute. */
async function rush(pages: Store<Values>, url: URL): Promise<void> {
  await Promise.all(Array.from({ length: 200 }, async () => {
    const request = new Request(url.href);
    const session: Session<Values> = await pages.get(request);
    session.values.visits = 1;
    session.options.maxAge = 60;
    await pages.save(request, new Headers(), session);
  }));
}

async function fieldIn(request: Request, name: string): Promise<string | undefined> {
  const form = await request.formData().catch(() => undefined);
  return textIn(form?.get(name));
}

function textIn(field: unknown): string | undefined {
  return typeof field === "string" ? field : undefined;
}

function secondsIn(text: string | null): number | undefined {
  const seconds = Number(text);
  return Number.isInteger(seconds) && seconds >= 2 && seconds <= 60 ? seconds : undefined;
}
