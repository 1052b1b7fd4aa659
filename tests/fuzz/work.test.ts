// Hostile input costs no more than its length, counted and not timed.
import assert from "node:assert/strict";
import test from "node:test";
import { authenticate } from "../../src/authenticate.ts";
import { parseHandle } from "../../src/backend/record.ts";
import { decodeBase64Url } from "../../src/base64url.ts";
import type { TokenCodec } from "../../src/codec/codec.ts";
import { Keyring } from "../../src/codec/keyring.ts";
import type { CryptoProvider, MacKey } from "../../src/codec/provider.ts";
import { sealedData } from "../../src/codec/sealed.ts";
import { serialize } from "../../src/codec/serializer.ts";
import { signedData, signedToken } from "../../src/codec/signed.ts";
import { expressSessionReader } from "../../src/legacy/express-session.ts";
import { CookieToken } from "../../src/transport/cookie.ts";
import { HeaderToken } from "../../src/transport/header.ts";
import { QueryToken } from "../../src/transport/query.ts";
import type { RequestLike, Transport } from "../../src/transport/transport.ts";
import { secret } from "../codec/keys.ts";
import { nodeProvider } from "../codec/node-provider.ts";
import { callAt, token as cookieToken } from "../legacy/readers.ts";
import { unitsOf } from "./work.ts";

const NOW = 1_700_000_000_000;

/** node:crypto, counting what is asked of it. */
class CountingProvider implements CryptoProvider {
  derivations = 0;
  macs = 0;
  epochs = 0;
  opens = 0;

  derive(bytes: Uint8Array<ArrayBuffer>) {
    const keys = nodeProvider.derive(bytes);
    if (keys instanceof Promise) throw new Error("node:crypto never waits");
    this.derivations++;
    return {
      ...keys,
      token: this.#counted(keys.token),
      signedData: this.#counted(keys.signedData),
      sealedData: (salt: Uint8Array<ArrayBuffer>) => {
        this.epochs++;
        const key = keys.sealedData(salt);
        if (key instanceof Promise) throw new Error("node:crypto never waits");
        const open: typeof key.open = (...args) => {
          this.opens++;
          return key.open(...args);
        };
        return { ...key, open };
      },
    };
  }

  #counted(key: MacKey): MacKey {
    return {
      sign: (message) => key.sign(message),
      verify: (mac, message) => {
        this.macs++;
        return key.verify(mac, message);
      },
    };
  }
}

function requestOf(text: string, url = "https://app.example/"): RequestLike {
  return { url, headers: { get: () => text } };
}

/** Texts of about this length that are made to cost much. */
const COOKIES: Readonly<Record<string, (length: number) => string>> = {
  "cookies of another name": (length) => "a=b; ".repeat(length / 5),
  "cookies of one name and value": (length) => "sid=a; ".repeat(length / 7),
  "cookies of one name": (length) =>
    Array.from({ length: length / 12 }, (_, i) => `sid=${i}`).join("; "),
  "nearly the name": (length) => "si".repeat(length / 2),
  "the name and no value": (length) => "sid;".repeat(length / 4),
  "blanks": (length) => " ".repeat(length),
  "blanks around everything": (length) => ` \t sid \t = \t `.repeat(length / 13),
  "blanks behind a value": (length) => `sid=a${" ".repeat(length)};`.repeat(2),
  "blanks in a value": (length) => `sid=a${" ".repeat(length)}b`,
  "separators": (length) => ";".repeat(length),
  "equals signs": (length) => "=".repeat(length),
  "quotes": (length) => 'sid="'.repeat(length / 5),
  "one long value": (length) => `sid=${"a".repeat(length)}`,
};

const SIZES = [10_000, 20_000, 40_000, 80_000];

/** Fails where the work is more than `factor` units for each unit of the text, or grows faster than the text. */
function assertLinear(
  what: string,
  factor: number,
  textOf: (length: number) => string,
  work: (text: string) => unknown,
): void {
  const costs = SIZES.map((size) => {
    const text = textOf(size);
    return unitsOf(() => work(text)) / text.length;
  });
  for (const cost of costs) assert.ok(cost <= factor, `${what}: ${costs.join(", ")} units a unit`);
}

