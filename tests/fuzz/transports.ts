import assert from "node:assert/strict";
import * as fc from "fast-check";
import { isCrossOrigin } from "../../src/cross-origin.ts";
import { CookieToken } from "../../src/transport/cookie.ts";
import { firstOf } from "../../src/transport/first-of.ts";
import { HeaderToken } from "../../src/transport/header.ts";
import { QueryToken } from "../../src/transport/query.ts";
import type { Presented, RequestLike, Transport } from "../../src/transport/transport.ts";
import { answerTo } from "../contract/transport.ts";
import { edits, editText, mostly, rareEdits } from "./edits.ts";
import { type Target, target } from "./target.ts";

/** What a channel presents, without the channel: the tokens, nothing, or that it was refused. */
type Told = readonly string[] | "refused" | undefined;

function endOf(one: Told): string {
  return typeof one === "object" ? "tokens" : one ?? "nothing";
}

const B64TOKEN = /^[A-Za-z0-9\-._~+/]+=*$/;
const TCHAR = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]$/;

function told(presented: Presented | undefined): Told {
  if (!presented) return undefined;
  return "refused" in presented ? "refused" : presented.tokens;
}

/** Reads twice, and fails where the two differ or a reason quotes what was sent. */
function read(transport: Transport, request: RequestLike, name: string): Told {
  const first = transport.read(request, name);
  assert.deepEqual(told(transport.read(request, name)), told(first));
  if (first && "refused" in first) assert.match(first.refused, /^[a-z -:-]+$/i);
  return told(first);
}

function requestOf(
  fields: Readonly<Record<string, string>>,
  url = "https://app.example/",
): RequestLike {
  return { url, headers: { get: (name) => fields[name.toLowerCase()] ?? null } };
}

/** RFC 6265bis section 5.6 on a list of pairs, as SECURITY.md narrows it. */
function cookieValues(header: string, name: string): Told {
  const values = new Set<string>();
  for (const pair of header.split(";")) {
    const [key = "", ...rest] = pair.split("=");
    if (rest.length === 0 || trimmed(key) !== name) continue;
    const value = trimmed(rest.join("="));
    const quoted = value.length > 1 && value.startsWith('"') && value.endsWith('"');
    const bare = quoted ? value.slice(1, -1) : value;
    if (bare === "") continue;
    if (bare.length > 4096) return "refused";
    values.add(bare);
    if (values.size > 8) return "refused";
  }
  return values.size === 0 ? undefined : [...values];
}

function trimmed(text: string): string {
  return text.replace(/^[ \t]+/, "").replace(/[ \t]+$/, "");
}

function headerToken(value: string, scheme: string | null): Told {
  if (value === "") return undefined;
  let token = value;
  if (scheme !== null) {
    if (value.slice(0, scheme.length).toLowerCase() !== scheme.toLowerCase()) return undefined;
    token = value.slice(scheme.length);
    if (TCHAR.test(token.charAt(0))) return undefined;
    token = token.startsWith(" ") ? token.replace(/^ +/, "") : "";
  }
  return token.length <= 4096 && B64TOKEN.test(token) ? [token] : "refused";
}

const tokenText = fc.oneof(
  fc.stringMatching(/^[A-Za-z0-9\-._~+/]{1,20}={0,2}$/),
  fc.constantFrom("a", "b", "", "a".repeat(4096), "a".repeat(4097)),
  fc.string({ unit: "binary" }),
);
const cookieName = mostly(
  fc.constant("sid"),
  fc.constantFrom("__Host-sid", "s", "sid2", "SID", "%73id", ""),
);
const blank = mostly(fc.constantFrom("", " ", "\t", "  "), fc.constantFrom("\u00a0", "\v"));
const pair = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(
      blank,
      cookieName,
      blank,
      mostly(fc.constant("="), fc.constantFrom("", "==")),
      blank,
      tokenText,
      blank,
    )
      .map((parts) => parts.join("")),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(cookieName, tokenText).map(([name, text]) => `${name}="${text}"`),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }) },
);
const cookieHeader = fc.tuple(
  fc.array(pair, { maxLength: 14 }),
  mostly(fc.constantFrom("; ", ";"), fc.constantFrom(";;", ",")),
  rareEdits,
).map(([pairs, joint, changes]) => editText(pairs.join(joint), changes));

