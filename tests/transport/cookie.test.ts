import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Cookie, CookieJar, PrefixSecurityEnum } from "tough-cookie";
import { CookieToken } from "../../src/transport/cookie.ts";
import type { Answer, RequestLike, SessionOptions } from "../../src/transport/transport.ts";
import {
  answerTo,
  defaults,
  refusalOf,
  tokensOf,
  type TransportClient,
  transportContract,
} from "../contract/transport.ts";

const site = "https://app.example/account/";
const transport = new CookieToken();

/** A request whose Cookie header is any text, also what a `Headers` would not take. */
function withCookie(cookie: string): RequestLike {
  return {
    url: site,
    headers: { get: (name) => name.toLowerCase() === "cookie" ? cookie : null },
  };
}

function answerWith(options: Partial<SessionOptions> = {}, name = "sid"): Answer {
  return { ...answerTo(withCookie(""), name), options: { ...defaults, ...options } };
}

function written(options: Partial<SessionOptions> = {}, name = "sid"): string[] {
  const headers = new Headers();
  transport.write(headers, "token", answerWith(options, name));
  return headers.getSetCookie();
}

/** A browser: tough-cookie, with prefixes held to their rules. */
function browser(): TransportClient {
  const jar = new CookieJar(undefined, { prefixSecurity: PrefixSecurityEnum.STRICT });
  return {
    response: () => new Headers(),
    receive(headers) {
      for (const cookie of headers.getSetCookie()) {
        // The suite's clock stands still; Max-Age is measured from the jar's own.
        jar.setCookieSync(cookie, site);
      }
    },
    request: () => withCookie(jar.getCookieStringSync(site)),
  };
}

transportContract("CookieToken", () => new CookieToken(), {
  client: browser,
  *hostile() {
    const mebibyte = 1024 * 1024;
    const texts = [
      "sid",
      "=",
      ";",
      "sid=;=;;;",
      'sid="',
      'sid=""',
      "sid==",
      "sid=\0",
      "sid=\r\nx: y",
      "sid=%zz",
      "sid=\ud800",
      "\u00a0sid=x",
      "sid".repeat(mebibyte / 3),
      "sid=" + "x".repeat(mebibyte),
      "sid" + " ".repeat(mebibyte) + "x",
      " ".repeat(mebibyte) + "sid=x" + " ".repeat(mebibyte),
      ";".repeat(mebibyte),
      "=".repeat(mebibyte),
      '"'.repeat(mebibyte),
      "sid=x;".repeat(mebibyte / 6),
      Array.from({ length: 10_000 }, (_, i) => `sid=${i}`).join("; "),
    ];
    for (const text of texts) yield withCookie(text);
  },
});

describe("CookieToken.read", () => {
  for (
    const [title, cookie, tokens] of [
      ["a cookie alone", "sid=a", ["a"]],
      ["a cookie among others", "a=1; sid=b; c=3", ["b"]],
      ["no space after the semicolon", "a=1;sid=b;c=3", ["b"]],
      ["spaces and tabs around name and value", "a=1; \t sid \t=\t b \t; c=3", ["b"]],
      ["a quoted value", 'sid="b"', ["b"]],
      ["only the outer quotes taken off", 'sid=""b""', ['"b"']],
      ["a lone quote left alone", 'sid="', ['"']],
      ["equals signs in the value", "sid=b==", ["b=="]],
      ["a value as it is, without percent-decoding", "sid=%62", ["%62"]],
      ["several values in order, each once", "sid=b; sid=a; sid=b", ["b", "a"]],
      ["an empty value beside a real one", "sid=; sid=b", ["b"]],
      [
        "eight values",
        "sid=1; sid=2; sid=3; sid=4; sid=5; sid=6; sid=7; sid=8",
        "12345678".split(""),
      ],
    ] as const
  ) {
    it(`reads ${title}`, () => {
      assert.deepEqual(tokensOf(transport.read(withCookie(cookie), "sid")), tokens);
    });
  }

  for (
    const [title, cookie] of [
      ["an empty header", ""],
      ["an empty value", "sid="],
      ["an empty quoted value", 'sid=""'],
      ["a name without a value", "sid"],
      ["a name in other case", "SID=a; Sid=b"],
      ["a longer name", "sid2=a; xsid=b; sid.x=c"],
      ["a name in another cookie's value", 'a="sid=b"; c=sid=d'],
      ["a percent-encoded name", "%73id=a; s%69d=b"],
      ["a name after a no-break space", "\u00a0sid=a"],
      ["a name before a no-break space", "sid\u00a0=a"],
      ["a name after a no-break space in UTF-8", "\u00c2\u00a0sid=a"],
      ["a name after other white space", "\vsid=a; \fsid=b; \u2003sid=c; \ufeffsid=d"],
      ["a name after a comma", "a=1, sid=b"],
    ] as const
  ) {
    it(`finds nothing in ${title}`, () => {
      assert.equal(transport.read(withCookie(cookie), "sid"), undefined);
    });
  }

  it("does not take an encoded prefix for the prefix (Rack CVE-2020-8184)", () => {
    const tossed = withCookie("__%48ost-sid=evil; \u00a0__Host-sid=evil; __host-sid=evil");
    assert.equal(transport.read(tossed, "__Host-sid"), undefined);
  });

  it("refuses more than eight values of one name", () => {
    const cookie = Array.from({ length: 9 }, (_, i) => `sid=${i}`).join("; ");
    assert.equal(
      refusalOf(transport.read(withCookie(cookie), "sid")),
      "too many cookies of one name",
    );
  });

  it("measures a value before anything looks at it", () => {
    const longest = "x".repeat(4096);
    assert.deepEqual(tokensOf(transport.read(withCookie(`sid=${longest}`), "sid")), [longest]);
    assert.match(refusalOf(transport.read(withCookie(`sid=${longest}x`), "sid")), /too long/);
    assert.match(
      refusalOf(transport.read(withCookie(`sid=a; sid=${longest}x`), "sid")),
      /too long/,
    );
  });

  it("finds its cookie behind 10,000 others and behind a mebibyte, in one look at the header", () => {
    const others = Array.from({ length: 10_000 }, (_, i) => `sid${i}=${i}`).join("; ");
    for (const before of [others, "a=" + "sid=x".repeat(210_000), "sid" + " ".repeat(1 << 20)]) {
      let looks = 0;
      const request: RequestLike = {
        url: site,
        headers: { get: () => (looks++, `${before}; sid=found`) },
      };
      assert.deepEqual(tokensOf(transport.read(request, "sid")), ["found"]);
      assert.equal(looks, 1);
    }
  });
});

