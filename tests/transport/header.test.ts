import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HeaderToken } from "../../src/transport/header.ts";
import type { RequestLike } from "../../src/transport/transport.ts";
import {
  answerTo,
  refusalOf,
  tokensOf,
  type TransportClient,
  transportContract,
} from "../contract/transport.ts";

const api = "https://api.example/";

/** A request with one header of any text, also what a `Headers` would not take. */
function withHeader(field: string, value: string): RequestLike {
  return { url: api, headers: { get: (name) => name.toLowerCase() === field ? value : null } };
}

function bearer(value: string): RequestLike {
  return withHeader("authorization", value);
}

/** An app that keeps a token for each response header and sends it in the request header beside it. */
function app(routes: readonly { from: string; to: string; before?: string }[]): TransportClient {
  const kept = new Map<string, string>();
  return {
    response: () => new Headers(),
    receive(headers) {
      for (const { from } of routes) {
        const token = headers.get(from);
        if (token) kept.set(from, token);
        else if (token === "") kept.delete(from);
      }
    },
    request() {
      const headers = new Headers();
      for (const { from, to, before = "" } of routes) {
        const token = kept.get(from);
        if (token !== undefined) headers.set(to, before + token);
      }
      return new Request(api, { headers });
    },
  };
}

const hostile = [
  "",
  " ",
  "Bearer",
  "Bearer ",
  "Bearer  ",
  "Bearer \0",
  "Bearer a\r\nx: y",
  "Bearer \ud800",
  "Bearer " + "x".repeat(1 << 20),
  "Bearer" + " ".repeat(1 << 20),
  "Bearer " + "=".repeat(1 << 20),
  "Bearer a" + "=".repeat(1 << 20),
  "Bearer " + "a,".repeat(1 << 19),
  "Digest " + 'a="b", '.repeat(10_000),
];

transportContract(
  "HeaderToken",
  () => new HeaderToken({ header: { sid: "Authorization", cart: "X-Cart" } }),
  {
    client: () =>
      app([
        { from: "x-session-token", to: "authorization", before: "bearer " },
        { from: "x-cart", to: "x-cart" },
      ]),
    hostile: () => hostile.map(bearer),
  },
);

transportContract(
  "HeaderToken without a scheme",
  () => new HeaderToken({ header: { sid: "X-Sid", cart: "X-Cart" } }),
  {
    client: () => app([{ from: "x-sid", to: "x-sid" }, { from: "x-cart", to: "x-cart" }]),
    hostile: () => hostile.map((value) => withHeader("x-sid", value)),
  },
);

describe("HeaderToken.read", () => {
  const transport = new HeaderToken();

  for (
    const [value, token] of [
      ["Bearer abc", "abc"],
      ["bearer abc", "abc"],
      ["BEARER abc", "abc"],
      ["Bearer   abc", "abc"],
      ["Bearer aZ09-._~+/==", "aZ09-._~+/=="],
      ["Bearer " + "x".repeat(4096), "x".repeat(4096)],
    ] as const
  ) {
    it(`reads ${value.slice(0, 30)}`, () => {
      assert.deepEqual(tokensOf(transport.read(bearer(value), "sid")), [token]);
    });
  }

  for (
    const value of [
      "Basic YTpi",
      'Digest username="a", realm="b"',
      "Bearerx abc",
      "Bearer-x abc",
      "Basic a, Bearer b",
      "abc",
      "",
    ]
  ) {
    it(`finds nothing in ${JSON.stringify(value)}`, () => {
      assert.equal(transport.read(bearer(value), "sid"), undefined);
    });
  }

  for (
    const value of [
      "Bearer",
      "Bearer ",
      "Bearer\tabc",
      "Bearer \tabc",
      "Bearer/abc",
      "Bearer=abc",
      "Bearer:abc",
      "Bearer abc def",
      "Bearer abc Bearer def",
      "Bearer ab=c",
      "Bearer =",
      "Bearer abc;",
      'Bearer "abc"',
      "Bearer t\u00f6k",
      "Bearer a\u00a0b",
      "Bearer a\0b",
      "Bearer " + "x".repeat(4097),
    ]
  ) {
    it(`refuses ${JSON.stringify(value.slice(0, 30))}`, () => {
      assert.match(refusalOf(transport.read(bearer(value), "sid")), /well-formed/);
    });
  }

  it("refuses two credentials that were joined by a comma", () => {
    const headers = new Headers();
    headers.append("authorization", "Bearer abc");
    headers.append("authorization", "Bearer abc");
    for (
      const request of [new Request(api, { headers }), bearer("Bearer a,b"), bearer("Bearer ,")]
    ) {
      assert.match(refusalOf(transport.read(request, "sid")), /comma/);
    }
  });

  it("reads a custom header without a scheme, and one with a scheme of its own", () => {
    const raw = new HeaderToken({ header: "X-Auth" });
    assert.deepEqual(tokensOf(raw.read(withHeader("x-auth", "abc"), "sid")), ["abc"]);
    assert.equal(raw.read(withHeader("x-auth", ""), "sid"), undefined);
    refusalOf(raw.read(withHeader("x-auth", "Bearer abc"), "sid"));
    assert.match(refusalOf(raw.read(withHeader("x-auth", "a, b"), "sid")), /comma/);
    const own = new HeaderToken({ scheme: "Session" });
    assert.deepEqual(tokensOf(own.read(bearer("session abc"), "sid")), ["abc"]);
    assert.equal(own.read(bearer("Bearer abc"), "sid"), undefined);
    const bare = new HeaderToken({ scheme: null });
    assert.deepEqual(tokensOf(bare.read(bearer("abc"), "sid")), ["abc"]);
  });
});

