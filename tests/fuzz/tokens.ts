import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { authenticate } from "../../src/authenticate.ts";
import { decodeBase64Url, encodeBase64Url } from "../../src/base64url.ts";
import { signedToken } from "../../src/codec/signed.ts";
import { ExpiredTokenError, InvalidTokenError } from "../../src/errors.ts";
import { ringOf, secret } from "../codec/keys.ts";
import { nodeProvider } from "../codec/node-provider.ts";
import { edits, editText, mostly } from "./edits.ts";
import { bound, canonical, keysOf, mac, openToken, tokenHead } from "./reference.ts";
import { type Target, target } from "./target.ts";

/** 2 is the first key of the ring, 1 an older one, 3 of another service. */
const KEYS = { 1: keysOf(secret(1)), 2: keysOf(secret(2)), 3: keysOf(secret(3)) };
const RING = [KEYS[2], KEYS[1]];
const LIFETIME = 3600;
const NOW = 1_700_000_000_000;

const codecs = [
  signedToken(ringOf([2, 1], nodeProvider), { lifetime: LIFETIME }),
  signedToken(ringOf([2, 1]), { lifetime: LIFETIME }),
];

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const name = fc.oneof(
  fc.constantFrom("sid", "session", "__Host-sid", "", "sid\0", "sidé"),
  fc.string(),
);
const moment = mostly(
  fc.integer({ min: -60, max: LIFETIME }).map((age) => NOW + age * 1000),
  fc.oneof(
    fc.constantFrom(
      NOW - 60_001,
      NOW - 61_000,
      NOW + LIFETIME * 1000 + 999,
      NOW + LIFETIME * 1000 + 1000,
    ),
    fc.double(),
  ),
);

/** A token as its maker says it is, whole or with something wrong that only the MAC can tell. */
const crafted = fc.record({
  name,
  otherName: name,
  version: mostly(fc.constant(1), fc.constantFrom(0, 2, 255)),
  signer: fc.constantFrom(1, 2, 2, 2, 3),
  claimed: mostly(fc.constant(0), fc.constantFrom(1, 2, 3)),
  issued: mostly(
    fc.constantFrom(NOW / 1000, NOW / 1000 - 1),
    fc.oneof(
      fc.integer({ min: NOW / 1000 - 2 * LIFETIME, max: NOW / 1000 + 120 }),
      fc.nat({ max: 2 ** 40 - 1 }),
    ),
  ),
  id: bytes(24),
  sealed: mostly(
    fc.constant("true"),
    fc.constantFrom(
      "of another name",
      "of the value only",
      "for another purpose",
      "half",
      "nothing",
      "of a head without its time",
    ),
  ),
}).map((token) => {
  const { version, issued, id, sealed } = token;
  const signer = KEYS[token.signer];
  const keyId = token.claimed === 0 ? signer.id : KEYS[token.claimed].id;
  const head = tokenHead(version, keyId, issued, id);
  const label = "mongostore/v1/token";
  const whole = mac(signer.token, bound(label, token.name, head));
  const made = {
    "true": whole,
    "of another name": mac(signer.token, bound(label, token.otherName, head)),
    "of the value only": mac(signer.token, head),
    "for another purpose": mac(signer.signedData, bound(label, token.name, head)),
    "half": Buffer.concat([whole.subarray(0, 16), Buffer.alloc(16)]),
    "nothing": Buffer.alloc(32),
    "of a head without its time": mac(signer.token, bound(label, token.name, head.subarray(10))),
  }[sealed];
  const owner = sealed === "of another name" ? token.otherName : token.name;
  return { name: token.name, owner, text: Buffer.concat([head, made]).toString("base64url") };
});

const presented = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ token: crafted, changes: edits, as: mostly(fc.constant(null), name) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      token: fc.record({
        name,
        owner: name,
        text: fc.oneof(fc.string(), fc.base64String(), b64url(88)),
      }),
      changes: edits,
      as: fc.constant(null),
    }),
  },
).map(({ token, changes, as }) => ({
  name: as ?? token.name,
  text: editText(token.text, changes),
  isSame: editText(token.text, changes) === token.text && (as ?? token.name) === token.owner,
}));

