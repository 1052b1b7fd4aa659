import type { Session, SessionInfo } from "#mongostore";
import type { Activity } from "./activity.ts";
import type { Exchange } from "./exchange.ts";
import { countOf, euros, linesOf, priceOf, PRODUCTS } from "./cart.ts";
import { labelOf } from "./device.ts";
import { markup } from "./html.ts";
import type { Markup } from "./html.ts";
import { activityPart, rotationPart } from "./parts.ts";
import type { Rotation } from "./rotation.ts";
import type { Values } from "./stores.ts";

export function homeView({ values, meta, createdAt, expiresAt }: Session<Values>): Markup {
  const { user, visits } = values;
  return markup`
<h1>Hello, ${user ?? "stranger"}</h1>
${user === undefined && signInForm()}
<section>
<h2>This session</h2>
<p>Visits in this session: <b>${visits ?? 0}</b></p>
<dl class="facts">
${user !== undefined && markup`<div><dt>Device</dt><dd>${labelOf(meta)}</dd></div>`}
${createdAt && markup`<div><dt>Began</dt><dd>${moment(createdAt)}</dd></div>`}
${expiresAt && markup`<div><dt>Ends, unless used</dt><dd>${moment(expiresAt)}</dd></div>`}
</dl>
</section>
<section>
<h2>Shown once</h2>
<p>A flash message waits in the session for the next page. Of two tabs, one shows it.</p>
<form method="post" action="/flash"><button>Leave a message for the next page</button></form>
</section>
<section>
<h2>A link that is a session</h2>
<p>For ten minutes, whoever has the link shares what is in it.</p>
<form method="post" action="/link"><button>Make a link that carries a session</button></form>
</section>`;
}

function signInForm(): Markup {
  return markup`
<section>
<h2>Log in</h2>
<p>Any name will do: there are no passwords here. What is in your cart stays in it.</p>
<form method="post" action="/login" class="inline">
<label>Name <input name="user" required maxlength="40" autocomplete="username"></label>
<button class="main">Log in</button>
</form>
</section>`;
}

export function signedOutView(): Markup {
  return markup`
<h1>You are logged out</h1>
<p>This session has ended: here, on another device, or because it was not used for an hour.</p>
${signInForm()}`;
}

export function signInFirstView(title: string): Markup {
  return markup`
<h1>${title}</h1>
<p>This page is for those who are logged in.</p>
${signInForm()}`;
}

export function cartView(values: Partial<Values>): Markup {
  const lines = linesOf(values);
  const count = countOf(lines);
  return markup`
<h1>Cart</h1>
<p>Open this page in two tabs and fill the cart from both, as fast as you can. Nothing is lost.</p>
<section>
<h2>Tea</h2>
<ul class="shelf">
${
    PRODUCTS.map(({ id, name, note, price }) =>
      markup`<li><div><b>${name}</b><span class="quiet">${note}</span></div><span class="price">${
        euros(price)
      }</span>
<form method="post" action="/cart/add" data-in-place><button name="product" value="${id}" aria-label="Add ${name}">Add</button></form></li>`
    )
  }
</ul>
<p id="trouble" role="alert"></p>
</section>
<section>
<h2>In your cart</h2>
<p id="count" role="status" data-fresh>${
    count === 0 ? "Nothing yet." : `${count} ${count === 1 ? "item" : "items"}, ${priceOf(lines)}`
  }</p>
<div id="lines" data-fresh>
${count > 0 && cartTable(lines)}
</div>
</section>`;
}

function cartTable(lines: ReturnType<typeof linesOf>): Markup {
  return markup`<table class="cart">
<thead><tr><th scope="col">Tea</th><th scope="col">Count</th><th scope="col">Price</th><td></td></tr></thead>
<tbody>
${
    lines.map(({ product, count }) =>
      markup`<tr><th scope="row">${product.name}</th><td>${count}</td><td>${
        euros(product.price * count)
      }</td><td><form method="post" action="/cart/remove"><button class="plain" name="product" value="${product.id}" aria-label="Remove one ${product.name}">Remove</button></form></td></tr>`
    )
  }
</tbody>
</table>
<form method="post" action="/cart/order"><button class="main">Order</button></form>`;
}

/** `own` is the handle of the session at hand. */
export function devicesView(sessions: readonly SessionInfo[], own: string | undefined): Markup {
  const others = sessions.filter(({ handle }) => handle !== own).length;
  return markup`
<h1>Your devices</h1>
<p>Everywhere you are logged in. What you log out ends at once: an open page notices within a second.</p>
<ul class="devices">
${sessions.map((session) => deviceItem(session, session.handle === own))}
</ul>
${
    others > 0 &&
    markup`<form method="post" action="/devices/revoke-others"><button>Log out everywhere but here</button></form>`
  }
<section>
<h2>Name this device</h2>
<form method="post" action="/devices/name" class="inline">
<label>Name <input name="device" required maxlength="40"></label>
<button>Rename</button>
</form>
</section>`;
}

