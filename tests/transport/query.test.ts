import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { QueryToken } from "../../src/transport/query.ts";
import type { RequestLike } from "../../src/transport/transport.ts";
import {
  answerTo,
  refusalOf,
  tokensOf,
  type TransportClient,
  transportContract,
} from "../contract/transport.ts";

const site = "https://app.example/shop";

/** A request with a URL of any text, also what a `Request` would not take. */
function at(url: string): RequestLike {
  return { url, headers: { get: () => null } };
}

/** A browser that follows redirects; the application's redirects keep the query as it is. */
function browser(): TransportClient {
  let url = site;
  return {
    response: () => new Headers({ location: "/next" + new URL(url).search }),
    receive(headers) {
      url = new URL(headers.get("location") ?? "", url).href;
    },
    request: () => new Request(url),
  };
}

transportContract("QueryToken", () => new QueryToken({ issue: "redirect" }), {
  client: browser,
  *hostile() {
    const long = 1 << 20;
    const urls = [
      "",
      "?",
      "?sid",
      "?sid=",
      "?&&&",
      "?sid=%",
      "?sid=%zz",
      "?sid=%ff",
      "?sid=%00",
      "?%=&sid=\ud800",
      "http://",
      "http://[?sid=a",
      "\0?sid=a b",
      "?" + "sid=a&".repeat(long / 8),
      "?" + "&".repeat(long),
      "?sid=" + "x".repeat(long),
      "?sid=" + "%41".repeat(long / 4),
      "?".repeat(long),
      "#".repeat(long),
    ];
    for (const url of urls) yield at(url);
  },
});

describe("QueryToken.read", () => {
  const transport = new QueryToken();

  for (
    const [url, token] of [
      ["https://app.example/?sid=abc", "abc"],
      ["https://app.example/?a=1&sid=abc&b=2#c", "abc"],
      ["https://app.example/?%73id=abc", "abc"],
      ["https://app.example/?sid=ab%3D%3D", "ab=="],
      ["https://app.example/?sid=ab==", "ab=="],
      ["/relative?sid=abc", "abc"],
      [`https://app.example/?a=${"x".repeat(10_000)}&sid=abc`, "abc"],
    ] as const
  ) {
    it(`reads ${url.slice(0, 50)}`, () => {
      assert.deepEqual(tokensOf(transport.read(at(url), "sid")), [token]);
    });
  }

  for (
    const url of [
      "https://app.example/",
      "https://app.example/?sid=",
      "https://app.example/?sid",
      "https://app.example/?SID=abc&sid2=abc&xsid=abc",
      "https://app.example/?+sid=abc&sid%20=abc&%C2%A0sid=abc&%EF%BB%BFsid=abc",
      "https://app.example/??sid=abc",
      "https://app.example/?a=1;sid=abc",
      "https://app.example/#?sid=abc",
      "https://app.example/?a#&sid=abc",
      "https://app.example/sid=abc",
    ]
  ) {
    it(`finds nothing in ${url}`, () => {
      assert.equal(transport.read(at(url), "sid"), undefined);
    });
  }

  it("refuses the parameter twice, also when both say the same", () => {
    for (const query of ["?sid=a&sid=b", "?sid=a&sid=a", "?sid=a&%73id=b", "?sid&sid=a"]) {
      assert.match(refusalOf(transport.read(at(site + query), "sid")), /twice/);
    }
  });

  it("refuses what is no token", () => {
    for (const value of ["a+b", "a%20b", "a,b", "a%00", "%ff", "a=b", "x".repeat(4097)]) {
      assert.match(refusalOf(transport.read(at(`${site}?sid=${value}`), "sid")), /well-formed/);
    }
  });

  it("reads a parameter of another name", () => {
    const named = new QueryToken({ param: "s;\u00e9" });
    const url = named.url(site, { name: "sid", token: "abc" });
    assert.equal(url, `${site}?s%3B%C3%A9=abc`);
    assert.deepEqual(tokensOf(named.read(at(url), "sid")), ["abc"]);
    assert.throws(() => new QueryToken({ param: "" }), TypeError);
  });
});

describe("QueryToken.url", () => {
  const transport = new QueryToken();
  const session = { name: "sid", token: "ab+/=" };

  for (
    const [url, link] of [
      ["https://app.example/a", "https://app.example/a?sid=ab%2B%2F%3D"],
      ["/a", "/a?sid=ab%2B%2F%3D"],
      ["a?b=c%20d&e&&f=%zz#g", "a?b=c%20d&e&&f=%zz&sid=ab%2B%2F%3D#g"],
      ["/a?sid=old&b&%73id=older#?sid=x", "/a?b&sid=ab%2B%2F%3D#?sid=x"],
      ["/a??sid=x", "/a??sid=x&sid=ab%2B%2F%3D"],
      ["", "?sid=ab%2B%2F%3D"],
      [new URL("https://app.example/a?b#c"), "https://app.example/a?b&sid=ab%2B%2F%3D#c"],
    ] as const
  ) {
    it(`makes a link of ${JSON.stringify(url)} that reads back`, () => {
      const made = transport.url(url, session);
      assert.equal(made, link);
      assert.deepEqual(tokensOf(transport.read(at(made), "sid")), ["ab+/="]);
    });
  }

  it("needs a token", () => {
    assert.throws(() => transport.url("/a", { name: "sid", token: undefined }), TypeError);
    assert.throws(() => transport.url("/a", { name: "sid", token: "a b" }), TypeError);
  });
});

