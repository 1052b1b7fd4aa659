import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bearerChallenge, createMemoryStore, generateKey, HeaderToken } from "#mongostore";

describe("WWW-Authenticate for bearer tokens (RFC 6750 section 3)", () => {
  it("a request without a token is told what is wanted, and no error", async () => {
    const store = createMemoryStore({ keys: [generateKey()], token: new HeaderToken() });
    const { error } = await store.get(new Request("https://api.example/"));
    assert.equal(bearerChallenge(error), "Bearer");
    assert.equal(bearerChallenge(error, { realm: "the api" }), 'Bearer realm="the api"');
  });

  it("a request whose token was refused is told invalid_token, and not the token", async () => {
    const store = createMemoryStore({ keys: [generateKey()], token: new HeaderToken() });
    for (const authorization of ["Bearer no.token.of.ours", "Bearer one, Bearer two"]) {
      const request = new Request("https://api.example/", { headers: { authorization } });
      const challenge = bearerChallenge((await store.get(request)).error, { realm: "api" });
      assert.match(
        challenge,
        /^Bearer realm="api", error="invalid_token", error_description="[\w ,]+"$/,
      );
      assert.ok(!challenge.includes("no.token"));
      assert.equal(
        new Headers({ "www-authenticate": challenge }).get("www-authenticate"),
        challenge,
      );
    }
  });

  it("a realm that cannot be quoted is a TypeError", () => {
    for (const realm of ['a"', "a\\", "a\r\nb", "a\0", "é"]) {
      assert.throws(() => bearerChallenge(undefined, { realm }), TypeError);
    }
  });
});