test("work: a cookie header of any make costs a few looks at each of its units", () => {
  const transport = new CookieToken();
  for (const [what, textOf] of Object.entries(COOKIES)) {
    assertLinear(what, 5, textOf, (text) => transport.read(requestOf(text), "sid"));
  }
});

test("work: so do an Authorization header and a query", () => {
  const headers = new HeaderToken();
  const query = new QueryToken();
  const made: ((length: number) => string)[] = [
    (length) => `Bearer ${"a".repeat(length)}`,
    (length) => `Bearer ${" ".repeat(length)}`,
    (length) => `Bearer ${"=".repeat(length)}`,
    (length) => `Bearer ${"a,".repeat(length / 2)}`,
    (length) => "Bearer".repeat(length / 6),
  ];
  for (const textOf of made) {
    assertLinear("a header", 5, textOf, (text) => headers.read(requestOf(text), "sid"));
    assertLinear(
      "a query",
      5,
      textOf,
      (text) => query.read(requestOf("", `https://app.example/?sid=${text}`), "sid"),
    );
  }
});

test("work: decoders measure before they read", () => {
  const long = (length: number) => "A".repeat(length);
  assertLinear("base64url", 1, long, decodeBase64Url);
  assert.equal(unitsOf(() => parseHandle(long(80_000))), 0);
  const codec = signedToken(new Keyring([secret(1)], nodeProvider));
  for (const text of SIZES.map(long)) {
    assert.equal(unitsOf(() => codec.decode("sid", text, NOW)), 0);
    assert.equal(unitsOf(() => codec.recognizes(text)), 0);
  }
});

test("work: the count sees what grows too fast", () => {
  const quadratic = (text: string) => {
    for (let at = 0; at < text.length; at += 100) text.indexOf("z", at);
  };
  assert.throws(() =>
    assertLinear("a scan in a scan", 5, (length) => "a".repeat(length), quadratic)
  );
});

/** Presents a cookie header, and counts what it comes to. */
async function presented(header: string, transport: Transport) {
  const provider = new CountingProvider();
  const codec = signedToken(new Keyring([secret(2), secret(1)], provider));
  const decoded: string[] = [];
  const counting: TokenCodec = {
    recognizes: (text) => codec.recognizes(text),
    encode: (name, id, now) => codec.encode(name, id, now),
    maxAge: (seconds) => codec.maxAge(seconds),
    decode: (name, text, now) => {
      decoded.push(text);
      return codec.decode(name, text, now);
    },
  };
  const found = transport.read(requestOf(header), "sid");
  const tokens = found && "tokens" in found ? found.tokens : [];
  const opened = await authenticate([counting], "sid", tokens, NOW);
  return { tokens: tokens.length, decoded: decoded.length, macs: provider.macs, opened };
}

/** Forged tokens, each under the id of a key of the ring. */
async function forged(count: number): Promise<string[]> {
  const codec = signedToken(new Keyring([secret(1)], nodeProvider));
  const tokens: string[] = [];
  for (let i = 0; i < count; i++) {
    const id = new Uint8Array(24);
    new DataView(id.buffer).setUint32(0, i);
    const token = await codec.encode("sid", id, NOW);
    tokens.push(token.slice(0, -2) + (token.endsWith("AA") ? "BA" : "AA"));
  }
  return tokens;
}

test("work: eight forged tokens cost eight MACs, and 10,000 of them none", async () => {
  const tokens = await forged(10_000);
  const headerOf = (count: number) => tokens.slice(0, count).map((one) => `sid=${one}`).join("; ");
  for (const [count, macs] of [[0, 0], [1, 1], [8, 8], [9, 0], [100, 0], [10_000, 0]] as const) {
    const counts = await presented(headerOf(count), new CookieToken());
    assert.deepEqual([counts.tokens, counts.decoded, counts.macs], [macs, macs, macs]);
    assert.ok(!("id" in counts.opened));
  }
});