describe("CookieToken.write", () => {
  it("writes the default attributes", () => {
    assert.deepEqual(written(), [
      "sid=token; Max-Age=3600; Expires=Thu, 01 Jan 2026 13:00:00 GMT; Path=/; Secure; HttpOnly; SameSite=Lax",
    ]);
  });

  it("writes every attribute as a browser reads it", () => {
    const [text = ""] = written({
      path: "/a/b",
      domain: ".app.example",
      maxAge: 60,
      sameSite: "none",
      partitioned: true,
      priority: "high",
    });
    const cookie = Cookie.parse(text);
    assert.ok(cookie);
    assert.equal(cookie.key, "sid");
    assert.equal(cookie.value, "token");
    assert.equal(cookie.path, "/a/b");
    assert.equal(cookie.domain, "app.example");
    assert.equal(cookie.maxAge, 60);
    assert.equal(
      cookie.expires instanceof Date && cookie.expires.getTime(),
      Date.UTC(2026, 0, 1, 12, 1),
    );
    assert.equal(cookie.secure, true);
    assert.equal(cookie.httpOnly, true);
    assert.equal(cookie.sameSite, "none");
    assert.match(text, /; Domain=app\.example;/);
    assert.match(text, /; Partitioned; Priority=High$/);
  });

  it("writes neither Max-Age nor Expires for maxAge 0, and no flag that is off", () => {
    assert.deepEqual(written({ maxAge: 0, secure: false, httpOnly: false, sameSite: "strict" }), [
      "sid=token; Path=/; SameSite=Strict",
    ]);
  });

  it("holds Max-Age and Expires to 400 days", () => {
    const [text = ""] = written({ maxAge: 34_560_001 });
    assert.match(text, /; Max-Age=34560000; Expires=Fri, 05 Feb 2027 12:00:00 GMT;/);
  });

  it("replaces its own Set-Cookie and leaves the others untouched and in order", () => {
    const headers = new Headers();
    const others = ["a=1; Path=/", "sid2=2", "SID=3; Expires=Thu, 01 Jan 2026 13:00:00 GMT", "sid"];
    for (
      const other of ["sid=old; Path=/", ...others.slice(0, 2), " sid =old", ...others.slice(2)]
    ) {
      headers.append("set-cookie", other);
    }
    transport.write(headers, "token", answerWith({ maxAge: 0 }));
    const ours = "sid=token; Path=/; Secure; HttpOnly; SameSite=Lax";
    assert.deepEqual(headers.getSetCookie(), [...others, ours]);
  });

  it("clears with the attributes that the cookie was set with", () => {
    const headers = new Headers();
    transport.clear(headers, answerWith({ path: "/a", domain: "app.example", maxAge: -1 }));
    assert.deepEqual(headers.getSetCookie(), [
      "sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT; Path=/a; Domain=app.example; Secure; HttpOnly; SameSite=Lax",
    ]);
  });

  it("sets and clears prefixed cookies so that a browser takes them", () => {
    for (const name of ["__Host-sid", "__Secure-sid"]) {
      const client = browser();
      const headers = new Headers();
      transport.write(headers, "token", answerWith({}, name));
      client.receive(headers);
      assert.deepEqual(tokensOf(transport.read(client.request(), name)), ["token"]);
      transport.clear(headers, answerWith({}, name));
      client.receive(headers);
      assert.equal(transport.read(client.request(), name), undefined);
    }
  });

  it("takes 4,096 bytes of name and value, and no more", () => {
    const name = "n".repeat(2048);
    transport.write(new Headers(), "x".repeat(2048), answerWith({}, name));
    assert.throws(
      () => transport.write(new Headers(), "x".repeat(2049), answerWith({}, name)),
      RangeError,
    );
    assert.throws(() => transport.check("n".repeat(4097), defaults), RangeError);
  });

  it("does not write where the session is to be deleted", () => {
    assert.throws(() => written({ maxAge: -1 }), RangeError);
  });

  it("merges Vary, once and under any `*`", () => {
    for (
      const [before, after] of [
        [undefined, "Cookie"],
        ["Origin", "Origin, Cookie"],
        ["Accept, cookie", "Accept, cookie"],
        ["*", "*"],
        ["Origin, *", "Origin, *"],
        ["X-Cookie", "X-Cookie, Cookie"],
      ]
    ) {
      const headers = new Headers(before === undefined ? {} : { vary: before });
      transport.annotate(headers);
      transport.annotate(headers);
      assert.equal(headers.get("vary"), after);
    }
  });
});

