import assert from "node:assert/strict";
import { createCipheriv, createHmac, pbkdf2Sync } from "node:crypto";
import test from "node:test";
import { inspect } from "node:util";
import * as fc from "fast-check";
import { CorruptRecordError } from "../../src/errors.ts";
import { type IronSessionOptions, ironSessionReader } from "../../src/legacy/iron-session.ts";
import { rejection } from "../support/secrets.ts";
import { callAt, NOW, openFirst, token, visit } from "./readers.ts";

const PASSWORD = "complex_password_at_least_32_characters_long";
const OTHER = "another_password_at_least_32_characters_long";

// Written by iron-session 8.0.4: sealData({ userId: "42", cart: ["a"], name: "βeta" }, { password: PASSWORD, ttl: 0 }).
const REAL_SEAL =
  "Fe26.2*1*0dc65f602c2079c6dcdcbab89f5a83ea9239f000639825abdbc72973eeb7fe1b*_Hh4R-DzMixVawrwTQim1A*QHzYo6CV1wEJ4fQwvFfON5vsumA3Sp90OOPOw4ap4zDW5CerrpP_RxdJalRGejyJ**63418b8fedc933b577611cfe6aa40ccc7c4a3e42f18dc45d1a066264f451c776*3DIv1duWRhYa_dECUa_mKuYEevEsrkI_S4KSYW09rBI~2";

function readerOf(options: Partial<IronSessionOptions> = {}) {
  return ironSessionReader({ token, cookie: "app", password: PASSWORD, ...options });
}

interface Seal {
  readonly text?: string;
  readonly id?: string;
  readonly expires?: number | string;
  readonly password?: string;
  readonly prefix?: string;
  readonly version?: string;
  readonly salt?: string;
}

/** Seals text as iron-session does, by Node's own crypto. */
function seal({ text = '{"userId":"42"}', id = "1", expires = "", ...more }: Seal = {}): string {
  const { password = PASSWORD, prefix = "Fe26.2", version = "~2", salt = "ab".repeat(32) } = more;
  const iv = Buffer.alloc(16, 7);
  const cipher = createCipheriv("aes-256-cbc", pbkdf2Sync(password, salt, 1, 32, "sha1"), iv);
  const sealed = Buffer.concat([cipher.update(text), cipher.final()]);
  const parts = [prefix, id, salt, iv.toString("base64url"), sealed.toString("base64url"), expires];
  const macSalt = "cd".repeat(32);
  const key = pbkdf2Sync(password, macSalt, 1, 32, "sha1");
  const mac = createHmac("sha256", key).update(parts.join("*")).digest("base64url");
  return `${parts.join("*")}*${macSalt}*${mac}${version}`;
}

test("iron-session: a seal that iron-session wrote opens", async () => {
  const session = await openFirst(readerOf(), [`app=${REAL_SEAL}`]);
  assert.deepEqual(session, {
    values: { userId: "42", cart: ["a"], name: "βeta" },
    subject: undefined,
    expires: undefined,
  });
});

test("iron-session: any JSON object comes back", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.dictionary(fc.string(), fc.jsonValue({ noUnicodeString: false })),
      async (value) => {
        delete value["__proto__"];
        const text = JSON.stringify(value);
        fc.pre(text.length < 2000 && !text.includes("__proto__") && !text.includes("toJSON"));
        assert.deepEqual(
          (await readerOf().open(seal({ text }), callAt()))?.values,
          JSON.parse(text),
        );
      },
    ),
  );
});

test("iron-session: the time in the seal counts", async () => {
  const ends = seal({ expires: NOW + 1 });
  const found = await readerOf().open(ends, callAt());
  assert.equal(found?.expires, NOW + 1);
  assert.equal(await readerOf().open(ends, callAt(NOW + 1)), undefined);
  assert.equal(await readerOf().open(seal({ expires: 1 }), callAt()), undefined);
});