test("work: one token twice costs one MAC, and a text of another shape none", async () => {
  const [token = ""] = await forged(1);
  const twice = await presented(`sid=${token}; `.repeat(10_000), new CookieToken());
  assert.deepEqual([twice.tokens, twice.decoded, twice.macs], [1, 1, 1]);
  const others = ["sid=x", `sid=${token}A`, `sid=${token.slice(1)}`, `sid=${token.slice(1)}=`];
  const shapes = await presented(others.join("; "), new CookieToken());
  assert.deepEqual([shapes.tokens, shapes.decoded, shapes.macs], [4, 0, 0]);
});

test("work: a key is chosen by its id: one MAC or none, however many keys there are", async () => {
  const provider = new CountingProvider();
  const ring = new Keyring(Array.from({ length: 50 }, (_, i) => secret(i + 1)), provider);
  const [codec, sealed, signed] = [signedToken(ring), sealedData(ring), signedData(ring)];
  const binding = { name: "sid", key: new Uint8Array(20), created: NOW };
  for (const [key, tries] of [[50, 1], [51, 0]] as const) {
    const own = new Keyring([secret(key)], nodeProvider);
    const token = await signedToken(own).encode("sid", new Uint8Array(24), NOW);
    const [shut, open] = [
      await sealedData(own).protect("{}", binding),
      await signedData(own).protect("{}", binding),
    ];
    Object.assign(provider, { macs: 0, epochs: 0, opens: 0 });
    assert.equal((await codec.decode("sid", token, NOW)).ok, tries === 1);
    assert.equal(provider.macs, tries);
    assert.equal((await sealed.open(shut, binding)).ok, tries === 1);
    assert.deepEqual([provider.epochs, provider.opens], [tries, tries]);
    assert.equal((await signed.open(open, binding)).ok, tries === 1);
    assert.equal(provider.macs, 2 * tries);
  }
  assert.equal(provider.derivations, 50);
});

test("work: data that does not open costs one derivation and one decryption, true data no derivation", async () => {
  const provider = new CountingProvider();
  const codec = sealedData(new Keyring([secret(1)], provider));
  const binding = { name: "sid", key: new Uint8Array(20), created: NOW };
  const data = await sealedData(new Keyring([secret(1)], nodeProvider)).protect("{}", binding);
  assert.ok(typeof data !== "string");
  await codec.open(data, binding);
  Object.assign(provider, { epochs: 0, opens: 0 });
  for (let i = 0; i < 100; i++) {
    assert.equal(
      (await codec.open(data.map((byte, at) => at === 5 ? i + 1 ^ byte : byte), binding)).ok,
      false,
    );
  }
  assert.deepEqual([provider.epochs, provider.opens], [100, 100]);
  for (let i = 0; i < 100; i++) assert.equal((await codec.open(data, binding)).ok, true);
  assert.deepEqual([provider.epochs, provider.opens], [100, 200]);
});

test("work: an older system's reader is asked for at most eight tokens, and loads for none that is forged", async () => {
  let loads = 0;
  const reader = expressSessionReader({
    token: cookieToken,
    secrets: ["the secret of the tests"],
    load: () => Promise.resolve(void loads++),
  });
  const texts = Array.from({ length: 8 }, (_, i) => `connect.sid=s%3A${i}.${"A".repeat(43)}`);
  const found = reader.read(requestOf(texts.join("; ")), "session");
  assert.equal(found.length, 8);
  for (const text of found) assert.equal(await reader.open(text, callAt()), undefined);
  const many = Array.from({ length: 10_000 }, (_, i) => `connect.sid=s%3A${i}.${"A".repeat(43)}`);
  assert.deepEqual(reader.read(requestOf(many.join("; ")), "session"), []);
  assert.equal(loads, 0);
});

test("work: an object that is met on many ways is walked once", () => {
  let walked = 0;
  const counted = (fields: object): object =>
    new Proxy(fields, {
      ownKeys(own) {
        walked++;
        return Reflect.ownKeys(own);
      },
    });
  for (const levels of [10, 20, 40, 80]) {
    let shared = counted({ end: 1 });
    for (let i = 1; i < levels; i++) shared = counted({ left: shared, right: shared });
    walked = 0;
    serialize({ shared });
    assert.ok(walked <= 4 * levels, `${walked} walks through ${levels} objects`); // 2 ** levels ways
  }
});