const authorization = fc.tuple(
  mostly(
    fc.constantFrom("Bearer", "bearer", "BEARER"),
    fc.constantFrom("Basic", "Bearer2", "Beare", ""),
  ),
  mostly(fc.constantFrom(" ", "   "), fc.constantFrom("", "\t", ", ", ":")),
  tokenText,
  mostly(fc.constant(""), fc.constantFrom(",", " ", ", Bearer b")),
  rareEdits,
).map(([scheme, space, token, tail, changes]) => editText(scheme + space + token + tail, changes));

const param = fc.oneof(
  fc.constantFrom("sid", "s d", "a&b", "é", "\ud800", "="),
  fc.string({ minLength: 1 }),
);
const urlText = fc.oneof(
  fc.webUrl({ withQueryParameters: true, withFragments: true }),
  fc.string({ unit: "binary" }),
  fc.tuple(fc.constantFrom("/", "?", "#", "https://app.example/?sid=a&sid=b", "/x?sid"), edits)
    .map(([url, changes]) => editText(url, changes)),
);
const query = fc.array(
  fc.tuple(
    mostly(fc.constantFrom("sid", "s%69d"), fc.constantFrom("x", "sid2", "")),
    mostly(fc.constant("="), fc.constant("")),
    tokenText.map((text) => encode(text)),
  ),
  { maxLength: 4 },
).map((pairs) => pairs.map((parts) => parts.join("")).join("&"));

function encode(text: string): string {
  return Array.from(text).map((character) =>
    /[\w.~+/-]/.test(character) ? character : percent(character)
  )
    .join("");
}

function percent(character: string): string {
  return [...new TextEncoder().encode(character)]
    .map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join("");
}

/** application/x-www-form-urlencoded, read by hand. */
function queryValues(text: string, name: string): readonly string[] {
  return text.split("&").filter(Boolean).flatMap((part) => {
    const [key = "", ...rest] = part.split("=");
    return unescaped(key) === name ? [unescaped(rest.join("="))] : [];
  });
}

function unescaped(text: string): string {
  const bytes = [...new TextEncoder().encode(text.replaceAll("+", " "))];
  const out: number[] = [];
  for (let i = 0; i < bytes.length; i++) {
    const hex = String.fromCharCode(bytes[i + 1] ?? 0, bytes[i + 2] ?? 0);
    const escaped = bytes[i] === 0x25 && /^[0-9a-f]{2}$/i.test(hex);
    out.push(escaped ? Number.parseInt(hex, 16) : bytes[i] ?? 0);
    if (escaped) i += 2;
  }
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(out));
}

/** Locations that a redirect may have: same origin, another one, and what browsers make of odd ones. */
const location = fc.tuple(
  fc.constantFrom(
    "",
    "/",
    "//",
    "/\\",
    "\\\\",
    "https:",
    "https:/",
    "http://app.example",
    "https://app.example",
    "https://app.example:443",
    "https://app.example.evil.example",
    "https://user@app.example",
    "https://relative.invalid",
    "//relative.invalid",
    "javascript:",
    "?",
    "#",
    ".",
  ),
  fc.constantFrom(
    "",
    "/",
    "evil.example",
    "@evil.example",
    "/a?b=c",
    "\\evil.example",
    ":80",
    "?sid=old#f",
  ),
  edits,
).map(([start, end, changes]) => editText(start + end, changes));

/** Origins with what is Latin-1 in a header and may have been UTF-8 where it came from. */
const latin1 = fc.string({
  unit: fc.integer({ min: 0x21, max: 0xff }).map((code) => String.fromCharCode(code)),
  maxLength: 3,
});
const originHeader = fc.tuple(
  fc.constantFrom("https://app.example", "http://app.example", "https://evil.example", "null", ""),
  mostly(fc.constantFrom("", ":443", ":8443", "/"), latin1),
  rareEdits,
).map(([start, end, changes]) => editText(start + end, changes));

/** Without URL.canParse, which Node 20 gets wrong for Latin-1 text once it is optimized. */
function hostOf(url: string, base?: string): string | undefined {
  try {
    return new URL(url, base).host;
  } catch {
    return undefined;
  }
}

const cookies = new CookieToken();
const headers = [
  { transport: new HeaderToken(), field: "authorization", scheme: "Bearer" },
  { transport: new HeaderToken({ header: "X-Session" }), field: "x-session", scheme: null },
  { transport: new HeaderToken({ scheme: "Token" }), field: "authorization", scheme: "Token" },
];

