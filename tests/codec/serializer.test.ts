import assert from "node:assert/strict";
import test from "node:test";
import { inspect } from "node:util";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { parse, sameValue, serialize } from "../../src/codec/serializer.ts";
import { UnserializableValueError } from "../../src/errors.ts";

function roundTrip(value: Record<string, unknown>): unknown {
  const parsed = parse(serialize(value));
  assert.ok(parsed.ok);
  return parsed.value;
}

/** deepStrictEqual finds its way through nested maps with objects as keys slowly or not at all; order counts here. */
function equal(a: unknown, b: unknown): boolean {
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) {
    return Object.is(a, b);
  }
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const [mine, theirs] = [inside(a), inside(b)];
  return mine.length === theirs.length && mine.every((item, i) => equal(item, theirs[i]));
}

function inside(value: object): unknown[] {
  if (value instanceof Date) return [value.getTime()];
  if (value instanceof URL || value instanceof RegExp) return [String(value)];
  if (value instanceof Map || value instanceof Set) return [...value];
  return Object.entries(value).flat();
}

function nest(levels: number): Record<string, unknown> {
  let value: Record<string, unknown> = {};
  for (let i = 1; i < levels; i++) value = { next: value };
  return value;
}

test("serializer: what JSON keeps is JSON", () => {
  const value = { a: [1, -2.5, 1e300, "x", true, null, {}, []], "": { "é ✓": '\u2028\0"\\' } };
  assert.equal(serialize(value), JSON.stringify(value));
  assert.deepEqual(roundTrip(value), value);
  assert.equal(serialize({}), "{}");
});

test("serializer: every supported type comes back as it was", () => {
  const value = {
    missing: undefined,
    list: [undefined, NaN, Infinity, -Infinity, -0, 0, null],
    at: new Date("2024-02-29T12:34:56.789Z"),
    ancient: new Date(-8.64e15),
    map: new Map<unknown, unknown>([["k", new Set([1n, "x"])], [{ a: 1 }, undefined], [NaN, -0]]),
    big: -(2n ** 200n),
    bytes: Uint8Array.of(0, 1, 255),
    none: new Uint8Array(0),
    url: new URL("https://user@example.org:8443/päth?q=%20#f"),
    pattern: /a\/[b"]\u{1f600}/giu,
    bare: Object.assign(Object.create(null), { toString: 1 }),
    constructor: { prototype: 1 },
  };
  const back = roundTrip(value);
  assert.deepStrictEqual(back, value);
  assert.equal(serialize(value).startsWith("["), true);
  assert.ok(back && typeof back === "object" && Object.hasOwn(back, "missing"));
});

test("serializer: each thing that JSON loses is enough by itself to leave JSON", () => {
  for (
    const value of [undefined, NaN, Infinity, -Infinity, -0, 1n, new Date(0), new Set(), new Map()]
  ) {
    for (const values of [{ value }, { a: [{ value }] }]) {
      assert.equal(serialize(values).startsWith("["), true);
      assert.deepStrictEqual(roundTrip(values), values);
    }
  }
});

test("serializer: any supported value comes back, and is written the same again", () => {
  const leaf = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
    fc.double(),
    fc.integer(),
    fc.boolean(),
    fc.constantFrom(null, undefined, NaN, -0, Infinity, ""),
    fc.bigInt(),
    fc.date({ noInvalidDate: true }),
    fc.uint8Array().map((bytes) => Uint8Array.from(bytes)),
    fc.webUrl().map((url) => new URL(url)),
    fc.string().map((text) =>
      new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&"), "gu".slice(text.length % 3))
    ),
  );
  const key = fc.string().filter((name) => name !== "__proto__");
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      leaf,
      fc.array(tie("value"), { maxLength: 5 }),
      fc.dictionary(key, tie("value"), { maxKeys: 5 }),
      fc.array(tie("value"), { maxLength: 5 }).map((items) => new Set(items)),
      fc.array(fc.tuple(tie("value"), tie("value")), { maxLength: 4 }).map((entries) =>
        new Map(entries)
      ),
    ),
  }));
  fc.assert(
    fc.property(fc.dictionary(key, value, { noNullPrototype: true, maxKeys: 6 }), (values) => {
      const text = serialize(values);
      const parsed = parse(text);
      assert.ok(parsed.ok);
      assert.ok(equal(parsed.value, values));
      assert.equal(serialize(parsed.value), text);
      // What is stored goes through UTF-8.
      assert.equal(new TextDecoder().decode(new TextEncoder().encode(text)), text);
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("serializer: what JSON keeps is read back from any JSON", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ noUnicodeString: false })), (values) => {
      const text = JSON.stringify(values);
      const parsed = parse(text);
      if (text.includes("__proto__")) return;
      assert.deepEqual(parsed, { ok: true, value: JSON.parse(text) });
    }),
    { seed: 7, numRuns: 300 },
  );
});

