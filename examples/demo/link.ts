import type { App } from "./app.ts";
import { html, route, seeOther } from "./html.ts";
import { layout } from "./layout.ts";
import type { Stores } from "./stores.ts";
import { deadLinkView, linkView, nothingHereView } from "./views.ts";

/** A link: the session travels in the URL. Short-lived, and never a login: URLs leak. */
export function linkHandler(
  { activity }: App,
  { links, query }: Stores,
): (request: Request) => Promise<Response> {
  const frame = { title: "A link", path: "/link", user: undefined, activity };
  return links.handle(async (request: Request, getSession) => {
    const session = await getSession();
    switch (route(request)) {
      case "POST /link": {
        session.values.visits = 0;
        // The save puts the token into this Location: /link?link=…
        return seeOther("/link");
      }
      case "GET /link": {
        if (session.isNew) return html(layout(frame, deadLinkView()), 404);
        await session.update((values) => {
          values.visits = (values.visits ?? 0) + 1;
        });
        const url = query.url("/link", session);
        return html(layout(frame, linkView(session.values.visits ?? 0, url)));
      }
      default:
        return html(layout(frame, nothingHereView()), 404);
    }
  });
}