function deviceItem(session: SessionInfo, isOwn: boolean): Markup {
  const { handle, name, meta, createdAt, modifiedAt } = session;
  const label = labelOf(meta);
  return markup`<li><div><b>${label}</b>${isOwn && markup` <span class="tag">This device</span>`}${
    name === "api" && markup` <span class="tag">API</span>`
  }
<span class="quiet">Since ${moment(createdAt)}, last written ${moment(modifiedAt)}</span></div>
${
    !isOwn &&
    markup`<form method="post" action="/devices/revoke"><button class="plain" name="handle" value="${handle}" aria-label="Log out ${label}, since ${
      clock(createdAt)
    }">Log out</button></form>`
  }</li>`;
}

export function keysView(rotation: Rotation): Markup {
  const running = rotation.status?.state === "running";
  return markup`
<h1>Keys</h1>
<p>Make a new key while everything runs. Nobody is logged out: sessions of older keys go on, and each token is made anew when its owner comes by.</p>
<form method="post" action="/keys/rotate"><button class="main">Rotate the key</button></form>
<section>
<h2>State</h2>
<div data-live="rotation">${rotationPart(rotation)}</div>
${running && markup`<noscript><p><a href="/keys">Look again</a></p></noscript>`}
</section>`;
}

export function activityView(activity: Activity, inMemory: boolean): Markup {
  return markup`
<h1>Activity</h1>
<p>What the stores of this process tell their <code>onEvent</code>: names, counts and times, never a secret.</p>
${
    inMemory &&
    markup`<p class="quiet">Sessions are kept in this process, which has no use for batches. Start with MongoDB to see them.</p>`
  }
<noscript><p>This page does not move by itself: <a href="/activity">load it again</a>, or <a href="/activity?refresh=5">every five seconds</a>.</p></noscript>
<form method="post" action="/activity/rush"><button>Send 200 visitors at once</button></form>
<section>
<h2>Now</h2>
<div data-live="activity">${activityPart(activity, 30)}</div>
</section>`;
}

/** `token` is what the page fills in for the next call. */
export function apiView(
  { origin }: URL,
  token: string,
  exchange: Exchange | undefined,
): Markup {
  return markup`
<h1>API</h1>
<p>The same sessions for programs: the token travels in <code>Authorization: Bearer</code>, and no cookie is involved.</p>
<form method="post" action="/try/token"><button class="main">Get a token</button></form>
${
    token !== "" &&
    markup`<section>
<h2>Use it</h2>
<form method="post" action="/try/call">
<label>Token <input name="token" value="${token}" required autocomplete="off" spellcheck="false" class="code"></label>
<p class="buttons"><button name="call" value="GET /api/me">GET /api/me</button>
<button name="call" value="POST /api/logout">POST /api/logout</button></p>
</form>
</section>`
  }
${
    exchange &&
    markup`<section>
<h2>What was said</h2>
<h3>Request</h3>
<pre tabindex="0">${exchange.sent}</pre>
<h3>Response</h3>
<pre tabindex="0">${exchange.received}</pre>
</section>`
  }
<section>
<h2>From a shell</h2>
<pre tabindex="0">curl -i -d '{"user":"ann"}' ${origin}/api/login
curl -H "Authorization: Bearer $TOKEN" ${origin}/api/me
curl -d '' -H "Authorization: Bearer $TOKEN" ${origin}/api/logout</pre>
</section>`;
}

export function linkView(visits: number, url: string): Markup {
  return markup`
<h1>A link that is a session</h1>
<p>This link was opened <b>${visits}</b> times, from whatever browser.</p>
<p><a href="${url}">The link</a> · <a href="/">Home</a></p>`;
}

export function deadLinkView(): Markup {
  return markup`
<h1>Nothing here</h1>
<p>This link does not work (any more). <a href="/">Home</a></p>`;
}

export function nothingHereView(): Markup {
  return markup`
<h1>Nothing here</h1>
<p>There is no such page. <a href="/">Home</a></p>`;
}

export function troubleView(): Markup {
  return markup`
<h1>Something went wrong</h1>
<p>Nobody was logged out. Please try again in a moment.</p>`;
}

function moment(time: Date): Markup {
  return markup`<time datetime="${time.toISOString()}">${time.toISOString().slice(0, 10)} ${
    clock(time)
  } UTC</time>`;
}

function clock(time: Date): string {
  return time.toISOString().slice(11, 16);
}