test("iron-session: the password is chosen by its id", async () => {
  const reader = readerOf({ password: { 1: OTHER, 2: PASSWORD } });
  assert.ok(await reader.open(seal({ id: "2" }), callAt()));
  assert.ok(await reader.open(seal({ id: "1", password: OTHER }), callAt()));
  for (const id of ["1", "3", "", "constructor", "__proto__", "toString"]) {
    assert.equal(await reader.open(seal({ id }), callAt()), undefined);
  }
  assert.equal(await readerOf({ password: OTHER }).open(seal(), callAt()), undefined);
});

test("iron-session: other formats are not read", async () => {
  const seals = [
    { prefix: "Fe26.1" },
    { prefix: "fe26.2" },
    { version: "" },
    { version: "~1" },
    { version: "~2~2" },
    { expires: "0" },
    { expires: "1e99" },
    { expires: "-1" },
    { expires: "9".repeat(17) },
    { salt: "ab" },
    { salt: "AB".repeat(32) },
    { salt: "" },
    { id: "a-b" },
    { id: "x".repeat(65) },
  ];
  for (const made of seals) assert.equal(await readerOf().open(seal(made), callAt()), undefined);
});

test("iron-session: every bit flipped and every cut is refused", async () => {
  const reader = readerOf();
  const good = seal({ expires: NOW + 1000 });
  assert.ok(await reader.open(good, callAt()));
  for (let at = 0; at < good.length; at++) {
    assert.equal(await reader.open(good.slice(0, at), callAt()), undefined);
    for (let bit = 1; bit < 128; bit *= 2) {
      const other = String.fromCharCode(good.charCodeAt(at) ^ bit);
      const text = good.slice(0, at) + other + good.slice(at + 1);
      assert.equal(await reader.open(text, callAt()), undefined, text);
    }
  }
});

test("iron-session: an authentic seal of no object is a CorruptRecordError without its text", async () => {
  for (const text of ["null", "5", '"whisper"', "[]", "{whisper", ""]) {
    await rejection(() => readerOf().open(seal({ text }), callAt()), CorruptRecordError, {
      value: "whisper",
      password: PASSWORD,
    });
  }
});

test("iron-session: no key of a seal reaches a prototype", async () => {
  const text = '{"__proto__":{"admin":true},"a":{"__proto__":{"admin":true}}}';
  assert.deepEqual((await readerOf().open(seal({ text }), callAt()))?.values, { a: {} });
});

test("iron-session: nothing that a client sends makes it throw", async () => {
  const parts = fc.array(fc.oneof(fc.base64String(), fc.nat().map(String)), {
    minLength: 6,
    maxLength: 9,
  });
  const text = fc.oneof(fc.string(), parts.map((list) => `Fe26.2*${list.join("*")}~2`));
  await fc.assert(fc.asyncProperty(text, async (value) => {
    assert.equal(await readerOf().open(value, callAt()), undefined);
  }));
});

test("iron-session: a long hostile seal takes no more than a short one's work", async () => {
  const reader = readerOf();
  const started = performance.now();
  for (const filler of ["*", "A", "\\w", "Fe26.2*", "~2"]) {
    for (let i = 0; i < 100; i++) {
      await reader.open(`Fe26.2*1*${filler.repeat(200_000 / filler.length)}~2`, callAt());
    }
  }
  assert.ok(performance.now() - started < 5000);
});

test("iron-session: the cookie is the session's own unless it has another name", () => {
  const sealed = seal();
  assert.deepEqual(readerOf().read(visit(`app=${sealed}`), "session"), [sealed]);
  const own = ironSessionReader({ token, password: PASSWORD });
  assert.deepEqual(own.read(visit(`app=${sealed}`), "session"), []);
  assert.deepEqual(own.read(visit(`session=${sealed}`), "session"), [sealed]);
  assert.deepEqual(own.read(visit(`session=${"A".repeat(88)}`), "session"), []);
});

test("iron-session: misuse", () => {
  assert.throws(() => readerOf({ password: {} }), TypeError);
  assert.throws(() => readerOf({ password: "short" }), RangeError);
  assert.throws(() => readerOf({ password: { 1: PASSWORD, 2: "short" } }), RangeError);
  const shown = inspect(readerOf(), { depth: 20, showHidden: true });
  assert.equal(shown.includes("complex"), false);
});