test("serializer: hostile text gives ok: false and nothing is thrown", () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `[${text}]`),
        fc.json().map((json) => `[${json}]`),
        fc.array(
          fc.oneof(
            fc.jsonValue(),
            fc.array(
              fc.oneof(
                fc.integer({ min: -8, max: 9 }),
                fc.constantFrom(
                  "Map",
                  "Set",
                  "Date",
                  "URL",
                  "RegExp",
                  "BigInt",
                  "null",
                  "Object",
                  "Uint8Array",
                  "ArrayBuffer",
                ),
                fc.string(),
              ),
            ),
          ),
        )
          .map((value) => JSON.stringify(value)),
      ),
      (text) => {
        const parsed = parse(text);
        if (parsed.ok) assert.ok(parsed.value);
        if (parsed.ok) serialize(parsed.value);
      },
    ),
    { seed: 11, numRuns: 2000 },
  );
});

test("serializer: only the listed types revive", () => {
  const texts = [
    "",
    " ",
    "null",
    "1",
    '"x"',
    "{",
    "[",
    "[]",
    "{}x",
    " {}",
    "\n[{}]",
    "\ufeff{}",
    "-1",
    "[[]]",
    '[["Set"]]',
    '[["Map"]]',
    '[["Date","2020-01-01"]]',
    "[1]",
    "[null]",
    '[{"a":1},["Object",2],"x"]',
    '[{"a":1},["ArrayBuffer","AAAA"]]',
    '[{"a":1},["Uint16Array",2],["ArrayBuffer","AAAA"]]',
    '[{"a":1},["DataView",2],["ArrayBuffer","AAAA"]]',
    '[{"a":1},["URLSearchParams","a=b"]]',
    '[{"a":1},["Temporal.Instant","2020-01-01T00:00:00Z"]]',
    '[{"a":1},["Date",""]]',
    '[{"a":1},["Date","yesterday"]]',
    '[{"a":1},["Function","x"]]',
    '[{"a":1},["constructor","x"]]',
    '[{"a":1},["__proto__","x"]]',
    '[{"a":1},["RegExp","("]]',
    '[{"a":1},["RegExp","a","gg"]]',
    '[{"a":1},["BigInt","x"]]',
    '[{"a":1},["URL","no url"]]',
    '[{"a":1},["Uint8Array",1]]',
    '[{"a":9}]',
    '[{"a":0}]',
    '[{"a":1},[0]]',
    '[{"a":1},[1]]',
    '[{"a":"1"}]',
    '[{"a":null}]',
    '[{"a":1},[2,-2,2],5]',
    "[[-7,4294967295]]",
    '[{"a":1},[-7,4294967295]]',
    '[{"a":1},[-7,3,0,2],1]',
    '[["null","__proto__",1],{}]',
  ];
  for (const text of texts) assert.deepEqual(parse(text), { ok: false }, text);
});