describe("HeaderToken.write", () => {
  const request = new Request(api);

  it("sets and exposes the response header", () => {
    const headers = new Headers();
    new HeaderToken().write(headers, "abc", answerTo(request));
    assert.deepEqual([...headers], [
      ["access-control-expose-headers", "X-Session-Token"],
      ["x-session-token", "abc"],
    ]);
  });

  it("exposes its header beside others, once, and beside `*`", () => {
    for (
      const [before, after] of [
        ["ETag", "ETag, X-Session-Token"],
        ["etag,x-session-token", "etag,x-session-token"],
        ["*", "*, X-Session-Token"],
      ] as const
    ) {
      const headers = new Headers({ "access-control-expose-headers": before });
      new HeaderToken().write(headers, "abc", answerTo(request));
      new HeaderToken().clear(headers, answerTo(request));
      assert.equal(headers.get("access-control-expose-headers"), after);
    }
  });

  it("clears with an empty header that is there", () => {
    const headers = new Headers();
    new HeaderToken().clear(headers, answerTo(request));
    assert.equal(headers.get("x-session-token"), "");
  });

  it("answers in the header that it reads, or in the one that is named", () => {
    const headers = new Headers();
    new HeaderToken({ header: "X-Auth" }).write(headers, "a", answerTo(request));
    new HeaderToken({ header: "X-Auth", responseHeader: "X-New" }).write(
      headers,
      "b",
      answerTo(request),
    );
    assert.equal(headers.get("x-auth"), "a");
    assert.equal(headers.get("x-new"), "b");
  });

  it("does not let a second name silently take the first one's place", () => {
    const transport = new HeaderToken();
    const headers = new Headers();
    transport.write(headers, "abc", answerTo(request, "sid"));
    assert.throws(() => transport.write(headers, "def", answerTo(request, "cart")), TypeError);
    transport.clear(headers, answerTo(request, "cart"));
    assert.equal(headers.get("x-session-token"), "abc");
    transport.clear(headers, answerTo(request, "sid"));
    transport.write(headers, "def", answerTo(request, "cart"));
    assert.equal(headers.get("x-session-token"), "def");
  });
});

describe("HeaderToken with a header for each name", () => {
  const transport = new HeaderToken({ header: { sid: "Authorization", cart: "X-Cart" } });

  it("has none for another name", () => {
    const request = new Request(api, { headers: { authorization: "Bearer a", "x-cart": "b" } });
    for (const name of ["other", "constructor", "__proto__"]) {
      assert.equal(transport.read(request, name), undefined);
      assert.throws(() => transport.check(name), TypeError);
      assert.throws(() => transport.write(new Headers(), "a", answerTo(request, name)), TypeError);
      assert.throws(() => transport.clear(new Headers(), answerTo(request, name)), TypeError);
    }
  });

  it("varies by each of them", () => {
    const headers = new Headers({ vary: "x-cart" });
    transport.annotate(headers);
    assert.equal(headers.get("vary"), "x-cart, Authorization");
  });

  it("refuses two names on one header", () => {
    assert.throws(() => new HeaderToken({ header: { a: "X-A", b: "x-a" } }), TypeError);
    const shared = { header: { a: "X-A", b: "X-B" }, responseHeader: "X-C" };
    assert.throws(() => new HeaderToken(shared), TypeError);
  });
});

describe("HeaderToken options", () => {
  for (const bad of ["", "a;b", "a\r", "a\nb", "a\0", "a,b", "a b", "é", "\u00a0a", "a:"]) {
    it(`refuse ${JSON.stringify(bad)} as header, scheme and response header`, () => {
      for (
        const options of [{ header: bad }, { header: { sid: bad } }, { scheme: bad }, {
          responseHeader: bad,
        }]
      ) {
        assert.throws(() => new HeaderToken(options), {
          name: "TypeError",
          message: /^"[^\r\n\0]*" cannot be a header or a scheme: /,
        });
      }
    });
  }
});
