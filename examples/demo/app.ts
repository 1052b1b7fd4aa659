import { readFile } from "node:fs/promises";
import type { Collection } from "mongodb";
import { generateKey, SessionGoneError } from "#mongostore";
import { Activity } from "./activity.ts";
import { apiHandler } from "./api.ts";
import { html, seeOther } from "./html.ts";
import { layout } from "./layout.ts";
import { linkHandler } from "./link.ts";
import { Live } from "./live.ts";
import { pageHandler } from "./pages.ts";
import { activityPart, rotationPart } from "./parts.ts";
import { Rotation } from "./rotation.ts";
import { storesIn } from "./stores.ts";
import type { Stores } from "./stores.ts";
import { troubleView } from "./views.ts";

/** What the handlers of the demo share. */
export interface App {
  readonly activity: Activity;
  readonly live: Live;
  readonly rotation: Rotation;
  /** True where there is no database. */
  readonly inMemory: boolean;
}

/** How the demo is set up. */
export interface DemoOptions {
  /** The secrets, newest first. Default: a new one, so that a restart ends every session. */
  readonly keys?: readonly string[];
}

/** The demo, without a server around it. */
export interface Demo {
  /** Answers a request. */
  fetch(request: Request): Promise<Response>;
  /** Ends the event streams, and waits for the saves under way. The client of the collection stays yours to close. */
  close(): Promise<void>;
}

const FILES = [
  ["/style.css", "text/css; charset=utf-8"],
  ["/page.js", "text/javascript; charset=utf-8"],
  ["/icon.svg", "image/svg+xml"],
] as const;

/** Makes the demo, with its sessions in the collection, or in this process where there is none. */
export async function createDemo(
  collection: Collection | undefined,
  options: DemoOptions = {},
): Promise<Demo> {
  const { keys = [generateKey()] } = options;
  const files = new Map<string, { text: string; type: string }>(
    await Promise.all(FILES.map(async ([path, type]) => {
      const text = await readFile(new URL(`.${path}`, import.meta.url), "utf8");
      return [path, { text, type }] as const;
    })),
  );

  const activity: Activity = new Activity(() => {
    live.change("recent");
    live.change("activity");
  });
  const live: Live = new Live({
    recent: () => activityPart(activity, 8),
    activity: () => activityPart(activity, 30),
    rotation: () => rotationPart(rotation),
  });
  const rotation: Rotation = await Rotation.begin({
    open: storesIn(collection, (event) => activity.record(event)),
    keys,
    count: async () => await collection?.estimatedDocumentCount(),
    onSwap: () => live.close(), // browsers ask again, and are answered by the new stores
    onChange: () => live.change("rotation"),
  });
  const app: App = { activity, live, rotation, inMemory: collection === undefined };
  let handlers: ReturnType<typeof handlersOf> | undefined;
  const answer = async (request: Request, pathname: string, stores: Stores) => {
    if (handlers?.stores !== stores) handlers = handlersOf(app, stores);
    if (pathname.startsWith("/api/")) return await handlers.api(request);
    if (pathname === "/link") return await handlers.link(request);
    return await handlers.page(request);
  };

  return {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const file = files.get(pathname);
      if (file) return new Response(file.text, { headers: { "Content-Type": file.type } });
      try {
        return await rotation.use((stores) => answer(request, pathname, stores));
      } catch (error) {
        // The session was ended elsewhere between this request's load and its update: the next request finds a new one.
        if (error instanceof SessionGoneError) {
          return seeOther(request.method === "GET" ? request.url : "/signed-out");
        }
        // An outage of the database throws (StoreUnavailableError); it never looks like "logged out".
        console.error(error);
        const frame = { title: "Something went wrong", path: pathname, user: undefined, activity };
        return html(layout(frame, troubleView()), 503);
      }
    },
    async close() {
      live.close();
      await rotation.close();
    },
  };
}

function handlersOf(app: App, stores: Stores) {
  const api = apiHandler(stores);
  return { stores, api, link: linkHandler(app, stores), page: pageHandler(app, stores, api) };
}
