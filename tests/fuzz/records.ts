import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { BSON } from "mongodb";
import { fromDocument, parseHandle, recordKey } from "../../src/backend/record.ts";
import { sealedData } from "../../src/codec/sealed.ts";
import { decodePayload, encodePayload } from "../../src/payload.ts";
import { ringOf } from "../codec/keys.ts";
import { nodeProvider } from "../codec/node-provider.ts";
import { editBytes, edits, editText, mostly, overwrites, rareEdits } from "./edits.ts";
import { canonical } from "./reference.ts";
import { type Target, target } from "./target.ts";

const CREATED = Date.UTC(2026, 0, 1);
const codec = sealedData(ringOf([1], nodeProvider));
const KEY = recordKey(Uint8Array.from({ length: 20 }, (_, i) => i));
const PLACE = { name: "sid", key: KEY.bytes, created: CREATED };
const fixed = sealedData(ringOf([1], nodeProvider), { random: (length) => new Uint8Array(length) });
const sealed = await fixed.protect('{"values":{}}', PLACE);
const DOCUMENT = {
  _id: KEY.bytes,
  name: PLACE.name,
  data: sealed,
  rev: new Uint8Array(8).fill(7),
  created: new Date(CREATED),
  modified: new Date(CREATED + 1000),
  expires: new Date(CREATED + 3_600_000),
  subject: "ann",
};
const STORED = BSON.serialize(DOCUMENT);

/** What BSON can hold in a field, and what the driver makes of it. */
export const bsonValue: fc.Arbitrary<unknown> = fc.oneof(
  fc.anything({ withDate: true, withBigInt: true, withTypedArray: true, withNullPrototype: true }),
  fc.uint8Array({ maxLength: 24 }).map((bytes) => Buffer.from(bytes)),
  fc.constantFrom(8, 20, 24).map((length) => new Uint8Array(length)),
  fc.date({ noInvalidDate: false }),
  fc.string({ unit: "binary" }),
  fc.constantFrom(
    new BSON.Binary(new Uint8Array(20)),
    new BSON.Binary(new Uint8Array(8), 4),
    new BSON.ObjectId("0123456789abcdef01234567"),
    BSON.Long.MAX_VALUE,
    BSON.Long.fromNumber(CREATED),
    new BSON.Timestamp({ t: 1, i: 2 }),
    BSON.Decimal128.fromString("NaN"),
    new BSON.MinKey(),
    new BSON.MaxKey(),
    new BSON.Code("function () {}", { a: 1 }),
    new BSON.DBRef("users", new BSON.ObjectId("0123456789abcdef01234567")),
    new BSON.BSONSymbol("s"),
    new BSON.Double(NaN),
    new BSON.Int32(1),
    new BSON.BSONRegExp("a", "i"),
    /a/,
    { $gt: "" },
    { _bsontype: "Binary", sub_type: 0, buffer: new Uint8Array(20), position: 20 },
    { toJSON: "no function", toBigInt: 1 },
    new Uint16Array(20),
  ),
);

const fields = Object.keys(DOCUMENT);
const altered = fc.record({
  changed: fc.dictionary(fc.constantFrom(...fields), bsonValue, {
    maxKeys: 3,
    noNullPrototype: true,
  }),
  left: fc.subarray(fields, { maxLength: 1 }),
  more: fc.dictionary(fc.string(), bsonValue, { maxKeys: 2, noNullPrototype: true }),
}).map(({ changed, left, more }) =>
  Object.fromEntries(
    Object.entries({ ...more, ...DOCUMENT, ...changed }).filter(([name]) => !left.includes(name)),
  )
);

function isBytes(value: unknown, length?: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === (length ?? value.length);
}

function isTime(value: unknown): value is Date {
  return value instanceof Date && Number.isInteger(value.getTime());
}

/** The record that a document is, as backend/record.ts documents it. */
function recordOf(
  { _id, name, data, rev, created, modified, expires, subject }: Record<string, unknown>,
) {
  const isRecord = isBytes(_id, 20) && isBytes(rev, 8) && typeof name === "string" &&
    (isBytes(data) || typeof data === "string") && isTime(created) && isTime(modified) &&
    isTime(expires) && (subject === undefined || typeof subject === "string");
  if (!isRecord) return undefined;
  return {
    key: Buffer.from(_id).toString("base64url"),
    name,
    data: typeof data === "string" ? data : new Uint8Array(data),
    rev: new Uint8Array(rev),
    created: created.getTime(),
    modified: modified.getTime(),
    expires: expires.getTime(),
    subject,
  };
}

function told(document: object): object | undefined {
  const record = fromDocument(document);
  return record && { ...record, key: record.key.text };
}

