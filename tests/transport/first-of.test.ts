import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CookieToken } from "../../src/transport/cookie.ts";
import { firstOf } from "../../src/transport/first-of.ts";
import { HeaderToken } from "../../src/transport/header.ts";
import { QueryToken } from "../../src/transport/query.ts";
import type { RequestLike, Transport } from "../../src/transport/transport.ts";
import {
  answerTo,
  defaults,
  refusalOf,
  tokensOf,
  type TransportClient,
  transportContract,
} from "../contract/transport.ts";

const site = "https://app.example/";
const cookie = new CookieToken();
const header = new HeaderToken();
const query = new QueryToken();

interface Sent {
  cookie?: string;
  authorization?: string;
  query?: string;
}

function sent(what: Sent): RequestLike {
  const fields = new Map(Object.entries(what));
  return {
    url: site + (what.query ?? ""),
    headers: { get: (name) => fields.get(name.toLowerCase()) ?? null },
  };
}

function channelOf(transport: Transport, request: RequestLike): Transport | undefined {
  return transport.read(request, "sid")?.channel;
}

/** The least of a cookie jar. */
function browser(): TransportClient {
  const jar = new Map<string, string>();
  return {
    response: () => new Headers(),
    receive(headers) {
      for (const line of headers.getSetCookie()) {
        const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        if (line.includes("Max-Age=0")) jar.delete(name);
        else jar.set(name, value);
      }
    },
    request: () => sent({ cookie: [...jar].map((pair) => pair.join("=")).join("; ") }),
  };
}

const hostile = [
  sent({ cookie: "sid=" + "x".repeat(1 << 20), authorization: "Bearer ," }),
  sent({ cookie: "sid=a; sid=b", authorization: "Bearer a" }),
  sent({ cookie: ";;;", authorization: "Bearer", query: "?sid&sid&sid" }),
];

transportContract("firstOf", () => firstOf(cookie, header, query), {
  client: browser,
  hostile: () => hostile,
});

transportContract(
  "firstOf in firstOf",
  () => firstOf(firstOf(cookie, header), query, { prefer: "first" }),
  {
    client: browser,
    hostile: () => hostile,
  },
);

describe("firstOf", () => {
  const both = firstOf(cookie, header);
  const prefers = firstOf(cookie, header, { prefer: "first" });

  it("names the channel that the request used", () => {
    const nested = firstOf(firstOf(cookie, header), query);
    assert.equal(channelOf(nested, sent({ cookie: "sid=a" })), cookie);
    assert.equal(channelOf(nested, sent({ authorization: "Bearer a" })), header);
    assert.equal(channelOf(nested, sent({ query: "?sid=a" })), query);
    assert.equal(channelOf(nested, sent({})), undefined);
  });

  it("accepts the same token on two channels, as the first one's", () => {
    const request = sent({ cookie: "sid=a", authorization: "Bearer a" });
    const presented = both.read(request, "sid");
    assert.deepEqual(tokensOf(presented), ["a"]);
    assert.equal(presented?.channel, cookie);
  });

  it("refuses different tokens on two channels", () => {
    const request = sent({ cookie: "sid=a", authorization: "Bearer b" });
    const presented = both.read(request, "sid");
    assert.equal(refusalOf(presented), "two channels present different tokens");
    assert.equal(presented?.channel, cookie);
    refusalOf(both.read(sent({ cookie: "sid=a; sid=b", authorization: "Bearer a" }), "sid"));
    refusalOf(both.read(sent({ cookie: "sid=a,b", authorization: "Bearer a" }), "sid"));
    const nested = firstOf(firstOf(cookie, header), query);
    refusalOf(nested.read(sent({ authorization: "Bearer b", query: "?sid=a" }), "sid"));
  });

  it("leaves several cookies alone where no other channel is used", () => {
    assert.deepEqual(tokensOf(both.read(sent({ cookie: "sid=a; sid=b" }), "sid")), ["a", "b"]);
  });

  it("refuses what any channel refuses", () => {
    refusalOf(both.read(sent({ cookie: "sid=a", authorization: "Bearer a, b" }), "sid"));
    const long = "sid=" + "x".repeat(4097);
    refusalOf(both.read(sent({ cookie: long, authorization: "Bearer a" }), "sid"));
  });

  it("lets the first decide alone where that is preferred", () => {
    for (const authorization of ["Bearer b", "Bearer b, c"]) {
      const presented = prefers.read(sent({ cookie: "sid=a", authorization }), "sid");
      assert.deepEqual(tokensOf(presented), ["a"]);
    }
    const long = "sid=" + "x".repeat(4097);
    refusalOf(prefers.read(sent({ cookie: long, authorization: "Bearer a" }), "sid"));
    assert.equal(channelOf(prefers, sent({ authorization: "Bearer a" })), header);
  });

  it("writes and clears on the first", () => {
    const headers = new Headers();
    firstOf(header, cookie).write(headers, "a", answerTo(sent({})));
    assert.equal(headers.get("x-session-token"), "a");
    firstOf(header, cookie).clear(headers, answerTo(sent({})));
    assert.equal(headers.get("x-session-token"), "");
    assert.deepEqual(headers.getSetCookie(), []);
  });

  it("annotates for all of them, once each", () => {
    const headers = new Headers({ vary: "Accept, cookie" });
    firstOf(firstOf(cookie, header), cookie, query).annotate(headers);
    assert.equal(headers.get("vary"), "Accept, cookie, Authorization");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
    const star = new Headers({ vary: "*" });
    both.annotate(star);
    assert.equal(star.get("vary"), "*");
  });

  it("checks all of them", () => {
    both.check("sid", defaults);
    assert.throws(
      () => firstOf(header, cookie).check("sid", { ...defaults, path: "a" }),
      TypeError,
    );
    const narrow = new HeaderToken({ header: { cart: "X-Cart" } });
    assert.throws(() => firstOf(cookie, narrow).check("sid", defaults), TypeError);
  });
});
