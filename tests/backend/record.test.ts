import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { fromDocument, parseHandle, recordKey, toDocument } from "../../src/backend/record.ts";
import { newInsert } from "../contract/backend.ts";

const bytes20 = fc.uint8Array({ minLength: 20, maxLength: 20 });

describe("a record's key", () => {
  it("is 27 characters of base64url", () => {
    fc.assert(fc.property(bytes20, (bytes) => {
      const { text } = recordKey(new Uint8Array(bytes));
      assert.equal(text, Buffer.from(bytes).toString("base64url"));
    }));
  });

  it("comes back from its text", () => {
    fc.assert(fc.property(bytes20, (bytes) => {
      const key = parseHandle(recordKey(new Uint8Array(bytes)).text);
      assert.deepEqual(key?.bytes, new Uint8Array(bytes));
    }));
  });

  it("has one spelling: any other text is none", () => {
    const { text } = recordKey(new Uint8Array(20).fill(0xff));
    assert.equal(text, "__________________________8");
    const wrong = [
      "",
      text.slice(1),
      `${text}A`,
      `${text}=`,
      ` ${text.slice(1)}`,
      `${text}\n`,
      text.replaceAll("_", "/"),
      text.replace("8", "9"), // a bit that belongs to no byte
      `é${text.slice(1)}`,
    ];
    for (const one of wrong) assert.equal(parseHandle(one), undefined, one);
    fc.assert(fc.property(fc.string(), (one) => {
      const key = parseHandle(one);
      assert.ok(key === undefined || key.text === one);
    }));
  });

  it("refuses other lengths", () => {
    for (const length of [0, 19, 21, 24]) {
      assert.throws(() => recordKey(new Uint8Array(length)), RangeError);
    }
  });
});

describe("a record's document", () => {
  const insert = newInsert(Date.UTC(2026, 0, 1), { subject: "ann" });
  const document = toDocument(insert);

  it("is read as it was written", () => {
    const { key, name, data, rev, created, subject, expiry } = insert;
    const record = fromDocument({ ...document, now: new Date() });
    assert.equal(record?.key.text, key.text);
    assert.deepEqual({ ...record, key: 0 }, {
      key: 0,
      name,
      data,
      rev,
      created,
      modified: created,
      expires: created + expiry.idle,
      subject,
    });
  });

  it("gives a key and a rev of its own, not views of a buffer that the driver shares", () => {
    const pool = Buffer.alloc(64, 7);
    const record = fromDocument({
      ...document,
      _id: pool.subarray(8, 28),
      data: pool.subarray(3, 9),
      rev: pool.subarray(0, 8),
    });
    assert.deepEqual(record?.data, new Uint8Array(6).fill(7));
    pool.fill(0);
    assert.deepEqual(record?.key.bytes, new Uint8Array(20).fill(7));
    assert.deepEqual(record?.rev, new Uint8Array(8).fill(7));
  });

  it("may lack a subject, and nothing else", () => {
    for (const field of Object.keys(document)) {
      const rest = Object.fromEntries(Object.entries(document).filter(([name]) => name !== field));
      const isThere = fromDocument(rest) !== undefined;
      assert.equal(isThere, field === "subject", field);
    }
  });

  it("is no record when a field is of another type, length or range", () => {
    const others = [
      null,
      0,
      1.5,
      NaN,
      1n,
      true,
      [],
      {},
      { $gt: "" },
      Symbol.iterator,
      () => {},
      /x/,
      new Date(NaN),
      new Uint8Array(0),
      new Uint8Array(21),
      new Uint16Array(20),
      new ArrayBuffer(20),
      { length: 20 },
    ];
    const fine: Record<string, readonly unknown[]> = {
      data: [others[13], others[14]],
    };
    for (const field of Object.keys(document)) {
      for (const other of others) {
        const record = fromDocument({ ...document, [field]: other });
        const isFine = fine[field]?.includes(other) ?? false;
        assert.equal(record !== undefined, isFine, `${field}: ${inspect(other)}`);
      }
    }
    for (const field of ["_id", "rev", "created", "modified", "expires"]) {
      assert.equal(fromDocument({ ...document, [field]: "text" }), undefined, field);
    }
    for (const field of ["name", "subject"]) {
      assert.equal(fromDocument({ ...document, [field]: new Uint8Array(8) }), undefined, field);
    }
  });

  it("survives any object", () => {
    fc.assert(fc.property(fc.object({ withBigInt: true, withDate: true }), (object) => {
      assert.equal(fromDocument(object), undefined);
    }));
    fc.assert(fc.property(fc.array(fc.anything()), (array) => {
      assert.equal(fromDocument(array), undefined);
    }));
  });
});
