// SECURITY.md section 1, CSRF by cookie: what a page of another origin makes a browser send does not act with its session.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  CookieToken,
  createMemoryStore,
  CrossOriginError,
  firstOf,
  generateKey,
  HeaderToken,
  QueryToken,
} from "#mongostore";
import type { Transport } from "#mongostore";
import { rejection } from "../support/secrets.ts";

interface Values {
  n: number;
}

type Sent = Readonly<Record<string, string>>;

const HOST = "app.example";
const TRUSTED = "https://partner.example";
const SAFE = ["GET", "HEAD", "OPTIONS"];
const UNSAFE = ["POST", "PUT", "PATCH", "DELETE", "PROPFIND", "post", "get2"];

const OWN: readonly (readonly [title: string, sent: Sent])[] = [
  ["no word of where it comes from: no browser", {}],
  ["Sec-Fetch-Site: same-origin", { "sec-fetch-site": "same-origin" }],
  ["Sec-Fetch-Site: none, typed by the user", { "sec-fetch-site": "none" }],
  ["its own Origin, in a browser without Fetch Metadata", { origin: `https://${HOST}` }],
  ["its own Origin by another scheme: TLS ends before us", { origin: `http://${HOST}` }],
  ["a trusted Origin", { origin: TRUSTED }],
  ["a trusted Origin, cross-site", { origin: TRUSTED, "sec-fetch-site": "cross-site" }],
];

const FOREIGN: readonly (readonly [title: string, sent: Sent])[] = [
  ["Sec-Fetch-Site: cross-site", { "sec-fetch-site": "cross-site" }],
  ["Sec-Fetch-Site: same-site, another subdomain", { "sec-fetch-site": "same-site" }],
  ["a Sec-Fetch-Site that does not exist", { "sec-fetch-site": "same-origin, none" }],
  ["an empty Sec-Fetch-Site", { "sec-fetch-site": "" }],
  ["cross-site with an Origin that says otherwise", {
    origin: `https://${HOST}`,
    "sec-fetch-site": "cross-site",
  }],
  ["another Origin", { origin: "https://evil.example" }],
  ["the Origin of a subdomain", { origin: `https://www.${HOST}` }],
  ["the Origin of another port", { origin: `https://${HOST}:8443` }],
  ["an Origin that begins like ours", { origin: `https://${HOST}.evil.example` }],
  ["an Origin that begins like a trusted one", { origin: `${TRUSTED}.evil.example` }],
  ["an Origin that ends like ours", { origin: `https://evil-${HOST}` }],
  ["our host as userinfo", { origin: `https://${HOST}@evil.example` }],
  ["Origin: null, a sandboxed frame", { origin: "null" }],
  ["an Origin that is no URL", { origin: HOST }],
  ["an empty Origin", { origin: "" }],
];

const CHANNELS: readonly (readonly [
  title: string,
  transport: () => Transport,
  carry: (token: string) => { headers: Sent; query?: string },
  ambient: boolean,
])[] = [
  [
    "a cookie",
    () => new CookieToken(),
    (token) => ({ headers: { cookie: `session=${token}` } }),
    true,
  ],
  [
    "a cookie where a header could come too",
    () => firstOf(new HeaderToken(), new CookieToken()),
    (token) => ({ headers: { cookie: `session=${token}` } }),
    true,
  ],
  [
    "a header",
    () => new HeaderToken(),
    (token) => ({ headers: { authorization: `Bearer ${token}` } }),
    false,
  ],
  [
    "a header where a cookie could come too",
    () => firstOf(new CookieToken(), new HeaderToken()),
    (token) => ({ headers: { authorization: `Bearer ${token}` } }),
    false,
  ],
  [
    "the query",
    () => new QueryToken(),
    (token) => ({ headers: {}, query: `?session=${token}` }),
    false,
  ],
];