describe("CookieToken.check", () => {
  const broken: [string, SessionOptions, string?][] = [];
  for (const bad of [";", "\r", "\n", "\0", ",", "é", "\u00a0", "\x7f", " ", "\ud800"]) {
    const title = JSON.stringify(bad);
    broken.push(
      [`a name with ${title}`, defaults, `s${bad}id`],
      [`a name that ends in ${title}`, defaults, `sid${bad}`],
      [`a path with ${title}`, { ...defaults, path: `/a${bad}b` }],
      [`a path that ends in ${title}`, { ...defaults, path: `/${bad}` }],
      [`a domain with ${title}`, { ...defaults, domain: `app${bad}.example` }],
      [`a domain that ends in ${title}`, { ...defaults, domain: `app.example${bad}` }],
      // What TypeScript would refuse and a caller without it may pass.
      [`a sameSite with ${title}`, Object.assign({ ...defaults }, { sameSite: `lax${bad}` })],
      [`a priority with ${title}`, Object.assign({ ...defaults }, { priority: `low${bad}` })],
    );
  }
  broken.push(
    ["an empty name", defaults, ""],
    ["a name with =", defaults, "a=b"],
    ["a relative path", { ...defaults, path: "a" }],
    ["an empty path", { ...defaults, path: "" }],
    ["a path of 1,025 characters", { ...defaults, path: "/" + "a".repeat(1024) }],
    ["an empty domain", { ...defaults, domain: "" }],
    ["a domain with an empty label", { ...defaults, domain: "a..example" }],
    ["a domain with a scheme", { ...defaults, domain: "https://app.example" }],
    ["a domain with a port", { ...defaults, domain: "app.example:80" }],
    ["a domain of 254 characters", { ...defaults, domain: "a.".repeat(126) + "ab" }],
    ["SameSite=None without Secure", { ...defaults, sameSite: "none", secure: false }],
    ["Partitioned without Secure", { ...defaults, partitioned: true, secure: false }],
  );
  for (const prefix of ["__Host-", "__host-", "__HOST-"]) {
    broken.push(
      [`${prefix} without Secure`, { ...defaults, secure: false }, `${prefix}sid`],
      [`${prefix} with a path`, { ...defaults, path: "/a" }, `${prefix}sid`],
      [`${prefix} with a domain`, { ...defaults, domain: "app.example" }, `${prefix}sid`],
    );
  }
  for (const prefix of ["__Secure-", "__secure-"]) {
    broken.push([`${prefix} without Secure`, { ...defaults, secure: false }, `${prefix}sid`]);
  }

  for (const [title, options, name = "sid"] of broken) {
    it(`refuses ${title}, and so do write and clear`, () => {
      const headers = new Headers({ "set-cookie": "a=1" });
      const answer: Answer = { ...answerTo(withCookie(""), name), options };
      for (
        const attempt of [
          () => transport.check(name, options),
          () => transport.write(headers, "token", answer),
          () => transport.clear(headers, answer),
        ]
      ) {
        assert.throws(attempt, {
          name: "TypeError",
          message: /^the cookie ".*" cannot be set: [^\r\n\0]+$/,
        });
      }
      assert.deepEqual(headers.getSetCookie(), ["a=1"]);
    });
  }

  it("refuses a maxAge that is not a whole number of seconds", () => {
    for (const maxAge of [NaN, Infinity, -Infinity, 0.5]) {
      assert.throws(() => transport.check("sid", { ...defaults, maxAge }), RangeError);
    }
  });

  it("accepts what the grammars allow", () => {
    transport.check("!#$%&'*+-.^_`|~09AZaz", defaults);
    transport.check("sid", { ...defaults, path: "/" + "a".repeat(1023) });
    transport.check("sid", { ...defaults, path: "/!a%20b:c=d<>~" });
    transport.check("sid", { ...defaults, domain: "xn--bcher-kva.example" });
    transport.check("sid", { ...defaults, domain: undefined, priority: undefined, maxAge: -1 });
    transport.check("__Secure-sid", { ...defaults, path: "/a", domain: "app.example" });
    transport.check("__Hostess", { ...defaults, path: "/a", secure: false });
  });
});
