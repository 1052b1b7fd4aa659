// The cases of the IETF's http-state group: what browsers make of Set-Cookie headers, and the cookies that they then send.
// scripts/published.mjs (npm run test:published) fetches them. Which cookies a browser keeps is the browser's part; ours are the
// headers that we write among theirs, and what we read out of what they send.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import test from "node:test";
import { Cookie, CookieJar } from "tough-cookie";
import { CookieToken } from "../../src/transport/cookie.ts";
import { isToken } from "../../src/transport/grammar.ts";
import type { RequestLike, SessionOptions } from "../../src/transport/transport.ts";
import { answerTo, defaults, tokensOf } from "../contract/transport.ts";

interface Case {
  readonly test: string;
  readonly received: readonly string[];
  readonly sent: readonly { readonly name: string; readonly value: string }[];
  readonly "sent-to"?: string;
}

const cases: readonly Case[] = JSON.parse(readFileSync(process.env["HTTP_STATE"] ?? "", "utf8"));
const transport = new CookieToken();
const TOKEN = "a-token_of.ours";
const HOST = "http://home.example.org";

function withCookie(url: string, cookie: string): RequestLike {
  return { url, headers: { get: (name) => name.toLowerCase() === "cookie" ? cookie : null } };
}

/** The Set-Cookie headers of a case as a response holds them; undefined where no `Headers` takes one of them. */
function received({ received: texts }: Case): Headers | undefined {
  const headers = new Headers();
  try {
    for (const text of texts) headers.append("set-cookie", text);
    return headers;
  } catch {
    return undefined;
  }
}

/** Adds a cookie of ours to the headers. */
function write(headers: Headers, name: string, options: Partial<SessionOptions> = {}): void {
  const answer = answerTo(withCookie(`${HOST}/`, ""), name);
  const all = { ...defaults, secure: false, maxAge: 0, ...options };
  transport.write(headers, TOKEN, { ...answer, options: all });
}

/** What a browser that got these headers sends there. */
function sentBy(headers: Headers, from: string, to: string): RequestLike {
  const jar = new CookieJar();
  for (const text of headers.getSetCookie()) jar.setCookieSync(text, from, { ignoreError: true });
  return withCookie(to, jar.getCookieStringSync(to));
}

function places(one: Case): { from: string; to: string } {
  const to = one["sent-to"] ?? `/cookie-parser-result?${one.test}`;
  return { from: `${HOST}/cookie-parser?${one.test}`, to: new URL(to, HOST).href };
}

/** The last attribute of this name in a Set-Cookie header, as it is written. */
function attribute(text: string, name: string): string | undefined {
  const pairs = text.split(";").slice(1).map((part) =>
    /^\s*([^=]*?)\s*(?:=\s*(.*?)\s*)?$/.exec(part)
  );
  const found = pairs.filter((pair) => pair?.[1]?.toLowerCase() === name).at(-1);
  return found ? found[2] ?? "" : undefined;
}

/** The names in a case that a session can have. */
function namesIn({ sent }: Case): string[] {
  return [...new Set(sent.map(({ name }) => name))].filter(isToken);
}

test("http-state: there are 222 cases", () => assert.equal(cases.length, 222));

test("http-state: each cookie that a browser sends is read by its name, with the value it was sent with", () => {
  let read = 0;
  for (const one of cases) {
    const header = one.sent.map(({ name, value }) => name ? `${name}=${value}` : value).join("; ");
    for (const name of namesIn(one)) {
      // No cookie at all is the same to us as an empty one; quotes around a value are its spelling (RFC 6265bis section 4.1.1).
      const values = one.sent.filter((cookie) => cookie.name === name)
        .map(({ value }) => /^"(.*)"$/.exec(value)?.[1] ?? value).filter(Boolean);
      const presented = transport.read(withCookie(HOST, header), name);
      assert.deepEqual(presented ? tokensOf(presented) : [], [...new Set(values)], one.test);
      read++;
    }
    assert.equal(transport.read(withCookie(HOST, header), "session"), undefined, one.test);
  }
  assert.equal(read, 142);
});

test("http-state: a session's cookie among theirs leaves them as they are, and comes back", () => {
  let wrote = 0;
  for (const one of cases) {
    const headers = received(one);
    if (!headers) continue;
    const { from } = places(one);
    const before = headers.getSetCookie();
    write(headers, "session");
    const after = headers.getSetCookie();
    assert.deepEqual(after.slice(0, -1), before, one.test);
    assert.deepEqual(tokensOf(transport.read(sentBy(headers, from, from), "session")), [TOKEN]);
    wrote++;
  }
  assert.equal(wrote, 216);
});

test("http-state: a session's cookie takes the place of every one that a browser gives its name", () => {
  let replaced = 0;
  for (const one of cases) {
    for (const name of namesIn(one)) {
      const headers = received(one);
      if (!headers) continue;
      const { from } = places(one);
      write(headers, name);
      const named = headers.getSetCookie().filter((text) => Cookie.parse(text)?.key === name);
      assert.equal(named.length, 1, one.test);
      assert.deepEqual(tokensOf(transport.read(sentBy(headers, from, from), name)), [TOKEN]);
      replaced++;
    }
  }
  assert.equal(replaced, 138);
});

test("http-state: with their paths and domains it is sent where theirs is sent, and nowhere else", () => {
  const counts = { sent: 0, withheld: 0 };
  for (const one of cases) {
    const [text = "", ...others] = one.received;
    // One cookie that lives: else more than its place decides.
    if (!Cookie.parse(text) || others.length > 0 || /expires|max-age|secure/i.test(text)) continue;
    const options = { path: attribute(text, "path") ?? "/", domain: attribute(text, "domain") };
    try {
      transport.check("session", { ...defaults, ...options });
    } catch {
      continue; // not a path or a domain that we would write
    }
    const headers = new Headers();
    write(headers, "session", options);
    const { from, to } = places(one);
    const isSent = transport.read(sentBy(headers, from, to), "session") !== undefined;
    assert.equal(isSent, one.sent.length > 0, `${one.test}: ${text}`);
    counts[isSent ? "sent" : "withheld"]++;
  }
  assert.deepEqual(counts, { sent: 89, withheld: 30 });
});
