// SECURITY.md section 1, operator injection and prototype pollution; section 6, langgraphjs 2351, seroval CVE-2026-23737 and devalue
// CVE-2025-57820.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createMemoryStore, generateKey } from "#mongostore";
import type { StoreOptions } from "#mongostore";
import { Browser } from "../support/browser.ts";
import { describeStores } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

interface Values {
  n: number;
}

/** What JSON of a client can put in the place of text, and a little more. */
const NOT_TEXT: readonly unknown[] = [
  { $ne: null },
  { $gt: "" },
  { $regex: "" },
  { $exists: false },
  { toString: () => "ann" },
  ["ann"],
  [{ $ne: null }],
  /./,
  null,
  0,
  true,
];

/** Passes what TypeScript would refuse and JSON of a client may hold. */
function call(target: object, method: string, ...args: readonly unknown[]): Promise<unknown> {
  const found: unknown = Reflect.get(target, method);
  assert.ok(typeof found === "function");
  return Promise.resolve().then((): unknown => Reflect.apply(found, target, args));
}

describeStores("objects as ids (langgraphjs 2351)", (place) => {
  const users = async () => {
    const store = await place().open<Values>();
    for (const user of ["ann", "bob", undefined]) {
      await visit(store, new Browser(), (session) => {
        session.values.n = 1;
        session.subject = user;
        session.meta = "a phone";
      });
    }
    return store;
  };

  it("what is no text lists nobody's sessions: TypeError", async () => {
    const store = await users();
    for (const subject of [...NOT_TEXT, undefined]) {
      await assert.rejects(call(store, "list", subject), TypeError);
    }
    assert.deepEqual(await store.list('{"$ne":null}'), []);
    assert.equal((await store.list("ann")).length, 1);
  });

  it("what is no text ends nobody's sessions: TypeError", async () => {
    const store = await users();
    const other = new Browser();
    const { session } = await visit(store, other, (made) => made.addFlash("x"));
    for (const subject of [...NOT_TEXT, undefined]) {
      await assert.rejects(call(store, "revokeAll", subject), TypeError);
      await assert.rejects(call(store, "revokeAll", subject, { except: session }), TypeError);
    }
    assert.equal((await look(store, other)).isNew, false);
    for (const user of ["ann", "bob"]) assert.equal((await store.list(user)).length, 1, user);
  });

  it("what is no text is no handle, and a subject that is no text never opens the way to a handle", async () => {
    const store = await users();
    const [{ handle } = { handle: "" }] = await store.list("bob");
    for (const subject of [...NOT_TEXT, undefined]) {
      assert.equal(await call(store, "revoke", subject), false);
      await assert.rejects(call(store, "revoke", handle, { subject }), TypeError);
    }
    assert.equal((await store.list("bob")).length, 1);
  });

  it("a token is text of a fixed length, whatever arrives: objects as text find nobody's session", async () => {
    const [store, browser] = [await users(), new Browser()];
    const texts = [
      '{"$ne":null}',
      "%7B%22%24ne%22%3Anull%7D",
      "j:{%22%24ne%22:null}",
      "[object Object]",
      "$ne",
      "null",
      "session[$ne]=",
    ];
    for (const text of texts) {
      browser.present(text);
      const found = await look(store, browser);
      assert.deepEqual([found.isNew, { ...found.values }], [true, {}], text);
    }
  });
});

describe("cookie flags", () => {
  it("an option that is undefined leaves the default: Secure and HttpOnly are not lost by accident", async () => {
    const options: StoreOptions<Values> = { keys: [generateKey()], cookie: {} };
    for (const flag of ["secure", "httpOnly", "sameSite", "path", "partitioned"]) {
      Reflect.set(options.cookie ?? {}, flag, undefined);
    }
    const { response } = await visit(createMemoryStore(options), new Browser(), (session) => {
      session.values.n = 1;
    });
    const [cookie = ""] = response.headers.getSetCookie();
    assert.match(cookie, /; Path=\/; Secure; HttpOnly; SameSite=Lax$/);
  });
});

/** Every object of a value is of a type that revives, and none was put on a prototype chain. */
function assertHarmless(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const prototype: unknown = Object.getPrototypeOf(value);
  const known = [Object, Array, Date, Map, Set, Uint8Array, URL, RegExp].map((type): unknown =>
    type.prototype
  );
  assert.ok(prototype === null || known.includes(prototype), "a prototype of its own");
  for (const key of Reflect.ownKeys(value)) assertHarmless(Reflect.get(value, key));
}

const HOSTILE: readonly string[] = [
  '{"values":{"__proto__":{"polluted":1}}}',
  '{"values":{"a":{"__proto__":{"polluted":1}}}}',
  '{"values":{"constructor":{"prototype":{"polluted":1}}}}',
  '{"__proto__":{"values":{"n":1}}}',
  '{"values":{},"flashes":[["__proto__","x",{"__proto__":{"polluted":1}}]]}',
  '{"values":{"toString":1,"hasOwnProperty":1,"valueOf":{"then":1}}}',
  '{"values":[],"maxAge":"x"}',
  '[{"values":1},{"__proto__":2},{"polluted":3},1]',
  '[{"values":1},["Object","__proto__"]]',
  '[{"values":1},["null","__proto__",2],1]',
  '[{"values":1},{"a":2},["Function","return 1"]]',
  '[{"values":1},{"a":2},["Promise",3],1]',
  '[{"values":1},{"a":2},["Error","x"]]',
  '[{"values":1},{"a":2},["Map",3,-6],"__proto__"]',
  '[{"values":1},{"a":1}]',
  '[{"values":1},{"a":2},["Uint8Array",3],["ArrayBuffer","A"]]',
  '[{"values":1},{"a":4294967295}]',
  '[{"values":1},{"a":-1}]',
  '{"next":"__proto__","join":true}',
  `{"values":${"[".repeat(5_000)}${"]".repeat(5_000)}}`,
  "[" + "[".repeat(50_000),
  "",
  "null",
  "undefined",
];

describeStores(
  "a reviving parser in plain mode (seroval CVE-2026-23737, devalue CVE-2025-57820)",
  (place, kind) => {
    if (kind === "memory") return;

    it("hostile text in the database neither runs nor pollutes, and a save after it works", async () => {
      const here = place();
      const { collection } = here;
      assert.ok(collection);
      const store = await here.open<Values>({ data: "plain" });
      for (const data of HOSTILE) {
        await collection.deleteMany();
        const browser = new Browser();
        await visit(store, browser, (session) => {
          session.values.n = 1;
        });
        await collection.updateOne({}, { $set: { data } });
        const session = await look(store, browser);
        const title = data.slice(0, 60);
        assertHarmless(session.values);
        assert.equal(Reflect.get({}, "polluted"), undefined, title);
        assert.equal(Reflect.get(session.values, "polluted"), undefined, title);
        if (session.isNew) {
          assert.equal(
            session.error?.code,
            data.includes("next") ? session.error?.code : "CORRUPT_RECORD",
            title,
          );
        }
        await visit(store, browser, (own) => {
          own.values = { n: 2 };
        });
        assert.equal((await look(store, browser)).values.n, 2, title);
      }
    });
  },
);