/** A store with a session whose n is 1, and a handler that counts it up. */
async function shop(token: Transport) {
  const store = createMemoryStore<Values>({
    keys: [generateKey()],
    token,
    trustedOrigins: [TRUSTED],
  });
  const request = new Request(`https://${HOST}/`);
  const session = await store.get(request);
  session.values.n = 1;
  await store.save(request, new Response(), session);
  const handler = store.handle<{ url: string; method: string; headers: Headers }>(
    async (_request, own) => {
      const { values } = await own();
      values.n = (values.n ?? 0) + 1;
      return new Response("changed");
    },
  );
  return { store, handler, token: session.token ?? "" };
}

describe("store.handle and requests of other origins", () => {
  for (const [title, transport, carry, ambient] of CHANNELS) {
    const outcome = ambient
      ? "unsafe ones of other origins are 403 and change nothing"
      : "all pass, for no browser adds it by itself";
    it(`every method, every origin, with the token in ${title}: ${outcome}`, async () => {
      const { store, handler, token } = await shop(transport());
      const { headers, query = "" } = carry(token);
      const send = (method: string, sent: Sent) =>
        handler({
          url: `https://${HOST}/${query}`,
          method,
          headers: new Headers({ host: HOST, ...headers, ...sent }),
        });
      let expected = 1;
      for (const method of [...SAFE, ...UNSAFE]) {
        for (const [origins, isForeign] of [[OWN, false], [FOREIGN, true]] as const) {
          for (const [from, sent] of origins) {
            const refused = ambient && isForeign && !SAFE.includes(method);
            const response = await send(method, sent);
            assert.equal(response.status, refused ? 403 : 200, `${method}: ${from}`);
            assert.equal(response.headers.has("set-cookie") && refused, false);
            if (!refused) expected++;
          }
        }
      }
      const look = await store.get({
        url: `https://${HOST}/${query}`,
        headers: new Headers(headers),
      });
      assert.equal(look.values.n, expected);
    });
  }

  it("by the URL where there is no Host header", async () => {
    const { handler, token } = await shop(new CookieToken());
    const send = async (origin: string) => {
      const headers = new Headers({ cookie: `session=${token}`, origin });
      return (await handler({ url: `https://${HOST}/`, method: "POST", headers })).status;
    };
    assert.deepEqual([await send(`https://${HOST}`), await send("https://evil.example")], [
      200,
      403,
    ]);
  });

  it("a request that does not say its method counts as one that changes things", async () => {
    const { store, token } = await shop(new CookieToken());
    const handler = store.handle<{ url: string; headers: Headers }>(async (_request, own) => {
      (await own()).values.n = 9;
      return new Response("changed");
    });
    const headers = new Headers({ cookie: `session=${token}`, "sec-fetch-site": "cross-site" });
    assert.equal((await handler({ url: `https://${HOST}/`, headers })).status, 403);
  });

  it("a visitor without a session is served, wherever the request comes from", async () => {
    const { handler } = await shop(new CookieToken());
    for (const cookie of ["", "session=forged"]) {
      const headers = new Headers({ host: HOST, cookie, "sec-fetch-site": "cross-site" });
      const response = await handler({ url: `https://${HOST}/`, method: "POST", headers });
      assert.equal(response.status, 200);
    }
  });

  it("a handler may answer itself: the getter throws CrossOriginError, which holds no token", async () => {
    const { store, token } = await shop(new CookieToken());
    const handler = store.handle(async (_request, own) => {
      await rejection(own, CrossOriginError, { token });
      return new Response("not from there", { status: 418 });
    });
    const headers = { cookie: `session=${token}`, "sec-fetch-site": "cross-site" };
    const request = new Request(`https://${HOST}/`, { method: "POST", headers });
    assert.equal((await handler(request)).status, 418);
  });

  it("trustedOrigins takes origins and nothing else", () => {
    for (
      const origin of [
        "app.example",
        "https://app.example/",
        "https://App.example",
        "*",
        "null",
        "",
      ]
    ) {
      assert.throws(
        () => createMemoryStore({ keys: [generateKey()], trustedOrigins: [origin] }),
        TypeError,
        origin,
      );
    }
  });
});
