import { activityPart } from "./parts.ts";
import type { Activity } from "./activity.ts";
import { markup } from "./html.ts";
import type { Markup } from "./html.ts";

/** What stands around the content of a page. */
export interface Frame {
  readonly title: string;
  /** The path of the page, to mark it in the navigation. */
  readonly path: string;
  readonly user: string | undefined;
  /** Messages to be shown once. */
  readonly flashes?: readonly unknown[];
  readonly activity: Activity;
  /** Seconds until the browser is to load the page again, for those without script that ask for it. */
  readonly refresh?: number | undefined;
}

const NAVIGATION = [
  ["/", "Account"],
  ["/cart", "Cart"],
  ["/devices", "Devices"],
  ["/api", "API"],
  ["/keys", "Keys"],
  ["/activity", "Activity"],
] as const;

/** A whole page. */
export function layout(frame: Frame, content: Markup): Markup {
  const { title, path, user, flashes = [], activity, refresh } = frame;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${refresh !== undefined && markup`<meta http-equiv="refresh" content="${refresh}">`}
<title>${title} · mongostore demo</title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<script src="/page.js" type="module"></script>
</head>
<body${user !== undefined && markup` data-signed-in`}>
<a class="skip" href="#content">Skip to the content</a>
<header>
<div class="bar">
<a class="brand" href="/">mongostore <span>demo</span></a>
${
    user !== undefined &&
    markup`<form method="post" action="/logout" class="who"><span>${user}</span> <button class="plain">Log out</button></form>`
  }
</div>
<nav aria-label="Main">
<ul>
${
    NAVIGATION.map(([href, name]) =>
      markup`<li><a href="${href}"${href === path && markup` aria-current="page"`}>${name}</a></li>`
    )
  }
</ul>
</nav>
</header>
<div class="columns">
<main id="content">
${flashes.map((flash) => markup`<p class="flash" role="status">${flash}</p>\n`)}
${content}
</main>
${path !== "/activity" && panel(activity)}
</div>
<footer><p>Sessions in MongoDB. Everything here works without script; with it, pages keep themselves up to date.</p></footer>
</body>
</html>
`;
}

function panel(activity: Activity): Markup {
  return markup`<aside aria-labelledby="live">
<h2 id="live">Live</h2>
<div data-live="recent">${activityPart(activity, 8)}</div>
<p><a href="/activity">All activity</a></p>
</aside>`;
}
