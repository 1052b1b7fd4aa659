import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  decodePayload,
  encodePayload,
  encodeSuccessor,
  mergePayloads,
  readPayload,
} from "../src/payload.ts";
import type { Flash, Payload } from "../src/payload.ts";

const KEYS = ["a", "b", "c", "d", "e", "f"];

/** The serializer refuses `__proto__` as a key, so no value has it. */
const value = fc.jsonValue({ maxDepth: 2 }).filter((json) =>
  !JSON.stringify(json).includes("__proto__")
);
const anyValues = fc.dictionary(fc.constantFrom(...KEYS), value, { noNullPrototype: true });
const flash = fc.record({
  key: fc.constantFrom("_flash", "other"),
  id: fc.constantFrom("1", "2", "3", "4", "5", "6", "7", "8"),
  value: fc.string(),
}, { noNullPrototype: true });
const flashes = fc.uniqueArray(flash, { selector: ({ id }) => id });
/** What one request does: sets some keys, deletes some, reads flashes of a key, adds flashes of its own. */
const edit = fc.record({
  set: anyValues,
  remove: fc.subarray(KEYS),
  read: fc.subarray(["_flash", "other"]),
  add: fc.array(fc.string(), { maxLength: 3 }),
});

type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function payload(over: Partial<Payload>): Payload {
  return { values: {}, flashes: [], meta: undefined, maxAge: undefined, ...over };
}

function apply(base: Payload, { set, remove, read, add }: Edit, who: string): Payload {
  const kept = Object.entries(base.values).filter(([key]) => !remove.includes(key));
  const added = add.map((text, i): Flash => ({ key: "_flash", id: `${who}${i}`, value: text }));
  return {
    ...base,
    values: { ...Object.fromEntries(kept), ...set },
    flashes: [...base.flashes.filter(({ key }) => !read.includes(key)), ...added],
  };
}

/** Equal as sets of keys: the order of keys is nobody's promise. */
function assertSameValues(a: object, b: object): void {
  const sorted = (of: object) => Object.entries(of).toSorted(([x], [y]) => x < y ? -1 : 1);
  assert.deepEqual(sorted(a), sorted(b));
}

function only(keys: readonly string[], { set, remove, ...rest }: Edit): Edit {
  const mine = Object.entries(set).filter(([key]) => keys.includes(key));
  return {
    ...rest,
    set: Object.fromEntries(mine),
    remove: remove.filter((key) => keys.includes(key)),
  };
}