test("serializer: a key named __proto__ is refused in every spelling", () => {
  const names = ["__proto__", "\\u005f_proto__", "_\\u005Fproto_\\u005f", "__pr\\u006fto__"];
  for (const name of names) {
    for (
      const text of [
        `{"${name}":{"admin":true}}`,
        `{"a":[{"${name}":1}]}`,
        `[{"${name}":1},{"admin":2},true]`,
        `[{"a":1},{"${name}":2},{}]`,
        `[["null","${name}",1],{}]`,
      ]
    ) assert.deepEqual(parse(text), { ok: false }, text);
  }
  const own = { ["__proto__"]: 1 };
  assert.throws(() => serialize({ a: own }, "values"), { path: "values.a.__proto__" });
  const harmless = parse('{"constructor":{"prototype":{"x":1}},"a":"__proto__"}');
  assert.ok(harmless.ok);
  assert.equal(Reflect.get({}, "x"), undefined);
  assert.equal(Object.getPrototypeOf(harmless.value), Object.prototype);
});

class Cart {
  items = [];
}
class Registry extends Map<string, string> {}
class List extends Array<number> {}

test("serializer: what cannot come back is refused with its path, and its value is not told", () => {
  const holes: number[] = [1, 2, 3];
  Reflect.deleteProperty(holes, 1);
  const cycle: Record<string, unknown> = {};
  cycle["self"] = [cycle];
  const cases: [unknown, string, RegExp][] = [
    [{ total: () => "hunter2" }, "values.v.total", /a function$/],
    [[0, [Symbol("hunter2")]], "values.v[1][0]", /a symbol$/],
    [{ [Symbol("hunter2")]: 1 }, "values.v", /symbol as a key$/],
    [new Cart(), "values.v", /an instance of Cart$/],
    [new Registry([["k", "hunter2"]]), "values.v", /an instance of Registry$/],
    [new List(), "values.v", /an instance of List$/],
    [Object(1), "values.v", /an instance of Number$/],
    [Object("hunter2"), "values.v", /an instance of String$/],
    [Object(1n), "values.v", /an instance of BigInt$/],
    [new Uint16Array(2), "values.v", /an instance of Uint16Array$/],
    [new ArrayBuffer(2), "values.v", /an instance of ArrayBuffer$/],
    [new DataView(new ArrayBuffer(2)), "values.v", /an instance of DataView$/],
    [Buffer.from("hunter2"), "values.v", /a Buffer; a Uint8Array can be$/],
    [Promise.resolve(1), "values.v", /an instance of Promise$/],
    [new WeakMap(), "values.v", /an instance of WeakMap$/],
    [new WeakSet(), "values.v", /an instance of WeakSet$/],
    [new Error("hunter2"), "values.v", /an instance of Error$/],
    [new URLSearchParams("a=hunter2"), "values.v", /an instance of URLSearchParams$/],
    [new Date(NaN), "values.v", /an invalid Date$/],
    [Object.assign(new Date(0), { zone: "hunter2" }), "values.v", /an instance of Date$/],
    [Object.create(Date.prototype), "values.v", /an instance of Date$/],
    [Object.create(Map.prototype), "values.v", /an instance of Map$/],
    [Object.create(Uint8Array.prototype), "values.v", /an instance of Uint8Array$/],
    [Object.create(URL.prototype), "values.v", /an instance of URL$/],
    [Object.create(RegExp.prototype), "values.v", /an instance of RegExp$/],
    [Object.create(Object.create(null)), "values.v", /an object of no known kind$/],
    [Object.create({ inherited: "hunter2" }), "values.v", /an instance of Object$/],
    [holes, "values.v", /an array with holes/],
    [Object.assign([0], { length: 3 }), "values.v", /an array with holes/],
    [Object.assign([], { 1: 1, length: 2, extra: 1 }), "values.v", /an array with holes/],
    ["hunter2".match(/h/), "values.v", /fields of its own$/],
    [new Map([["hunter2", [() => 1]]]), "values.v[0][1][0]", /a function$/],
    [new Map<unknown, number>([[1, 1], [() => 1, 2]]), "values.v[1][0]", /a function$/],
    [new Set(["hunter2", new Cart()]), "values.v[1]", /an instance of Cart$/],
    [{ "odd key": { "0": Symbol() } }, 'values.v["odd key"]["0"]', /a symbol$/],
    [cycle, "values.v.self[0]", /it contains itself$/],
  ];
  for (const [value, path, what] of cases) {
    assert.throws(() => serialize({ v: value }, "values"), (error) => {
      assert.ok(error instanceof UnserializableValueError, String(error));
      assert.equal(error.path, path);
      assert.match(error.message, what);
      assert.equal(inspect(error, { depth: 9, showHidden: true }).includes("hunter2"), false);
      return true;
    });
  }
  assert.throws(() => serialize({ values: { a: () => 1 } }), { path: "values.a" });
});

