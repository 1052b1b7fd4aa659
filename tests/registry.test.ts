import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { askedBy, Registry } from "../src/registry.ts";

const registryOf = <T>() => new Registry<T>(() => Promise.resolve());
const namesOf = (request: object) => askedBy(request).map(({ name }) => name);

describe("the registry", () => {
  it("loads once for a request and a name, however often and concurrently it is asked", async () => {
    const registry = registryOf<object>();
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
    const registry = registryOf<object>();
    const load = () => Promise.resolve({});
    const [one, two] = [{}, {}];
    const found = await Promise.all([
      registry.get(one, "a", load),
      registry.get(one, "b", load),
      registry.get(two, "a", load),
    ]);
    assert.equal(new Set(found).size, 3);
    assert.deepEqual(namesOf(one), ["a", "b"]);
    assert.deepEqual(namesOf(two), ["a"]);
    assert.deepEqual(namesOf({}), []);
  });

  it("two of them keep their sessions of one name apart, and one request knows both", async () => {
    const [left, right] = [registryOf<object>(), registryOf<object>()];
    const request = {};
    const load = () => Promise.resolve({});
    assert.notEqual(await left.get(request, "a", load), await right.get(request, "a", load));
    assert.deepEqual(namesOf(request), ["a", "a"]);
  });

  it("saves what was asked for through the registry it came from", async () => {
    const saved: unknown[] = [];
    const registry = new Registry<string>((_request, _headers, status, session) => {
      saved.push([status, session]);
      return Promise.resolve();
    });
    const request = new Request("https://shop.example/");
    await registry.get(request, "a", () => Promise.resolve("loaded"));
    for (const asked of askedBy(request)) await asked.save(request, new Headers(), 200);
    assert.deepEqual(saved, [[200, "loaded"]]);
  });

  it("forgets a load that failed: the next call loads again", async () => {
    const registry = registryOf<string>();
    const request = {};
    const failure = new Error("down");
    await assert.rejects(registry.get(request, "a", () => Promise.reject(failure)), failure);
    assert.deepEqual(namesOf(request), []);
    assert.equal(await registry.get(request, "a", () => Promise.resolve("up")), "up");
  });

  it("names like parts of Object are names like any other", async () => {
    const registry = registryOf<string>();
    const request = {};
    for (const name of ["__proto__", "constructor", "toString"]) {
      assert.equal(await registry.get(request, name, () => Promise.resolve(name)), name);
    }
    assert.equal(namesOf(request).length, 3);
  });
});