describe("mergePayloads", () => {
  it("changes nothing where I changed nothing", () => {
    fc.assert(fc.property(anyValues, flashes, edit, (from, shown, theirs) => {
      const base = payload({ values: from, flashes: shown });
      const stored = apply(base, theirs, "t");
      assert.deepEqual(mergePayloads(base, base, stored), stored);
    }));
  });

  it("gives mine where they changed nothing", () => {
    fc.assert(fc.property(anyValues, flashes, edit, (from, shown, mine) => {
      const base = payload({ values: from, flashes: shown });
      const own = apply(base, mine, "m");
      const merged = mergePayloads(base, own, base);
      assertSameValues(merged.values, own.values);
      assert.deepEqual(merged.flashes, own.flashes);
    }));
  });

  it("disjoint edits commute", () => {
    fc.assert(fc.property(anyValues, edit, edit, (from, one, two) => {
      const base = payload({ values: from });
      const first = apply(base, only(["a", "b", "c"], one), "1");
      const second = apply(base, only(["d", "e", "f"], two), "2");
      const there = mergePayloads(base, second, first);
      const back = mergePayloads(base, first, second);
      assertSameValues(there.values, back.values);
      assertSameValues(there.values, apply(first, only(["d", "e", "f"], two), "2").values);
      const ids = (of: Payload) => of.flashes.map(({ id }) => id).toSorted();
      assert.deepEqual(ids(there), ids(back));
    }));
  });

  it("mine wins a key that both changed; a key that I left alone is theirs", () => {
    fc.assert(fc.property(anyValues, edit, edit, (from, mine, theirs) => {
      const base = payload({ values: from });
      const [own, stored] = [apply(base, mine, "m"), apply(base, theirs, "t")];
      const merged = new Map(Object.entries(mergePayloads(base, own, stored).values));
      const [before, ownValues, storedValues] = [base, own, stored].map((of) =>
        new Map<string, unknown>(Object.entries(of.values))
      );
      for (const key of KEYS) {
        const text = (of: Map<string, unknown> | undefined) => JSON.stringify(of?.get(key));
        const changed = text(before) !== text(ownValues);
        assert.equal(text(merged), changed ? text(ownValues) : text(storedValues), key);
      }
    }));
  });

  it("no flash is there twice, none that either read comes back, none that either added is lost", () => {
    fc.assert(fc.property(flashes, edit, edit, (shown, mine, theirs) => {
      const base = payload({ flashes: shown });
      const [own, stored] = [apply(base, mine, "m"), apply(base, theirs, "t")];
      const merged = mergePayloads(base, own, stored).flashes.map(({ id }) => id);
      const [before, left, right] = [base, own, stored].map((of) =>
        new Set(of.flashes.map(({ id }) => id))
      );
      assert.ok(before && left && right);
      assert.equal(new Set(merged).size, merged.length);
      for (const id of new Set([...before, ...left, ...right])) {
        const expected: boolean = before.has(id) ? left.has(id) && right.has(id) : true;
        assert.equal(merged.includes(id), expected, id);
      }
    }));
  });

  it("merging twice gives what merging once gave", () => {
    fc.assert(fc.property(anyValues, flashes, edit, edit, (from, shown, mine, theirs) => {
      const base = payload({ values: from, flashes: shown });
      const [own, stored] = [apply(base, mine, "m"), apply(base, theirs, "t")];
      const once = mergePayloads(base, own, stored);
      const twice = mergePayloads(base, own, once);
      assertSameValues(twice.values, once.values);
      assert.deepEqual(
        twice.flashes.map(({ id }) => id).toSorted(),
        once.flashes.map(({ id }) => id).toSorted(),
      );
    }));
  });

  it("asks the merge option only for keys that both changed, to different values", () => {
    fc.assert(fc.property(anyValues, edit, edit, (from, mine, theirs) => {
      const base = payload({ values: from });
      const [own, stored] = [apply(base, mine, "m"), apply(base, theirs, "t")];
      mergePayloads(base, own, stored, (conflict) => {
        const [before, left, right] = [conflict.base, conflict.mine, conflict.theirs]
          .map((side) => JSON.stringify(side));
        assert.ok(before !== left && before !== right && left !== right, conflict.key);
        return conflict.mine;
      });
    }));
  });

  it("meta and maxAge: mine where I changed it, else theirs", () => {
    const base = payload({ meta: { device: "phone" }, maxAge: 60 });
    const mine = payload({ meta: { device: "phone" }, maxAge: 90 });
    const theirs = payload({ meta: { device: "laptop" }, maxAge: 70 });
    const merged = mergePayloads(base, mine, theirs);
    assert.deepEqual([merged.meta, merged.maxAge], [{ device: "laptop" }, 90]);
  });

  it("keys named like parts of Object are keys like any other", () => {
    for (const key of ["constructor", "prototype", "toString", "hasOwnProperty", "valueOf"]) {
      const merged = mergePayloads(
        payload({ values: { kept: 1 } }),
        payload({ values: { kept: 1, [key]: "mine" } }),
        payload({ values: { kept: 2 } }),
      );
      assert.deepEqual(Object.entries(merged.values), [["kept", 2], [key, "mine"]]);
      assert.equal(Object.getPrototypeOf(merged.values), Object.prototype);
    }
  });
});

describe("the text of a payload", () => {
  it("reads back as the payload that was written, whatever the values", () => {
    const rich = fc.dictionary(
      fc.constantFrom(...KEYS),
      fc.oneof(
        value,
        fc.bigInt(),
        fc.date({ noInvalidDate: true }),
        fc.constant(undefined),
        fc.uint8Array(),
      ),
      { noNullPrototype: true },
    );
    fc.assert(
      fc.property(rich, flashes, fc.option(fc.nat(), { nil: undefined }), (of, shown, maxAge) => {
        const written = payload({ values: of, flashes: shown, maxAge });
        assert.deepEqual(readPayload(encodePayload(written)), written);
      }),
    );
  });

  it("a successor and a payload are never taken for one another, whatever a value is called", () => {
    const next = decodePayload(encodeSuccessor({ next: "A".repeat(27), join: true }));
    assert.deepEqual(next, { next: "A".repeat(27), join: true });
    const values = { next: "A".repeat(27), join: true };
    assert.deepEqual(decodePayload(encodePayload(payload({ values }))), {
      ...payload({ values }),
      subject: undefined,
    });
  });

  it("any other text is no payload", () => {
    const texts = [
      "",
      "null",
      "[]",
      "{}",
      "42",
      '{"values":[]}',
      '{"values":null}',
      '{"values":{},"flashes":{}}',
      '{"values":{},"flashes":[["a"]]}',
      '{"values":{},"flashes":[[1,2,3]]}',
      '{"values":{},"maxAge":"60"}',
      '{"values":{"__proto__":{"polluted":1}}}',
    ];
    for (const text of texts) assert.equal(decodePayload(text), undefined, text);
    assert.equal(Reflect.get({}, "polluted"), undefined);
  });

  it("is never thrown over: no text makes decodePayload throw", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      decodePayload(text);
    }));
  });
});
