// What pages do with script, beside what they do without: they keep themselves up to date, they leave when their session has
// ended, and the cart is filled without loading the page anew. Modern browsers run it as it is.

const signedIn = "signedIn" in document.body.dataset;
let source;

// Only a page that is looked at listens: a browser opens no more than six connections to a server.
function listen() {
  if (document.hidden) {
    source?.close();
    source = undefined;
  } else {
    source ??= connect();
  }
}

function connect() {
  const events = new EventSource(signedIn ? "/events?signed-in" : "/events");
  for (const part of document.querySelectorAll("[data-live]")) {
    events.addEventListener(part.dataset.live, ({ data }) => {
      part.innerHTML = data; // the same that the server puts into the page; all that is not its own is escaped
    });
  }
  events.addEventListener("ended", () => {
    events.close();
    location.replace("/signed-out");
  });
  return events;
}

document.addEventListener("visibilitychange", listen);
addEventListener("pagehide", () => source?.close());
// A page that comes back from the browser's cache may be out of date.
addEventListener("pageshow", ({ persisted }) => persisted && location.reload());
listen();

// ---- The cart. ----

const tabs = new BroadcastChannel("cart");
const trouble = document.querySelector("#trouble");
let underWay = 0;
let asked = 0;

for (const form of document.querySelectorAll("form[data-in-place]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const body = new URLSearchParams(new FormData(form, event.submitter));
    void send(form.action, body);
  });
}

async function send(url, body) {
  underWay++;
  try {
    // The answer to a post leads to the page; one look is enough after many posts.
    const response = await fetch(url, { method: "POST", body, redirect: "manual" });
    const done = response.type === "opaqueredirect";
    trouble.textContent = done ? "" : "That did not work. Please try again.";
  } catch {
    trouble.textContent = "The server cannot be reached. Please try again.";
  }
  underWay--;
  if (underWay === 0) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel stays within its origin
    tabs.postMessage("changed");
    await showFresh();
  }
}

/** Takes what may have changed from a fresh copy of the page. */
async function showFresh() {
  const look = ++asked;
  const response = await fetch("/cart");
  if (new URL(response.url).pathname !== "/cart") return location.replace(response.url);
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  if (look !== asked) return; // a later look is under way
  for (const part of document.querySelectorAll("[data-fresh]")) {
    part.replaceChildren(...fresh.querySelector(`#${part.id}`).childNodes);
  }
}

tabs.addEventListener("message", () => {
  if (trouble) void showFresh();
});