describe("QueryToken.write", () => {
  const transport = new QueryToken({ issue: "redirect" });

  function location(target: string, status: number | undefined = 303, from = site): string | null {
    const headers = new Headers({ location: target });
    transport.write(headers, "abc", { ...answerTo(at(from)), status });
    return headers.get("location");
  }

  for (
    const [target, expected] of [
      ["/next", "/next?sid=abc"],
      ["next?a=b#c", "next?a=b&sid=abc#c"],
      ["../", "../?sid=abc"],
      ["?a", "?a&sid=abc"],
      ["https://app.example/next", "https://app.example/next?sid=abc"],
      ["https://APP.example:443/next", "https://APP.example:443/next?sid=abc"],
    ] as const
  ) {
    it(`adds the token to ${target}`, () => assert.equal(location(target), expected));
  }

  for (
    const target of [
      "https://evil.example/",
      "http://app.example/",
      "https://app.example:8443/",
      "https://app.example.evil.example/",
      "https://app.example@evil.example/",
      "https://user@app.example/",
      "https://user:pass@app.example/",
      "//evil.example/",
      "//app.example/",
      "/\\evil.example/",
      "\\\\evil.example/",
      "\\/evil.example/",
      "/\t/evil.example/",
      "https:evil.example",
      "https:/evil.example",
      "http:evil.example",
      "https:\\\\evil.example",
      "///evil.example",
      "blob:https://app.example/x",
      "javascript:alert(1)",
      "data:text/html,x",
      "mailto:a@app.example",
      "https://",
      "https://[",
    ]
  ) {
    it(`leaves ${JSON.stringify(target)} alone, whatever it carries`, () => {
      assert.equal(location(target), target);
      const headers = new Headers({ location: `${target}?sid=x` });
      transport.clear(headers, answerTo(at(site)));
      assert.equal(headers.get("location"), `${target}?sid=x`);
    });
  }

  it("stays on its origin for a browser that came by another scheme or port", () => {
    for (const target of ["http:evil.example", "https:evil.example"]) {
      assert.equal(location(target, 303, "http://app.example/"), target);
    }
  });

  it("leaves an absolute Location alone where the request's URL cannot be parsed", () => {
    assert.equal(location("https://app.example/", 303, "/shop"), "https://app.example/");
    assert.equal(location("/next", 303, "/shop"), "/next?sid=abc");
  });

  it("writes on redirects only, and where the status is not known", () => {
    for (const status of [301, 302, 303, 307, 308, undefined]) {
      const headers = new Headers({ location: "/next" });
      transport.write(headers, "abc", { ...answerTo(at(site)), status });
      assert.equal(headers.get("location"), "/next?sid=abc");
    }
    for (const status of [200, 201, 300, 304]) assert.equal(location("/next", status), "/next");
    const headers = new Headers();
    transport.write(headers, "abc", answerTo(at(site)));
    assert.deepEqual([...headers], []);
  });

  it("writes nothing unless asked for", () => {
    const headers = new Headers({ location: "/next" });
    new QueryToken().write(headers, "abc", answerTo(at(site)));
    assert.equal(headers.get("location"), "/next");
  });

  it("takes a dead token out of a Location and leaves the rest as it was", () => {
    for (
      const [before, after] of [
        ["/next?a=%20&sid=abc&&b#c", "/next?a=%20&&b#c"],
        ["/next?sid=abc", "/next"],
        ["/next?", "/next?"],
        ["/next?sid2=a", "/next?sid2=a"],
      ] as const
    ) {
      const headers = new Headers({ location: before });
      new QueryToken().clear(headers, answerTo(at(site)));
      assert.equal(headers.get("location"), after);
    }
  });
});

describe("QueryToken.annotate", () => {
  it("keeps the URL out of caches and of Referer, and varies by nothing", () => {
    const headers = new Headers();
    new QueryToken().annotate(headers);
    assert.deepEqual([...headers], [
      ["cache-control", "no-store, private"],
      ["referrer-policy", "no-referrer"],
    ]);
  });

  it("leaves the application's own Cache-Control, and tightens its Referrer-Policy", () => {
    const headers = new Headers({ "cache-control": "private", "referrer-policy": "unsafe-url" });
    new QueryToken().annotate(headers);
    assert.equal(headers.get("cache-control"), "private");
    assert.equal(headers.get("referrer-policy"), "no-referrer");
  });
});