test("serializer: getters never run", () => {
  let ran = 0;
  const value = {
    get total() {
      return ++ran;
    },
  };
  assert.throws(() => serialize({ cart: value }, "values"), { path: "values.cart.total" });
  const hidden = Object.defineProperty({}, "toJSON", { value: () => ++ran });
  assert.throws(() => serialize({ hidden }, "values"), { path: "values.hidden.toJSON" });
  assert.throws(() => serialize({ toJSON: () => ++ran }, "values"), { path: "values.toJSON" });
  const secret = Object.defineProperty({ a: 1 }, "b", { value: 2 });
  assert.throws(() => serialize({ secret }, "values"), { path: "values.secret.b" });
  assert.equal(ran, 0);
});

test("serializer: a hundred levels are written and read, one more is not", () => {
  const text = serialize(nest(100));
  assert.equal(parse(text).ok, true);
  assert.throws(() => serialize(nest(101), "values"), /nested more than 100 levels/);
  assert.deepEqual(parse(`{"next":${text}}`), { ok: false });
  const rich = { next: nest(99), at: new Date(0) };
  assert.equal(parse(serialize(rich)).ok, true);
  assert.throws(() => serialize({ next: rich }), /nested more than 100 levels/);
});

test("serializer: depth is counted where an object is met a second time, too", () => {
  const deep = nest(60);
  assert.equal(parse(serialize({ deep, again: { deep } })).ok, true);
  let far: unknown = deep;
  for (let i = 0; i < 40; i++) far = [far];
  assert.throws(() => serialize({ deep, far }, "values"), UnserializableValueError);
  // Bottom first: each list holds the one before, and none is met deep down.
  const count = 5000;
  const chain = Array.from({ length: count }, (_, i) => (i === 0 ? [] : [i + 1]));
  const root = Array.from(chain, (_, i) => i + 2);
  const text = JSON.stringify([{ all: 1 }, root, ...chain]);
  assert.deepEqual(parse(text), { ok: false });
});

test("serializer: an object met twice comes back as one, and costs no more", () => {
  const address = { street: "x" };
  const back = roundTrip({ billing: address, shipping: address });
  assert.ok(back && typeof back === "object");
  assert.equal(Reflect.get(back, "billing"), Reflect.get(back, "shipping"));
  // 2^90 paths lead to the last list.
  const lists = Array.from({ length: 90 }, (_, i) => [i + 2, i + 2]);
  const start = performance.now();
  const parsed = parse(JSON.stringify([{ a: 1 }, ...lists, "end"]));
  assert.ok(parsed.ok);
  assert.equal(parse(serialize(parsed.value)).ok, true);
  assert.equal(sameValue(parsed.value, { ...parsed.value }), true);
  assert.ok(performance.now() - start < 1000);
});