const jsonText = fc.oneof(
  fc.json(),
  fc.record({ values: fc.object(), meta: fc.jsonValue() }).map((payload) =>
    JSON.stringify(payload)
  ),
  fc.constantFrom(
    '{"values":{"a":1},"flashes":[["k","i",{"x":1}]],"meta":[1],"maxAge":60}',
    '[{"values":1,"meta":3},{"a":2},["Date","2026-01-01T00:00:00.000Z"],["Map",4,1],"k"]',
    '{"next":"AAAAAAAAAAAAAAAAAAAAAAAAAAA","join":true}',
    '{"values":{"__proto__":{"admin":true}}}',
    '[{"values":1},["Map"]]',
    '{"values":{},"maxAge":1.5}',
    '{"values":[]}',
    '{"values":{},"flashes":[{"0":"k","1":"i"}]}',
  ),
);
const FIELD = fc.constantFrom(
  "values",
  "flashes",
  "meta",
  "maxAge",
  "next",
  "join",
  "subject",
  "__proto__",
  "constructor",
  "prototype",
);
const TYPE = fc.constantFrom(
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
  "Int8Array",
);
const INDEX = fc.integer({ min: -7, max: 7 });
/** The flat form of devalue, with indices that lead anywhere. */
const flatText = fc.array(
  fc.oneof(
    fc.dictionary(FIELD, INDEX, { maxKeys: 4, noNullPrototype: true }),
    fc.tuple(TYPE, fc.array(fc.oneof(INDEX, fc.string(), FIELD), { maxLength: 4 })).map((
      [type, rest],
    ) => [type, ...rest]),
    fc.array(INDEX, { maxLength: 4 }),
    fc.oneof(
      fc.string(),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      fc.constantFrom("AAAA", "2026-01-01T00:00:00.000Z", "k"),
    ),
  ),
  { minLength: 1, maxLength: 8 },
).map((flat) => JSON.stringify(flat));

const PROTOTYPES: readonly unknown[] = [
  null,
  ...[Object, Array, Date, Map, Set, Uint8Array, URL, RegExp].map((type): unknown =>
    type.prototype
  ),
];
const ROOT = Reflect.ownKeys(Object.prototype).length;

/** Fails where anything in the value is of a type that does not revive. */
function assertTame(value: unknown, seen = new Set<unknown>()): void {
  if (typeof value !== "object" || value === null || seen.has(value)) {
    assert.ok(typeof value !== "function" && typeof value !== "symbol");
    return;
  }
  seen.add(value);
  assert.ok(PROTOTYPES.includes(Object.getPrototypeOf(value)));
  assert.ok(!Object.hasOwn(value, "__proto__"));
  for (const inner of Object.values(value)) assertTame(inner, seen);
  if (value instanceof Map || value instanceof Set) {
    for (const inner of [...value].flat()) assertTame(inner, seen);
  }
}

export const recordTargets: readonly Target[] = [
  target({ name: "documents", runs: 700, reaches: ["record", "none"] }, altered, (document) => {
    const record = told(document);
    assert.deepEqual(record, recordOf(document));
    assert.deepEqual(told(document), record);
    return record ? "record" : "none";
  }),

  target(
    { name: "BSON", runs: 600, reaches: ["no BSON", "no record", "opens", "refused"] },
    mostly(overwrites, edits),
    async (changes) => {
      const bytes = editBytes(STORED, changes);
      let document: Record<string, unknown>;
      try {
        document = BSON.deserialize(bytes, { promoteBuffers: true });
      } catch {
        return "no BSON"; // the driver refuses it
      }
      const record = fromDocument(document);
      assert.deepEqual(told(document), recordOf(document));
      if (!record) return "no record";
      const { data, name, key, created } = record;
      const opened = await codec.open(data, { name, key: key.bytes, created });
      const isSame = name === PLACE.name && key.text === KEY.text && created === CREATED &&
        typeof data !== "string" && Buffer.from(data).equals(Buffer.from(sealed));
      assert.equal(opened.ok, isSame, "an altered record opens, or a true one does not");
      return isSame ? "opens" : "refused";
    },
  ),

  target(
    { name: "payload", runs: 1000, reaches: ["payload", "successor", "none"] },
    fc.tuple(fc.oneof(jsonText, flatText), rareEdits),
    ([text, changes]) => {
      const payload = decodePayload(editText(text, changes));
      assert.deepEqual(decodePayload(editText(text, changes)), payload);
      assert.equal(Reflect.ownKeys(Object.prototype).length, ROOT);
      if (!payload) return "none";
      if ("next" in payload) {
        assert.equal(typeof payload.next, "string");
        assert.equal(typeof payload.join, "boolean");
        parseHandle(payload.next);
        return "successor";
      }
      const { values, flashes, meta, maxAge, subject } = payload;
      assertTame([values, meta, ...flashes.map(({ value }) => value)]);
      for (const { key, id } of flashes) {
        assert.ok(typeof key === "string" && typeof id === "string");
      }
      // What a save checks: a payload that loads can be saved again.
      assert.ok(maxAge === undefined || Number.isInteger(maxAge), "maxAge is no whole number");
      assert.ok(subject === undefined || typeof subject === "string");
      const again = encodePayload(payload, subject);
      const read = decodePayload(again);
      assert.ok(read && "values" in read);
      assert.equal(encodePayload(read, read.subject), again);
      return "payload";
    },
  ),

  target(
    { name: "handles", runs: 400, reaches: ["key", "none"] },
    fc.tuple(fc.uint8Array({ minLength: 18, maxLength: 22 }), edits),
    ([bytes, changes]) => {
      const text = editText(Buffer.from(bytes).toString("base64url"), changes);
      const expected = canonical(text);
      const key = parseHandle(text);
      assert.deepEqual(
        key && Buffer.from(key.bytes),
        expected?.length === 20 ? expected : undefined,
      );
      if (!key) return "none";
      assert.equal(key.text, text);
      return "key";
    },
  ),
];
