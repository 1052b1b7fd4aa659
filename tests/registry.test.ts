import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Registry } from "../src/registry.ts";

describe("the registry", () => {
  it("loads once for a request and a name, however often and concurrently it is asked", async () => {
    const registry = new Registry<object>();
    const request = {};
    let loads = 0;
    const load = () => {
      loads++;
      return Promise.resolve({});
    };
    const [a, b] = await Promise.all([
      registry.get(request, "a", load),
      registry.get(request, "a", load),
    ]);
    assert.equal(a, b);
    assert.equal(await registry.get(request, "a", load), a);
    assert.equal(loads, 1);
  });

  it("keeps names and requests apart", async () => {
    const registry = new Registry<object>();
    const load = () => Promise.resolve({});
    const [one, two] = [{}, {}];
    const found = await Promise.all([
      registry.get(one, "a", load),
      registry.get(one, "b", load),
      registry.get(two, "a", load),
    ]);
    assert.equal(new Set(found).size, 3);
    const sessions = (request: object) =>
      Promise.all(registry.of(request).map(([, session]) => session));
    assert.deepEqual(registry.of(one).map(([name]) => name), ["a", "b"]);
    assert.deepEqual(await sessions(one), found.slice(0, 2));
    assert.deepEqual(await sessions(two), found.slice(2));
    assert.deepEqual(registry.of({}), []);
  });

  it("forgets a load that failed: the next call loads again", async () => {
    const registry = new Registry<string>();
    const request = {};
    const failure = new Error("down");
    await assert.rejects(registry.get(request, "a", () => Promise.reject(failure)), failure);
    assert.deepEqual(registry.of(request), []);
    assert.equal(await registry.get(request, "a", () => Promise.resolve("up")), "up");
  });

  it("names like parts of Object are names like any other", async () => {
    const registry = new Registry<string>();
    const request = {};
    for (const name of ["__proto__", "constructor", "toString"]) {
      assert.equal(await registry.get(request, name, () => Promise.resolve(name)), name);
    }
    assert.equal(registry.of(request).length, 3);
  });
});
