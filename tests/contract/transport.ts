import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type {
  Answer,
  Presented,
  RequestLike,
  SessionOptions,
  Transport,
} from "../../src/transport/transport.ts";

/** A client of one channel, with whatever memory that channel gives it. */
export interface TransportClient {
  /** The headers of a response as an application makes them, before any session is saved. */
  response(): Headers;
  /** Takes a response in, as a browser or an app would. */
  receive(headers: Headers): void;
  /** The client's next request. */
  request(): RequestLike;
}

/** What the suite needs to know of a channel. */
export interface TransportHelpers {
  /** A client that has never met the server. */
  client(): TransportClient;
  /** Requests that no well-meaning client sends. The names in use are `sid` and `cart`. */
  hostile(): Iterable<RequestLike>;
}

/** The options of a session where a test does not say otherwise. */
export const defaults: Readonly<SessionOptions> = {
  path: "/",
  maxAge: 3600,
  secure: true,
  httpOnly: true,
  sameSite: "lax",
  partitioned: false,
};

/** An answer to a request, at noon of 1 January 2026. */
export function answerTo(request: RequestLike, name = "sid", status = 303): Answer {
  return { request, name, options: defaults, status, now: Date.UTC(2026, 0, 1, 12) };
}

/** The texts that a request presents; fails where it presents none. */
export function tokensOf(presented: Presented | undefined): readonly string[] {
  assert.ok(presented && "tokens" in presented, "nothing acceptable was presented");
  return presented.tokens;
}

/** The reason of a refusal; fails where nothing was refused. */
export function refusalOf(presented: Presented | undefined): string {
  assert.ok(presented && "refused" in presented, "nothing was refused");
  return presented.refused;
}

/** What every transport does. `make` must give one that carries sessions named `sid` and `cart` side by side. */
export function transportContract(
  title: string,
  make: () => Transport,
  helpers: TransportHelpers,
): void {
  describe(`transport contract: ${title}`, () => {
    const first = "AQ-first_token.1";
    const second = "AQ-second_token.2";

    it("presents nothing before anything was written", () => {
      assert.equal(make().read(helpers.client().request(), "sid"), undefined);
    });

    it("brings a written token back in the next request", () => {
      const transport = make();
      const client = helpers.client();
      exchange(client, (headers, request) => transport.write(headers, first, answerTo(request)));
      assert.deepEqual(tokensOf(transport.read(client.request(), "sid")), [first]);
    });

    it("answers on the channel that the request used", () => {
      const transport = make();
      const client = helpers.client();
      exchange(client, (headers, request) => transport.write(headers, first, answerTo(request)));
      exchange(client, (headers, request) => {
        const channel = transport.read(request, "sid")?.channel;
        assert.ok(channel);
        channel.write(headers, second, answerTo(request));
      });
      assert.deepEqual(tokensOf(transport.read(client.request(), "sid")), [second]);
    });

    it("keeps the last of two tokens written to one response, as if it were the only one", () => {
      const transport = make();
      const client = helpers.client();
      const twice = exchange(client, (headers, request) => {
        transport.write(headers, first, answerTo(request));
        transport.write(headers, second, answerTo(request));
      });
      const once = exchange(helpers.client(), (headers, request) => {
        transport.write(headers, second, answerTo(request));
      });
      assert.deepEqual([...twice], [...once]);
      assert.deepEqual(tokensOf(transport.read(client.request(), "sid")), [second]);
    });

    it("makes the client forget a cleared token", () => {
      const transport = make();
      const client = helpers.client();
      exchange(client, (headers, request) => transport.write(headers, first, answerTo(request)));
      exchange(client, (headers, request) => transport.clear(headers, answerTo(request)));
      assert.equal(transport.read(client.request(), "sid"), undefined);
    });

    it("lets the last of write and clear on one response win", () => {
      const transport = make();
      const client = helpers.client();
      exchange(client, (headers, request) => {
        transport.clear(headers, answerTo(request));
        transport.write(headers, first, answerTo(request));
      });
      assert.deepEqual(tokensOf(transport.read(client.request(), "sid")), [first]);
      const cleared = exchange(client, (headers, request) => {
        transport.write(headers, second, answerTo(request));
        transport.clear(headers, answerTo(request));
        transport.clear(headers, answerTo(request));
      });
      assert.equal(JSON.stringify([...cleared]).includes(second), false);
      assert.equal(transport.read(client.request(), "sid"), undefined);
    });

    it("carries two names side by side without mixing them", () => {
      const transport = make();
      const client = helpers.client();
      exchange(client, (headers, request) => {
        transport.write(headers, first, answerTo(request, "sid"));
        transport.write(headers, second, answerTo(request, "cart"));
      });
      assert.deepEqual(tokensOf(transport.read(client.request(), "sid")), [first]);
      assert.deepEqual(tokensOf(transport.read(client.request(), "cart")), [second]);
      exchange(client, (headers, request) => transport.clear(headers, answerTo(request, "sid")));
      assert.equal(transport.read(client.request(), "sid"), undefined);
      assert.deepEqual(tokensOf(transport.read(client.request(), "cart")), [second]);
    });

    it("annotates once, and never at the cost of what was written", () => {
      const transport = make();
      const client = helpers.client();
      const annotated = exchange(client, (headers, request) => {
        transport.annotate(headers);
        transport.write(headers, first, answerTo(request));
        transport.annotate(headers);
      });
      const before = [...annotated];
      transport.annotate(annotated);
      assert.deepEqual([...annotated], before);
      assert.notDeepEqual(before, [...client.response()]);
      assert.deepEqual(tokensOf(transport.read(client.request(), "sid")), [first]);
    });

    it("refuses to write what is no token, without quoting it", () => {
      const transport = make();
      const client = helpers.client();
      for (const bad of ["", "a;b", "a\r\nb", "a\0", "a,b", "a b", "tök", "x".repeat(4097)]) {
        const headers = client.response();
        assert.throws(
          () => transport.write(headers, bad, answerTo(client.request())),
          (error: unknown) => error instanceof TypeError && (!bad || !error.message.includes(bad)),
        );
        assert.deepEqual([...headers], [...client.response()]);
      }
    });

    it("accepts the default options", () => {
      make().check("sid", defaults);
    });

    it("never throws for what a client sent, and gives a bounded number of bounded texts", () => {
      const transport = make();
      for (const request of helpers.hostile()) {
        const presented = transport.read(request, "sid");
        if (!presented) continue;
        if ("refused" in presented) {
          assert.ok(presented.refused.length > 0 && presented.refused.length < 100);
        } else {
          assert.ok(presented.tokens.length <= 8);
          for (const token of presented.tokens) assert.ok(token.length > 0 && token.length <= 4096);
        }
      }
    });
  });
}

/** One exchange: the client asks, `act` changes the response, the client takes it in. */
function exchange(
  client: TransportClient,
  act: (headers: Headers, request: RequestLike) => void,
): Headers {
  const request = client.request();
  const headers = client.response();
  act(headers, request);
  client.receive(headers);
  return headers;
}