export const transportTargets: readonly Target[] = [
  target(
    { name: "cookie header", runs: 800, reaches: ["tokens", "nothing", "refused"] },
    fc.record({ header: cookieHeader, name: cookieName }),
    ({ header, name }) => {
      fc.pre(name !== "");
      const found = read(cookies, requestOf({ cookie: header }), name);
      assert.deepEqual(found, cookieValues(header, name));
      if (typeof found === "object") assert.ok(found.length <= 8);
      return endOf(found);
    },
  ),

  target(
    { name: "authorization header", runs: 600, reaches: ["tokens", "nothing", "refused"] },
    authorization,
    (value) => {
      for (const { transport, field, scheme } of headers) {
        const request = requestOf({ [field]: value });
        assert.deepEqual(read(transport, request, "sid"), headerToken(value, scheme));
      }
      return endOf(headerToken(value, "Bearer"));
    },
  ),

  target(
    { name: "query", runs: 400, reaches: ["tokens", "nothing", "refused"] },
    fc.record({ query, fragment: fc.constantFrom("", "#", "#?sid=a") }),
    (input) => {
      const url = `https://app.example/${
        input.query === "" ? "" : `?${input.query}`
      }${input.fragment}`;
      const [value, another] = queryValues(input.query, "sid");
      const expected = another !== undefined
        ? "refused"
        : !value
        ? undefined
        : value.length <= 4096 && B64TOKEN.test(value)
        ? [value]
        : "refused";
      assert.deepEqual(read(new QueryToken(), requestOf({}, url), "sid"), expected);
      return endOf(expected);
    },
  ),

  target(
    { name: "query of any URL", runs: 300, reaches: ["tokens"] },
    fc.record({ url: urlText, param }),
    ({ url, param: name }) => {
      const channel = new QueryToken({ param: name });
      read(channel, requestOf({}, url), "sid");
      const link = channel.url(url, { name: "sid", token: "a.token-~+/==" });
      assert.deepEqual(read(channel, requestOf({}, link), "sid"), ["a.token-~+/=="]);
      return "tokens";
    },
  ),

  target(
    { name: "redirects", runs: 500, reaches: ["carried", "not carried"] },
    location,
    (text) => {
      const channel = new QueryToken({ issue: "redirect" });
      const own = new Headers();
      try {
        own.set("location", text);
      } catch {
        return "no header"; // none holds this
      }
      const url = "https://app.example/login";
      channel.write(own, "the-token", { ...answerTo(requestOf({}, url), "sid"), status: 302 });
      const to = own.get("location") ?? "";
      if (!to.includes("the-token")) return "not carried";
      if (hostOf(to, url) === undefined) return "leads nowhere"; // nobody gets the token
      const { origin, username, password, searchParams } = new URL(to, url);
      assert.equal(origin, "https://app.example", "the token leaves its origin");
      assert.equal(username + password, "");
      const carried = searchParams.getAll("sid");
      assert.equal(carried.at(-1), "the-token");
      // URLs lose their tabs: one within the old parameter's name hides it from us. Two of them are refused at the next request.
      if (!text.includes("\t")) assert.equal(carried.length, 1);
      return "carried";
    },
  ),

  target(
    { name: "origin header", runs: 400, reaches: ["same", "cross"] },
    fc.record({ origin: originHeader, host: fc.option(fc.constantFrom("app.example", "x")) }),
    ({ origin, host }) => {
      const fields = { origin, ...(host === null ? {} : { host }) };
      const request = { ...requestOf(fields), method: "POST" };
      const expected = hostOf(origin) !== (host ?? "app.example");
      assert.equal(isCrossOrigin(request, new Set()), expected);
      assert.equal(isCrossOrigin(request, new Set([origin])), false);
      return expected ? "cross" : "same";
    },
  ),

  target(
    { name: "channels together", runs: 300, reaches: ["tokens", "nothing", "refused"] },
    fc.record({ cookie: cookieHeader, authorization, query }),
    (input) => {
      const [cookie, header, queries] = [new CookieToken(), new HeaderToken(), new QueryToken()];
      const channels = [cookie, header, queries] as const;
      const url = `https://app.example/?${input.query}`;
      const request = requestOf({ cookie: input.cookie, authorization: input.authorization }, url);
      const all = channels.map((channel) => told(channel.read(request, "sid"))).filter((one) =>
        one !== undefined
      );
      assert.deepEqual(read(firstOf(...channels, { prefer: "first" }), request, "sid"), all[0]);
      const tokens = new Set(all.flatMap((one) => one === "refused" ? [] : one));
      const refused = all.includes("refused") || (all.length > 1 && tokens.size > 1);
      const expected = refused ? "refused" : all[0];
      assert.deepEqual(read(firstOf(...channels), request, "sid"), expected);
      return endOf(expected);
    },
  ),
];