function b64url(length: number): fc.Arbitrary<string> {
  const unit = fc.constantFrom(
    ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".split(""),
  );
  return fc.string({ unit, minLength: length, maxLength: length });
}

/** The tokens of the authenticate target: two ids, a stale one, an expired one, a foreign one, nonsense. */
const tokensAt = fc.array(
  fc.record({
    id: fc.constantFrom(1, 2),
    key: fc.constantFrom(KEYS[1], KEYS[2], KEYS[3]),
    age: fc.constantFrom(0, 0, LIFETIME + 1, -61),
    changes: fc.oneof(fc.constant([]), edits),
  }).map(({ id, key, age, changes }) => {
    const head = tokenHead(1, key.id, NOW / 1000 - age, new Uint8Array(24).fill(id));
    const tag = mac(key.token, bound("mongostore/v1/token", "sid", head));
    return editText(Buffer.concat([head, tag]).toString("base64url"), changes);
  }),
  { maxLength: 5 },
);

export const tokenTargets: readonly Target[] = [
  target(
    { name: "base64url", runs: 800, reaches: ["bytes", "none"] },
    fc.oneof(fc.base64String(), fc.string(), b64url(7)),
    (text) => {
      const decoded = decodeBase64Url(text);
      assert.deepEqual(decoded && Buffer.from(decoded), canonical(text));
      if (decoded) assert.equal(encodeBase64Url(decoded), text);
      return decoded ? "bytes" : "none";
    },
  ),

  target(
    { name: "token", runs: 700, reaches: ["opens", "opens stale", "expired", "invalid"] },
    fc.record({ presented, now: moment }),
    async (input) => {
      const { presented: { name: as, text, isSame }, now } = input;
      const expected = openToken(RING, LIFETIME, [as, text, now]);
      for (const codec of codecs) {
        for (let again = 0; again < 2; again++) {
          assert.deepEqual(await codec.decode(as, text, now), expected);
        }
        assert.equal(codec.recognizes(text), /^[\w-]{88}$/.test(text));
      }
      if (!expected.ok) return expected.reason;
      assert.equal(isSame, true, "a changed token opens");
      return expected.stale ? "opens stale" : "opens";
    },
  ),

  target(
    { name: "token encoding", runs: 200, reaches: ["encodes"] },
    fc.record({ name, id: bytes(24), now: fc.nat(2 ** 42) }),
    async (input) => {
      const id = new Uint8Array(input.id);
      const head = tokenHead(1, KEYS[2].id, Math.floor(input.now / 1000), id);
      const tag = mac(KEYS[2].token, bound("mongostore/v1/token", input.name, head));
      for (const codec of codecs) {
        assert.equal(
          await codec.encode(input.name, id, input.now),
          Buffer.concat([head, tag]).toString("base64url"),
        );
      }
      return "encodes";
    },
  ),

  target(
    { name: "authenticate", runs: 300, reaches: ["one", "two", "expired", "none"] },
    tokensAt,
    async (tokens) => {
      const opened = tokens.map((text) => openToken(RING, LIFETIME, ["sid", text, NOW]));
      const ids = new Set(opened.map((one) => one.ok ? String(one.id) : ""));
      ids.delete("");
      const isExpired = opened.some((one) => !one.ok && one.reason === "expired");
      for (const codec of codecs) {
        const found = await authenticate([codec], "sid", tokens, NOW);
        if (ids.size === 1) {
          assert.ok("id" in found);
          const first = opened.findIndex((one) => one.ok);
          assert.equal(String(found.id), [...ids][0]);
          assert.equal(found.token, tokens[first]);
        } else if (ids.size === 0 && isExpired) {
          assert.ok(found instanceof ExpiredTokenError);
        } else {
          assert.ok(found instanceof InvalidTokenError);
        }
      }
      return ids.size > 1 ? "two" : ids.size === 1 ? "one" : isExpired ? "expired" : "none";
    },
  ),
];