test("serializer: hostile sizes are refused at once or read in linear time", () => {
  const start = performance.now();
  const sparse = Array.from({ length: 2000 }, () => [-7, 4294967295]);
  assert.deepEqual(parse(JSON.stringify([{ a: 1 }, ...sparse])), { ok: false });
  const many = JSON.stringify([{ a: 1 }, sparse.map((_, i) => i + 2), ...sparse]);
  assert.deepEqual(parse(many), { ok: false });
  assert.deepEqual(parse(`{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`), { ok: false });
  assert.deepEqual(parse(`{"a":${"[".repeat(100_000)}`), { ok: false });
  const tower = Array.from({ length: 60_000 }, (_, i) => [i + 1]);
  assert.deepEqual(parse(JSON.stringify([{ a: 1 }, ...tower])), { ok: false });
  const wide = parse(`[{"a":1},[${"2,".repeat(100_000)}2],0]`);
  assert.equal(wide.ok, true);
  assert.ok(performance.now() - start < 5000);
});

test("serializer: a view of bytes takes nothing along from around it", () => {
  const buffer = new TextEncoder().encode("hunter2 abc hunter2");
  const back = roundTrip({ bytes: buffer.subarray(8, 11), again: buffer.subarray(8, 11) });
  assert.deepEqual(back, {
    bytes: Uint8Array.of(97, 98, 99),
    again: Uint8Array.of(97, 98, 99),
  });
  const text = serialize({ bytes: buffer.subarray(8, 11) });
  assert.equal(text, '[{"bytes":1},["Uint8Array",2],["ArrayBuffer","YWJj"]]');
});

test("serializer: lone surrogates survive UTF-8", () => {
  for (const text of ["\ud800", "a\udfffb", "\\\ud83d", "\ud83d\ude00\ud83d", "\udc00\ud800"]) {
    for (
      const value of [{ [text]: text }, { [text]: text, at: new Date(0), set: new Set([text]) }]
    ) {
      const stored = new TextDecoder().decode(new TextEncoder().encode(serialize(value)));
      assert.deepEqual(parse(stored), { ok: true, value });
    }
  }
});

test("serializer: plain objects and arrays of another realm are plain", () => {
  const foreign: unknown = runInNewContext("({ a: [1, { b: 2 }] })");
  assert.equal(serialize({ foreign }), '{"foreign":{"a":[1,{"b":2}]}}');
  const instance: unknown = runInNewContext("new (class Foreign {})()");
  assert.throws(() => serialize({ instance }), /an instance of Foreign$/);
});

test("sameValue: equal where the text is", () => {
  const same: [unknown, unknown][] = [
    [1, 1],
    ["x", "x"],
    [NaN, NaN],
    [null, null],
    [undefined, undefined],
    [1n, 1n],
    [-0, -0],
    [{ a: [1, { b: null }] }, { a: [1, { b: null }] }],
    [new Date(5), new Date(5)],
    [new Map([[1, new Set(["x"])]]), new Map([[1, new Set(["x"])]])],
    [new Uint8Array(3), new Uint8Array(9).subarray(2, 5)],
    [[undefined], [undefined]],
  ];
  const different: [unknown, unknown][] = [
    [1, 2],
    [0, -0],
    [1, "1"],
    [1, 1n],
    [null, undefined],
    [null, {}],
    [{}, []],
    ["", null],
    [{ a: 1 }, { a: 1, b: undefined }],
    [{ a: 1, b: 2 }, { b: 2, a: 1 }],
    [new Date(5), new Date(6)],
    [new Date(0), "1970-01-01T00:00:00.000Z"],
    [new Set(["a"]), [["Set", 1], "a"]],
    [new Set([1, 2]), new Set([2, 1])],
    [new Map([[1, 2]]), new Map([[1, 3]])],
    [[1, [2]], [1, 2]],
    [/a/g, /a/i],
    [[undefined], [null]],
    [[NaN], [null]],
    [{ value: 1 }, 1],
  ];
  for (const [a, b] of same) assert.equal(sameValue(a, b), true, inspect([a, b]));
  for (const [a, b] of different) {
    assert.equal(sameValue(a, b), false, inspect([a, b]));
    assert.equal(sameValue(b, a), false, inspect([b, a]));
  }
});
