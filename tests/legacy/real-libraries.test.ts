import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { after, before, test } from "node:test";
import { createWebCryptoAdapter, MongoStore } from "connect-mongo";
import session from "express-session";
import { getIronSession, sealData } from "iron-session";
import { type Collection, MongoClient } from "mongodb";
import process from "node:process";
import { connectMongoLoader } from "../../src/legacy/connect-mongo.ts";
import { expressSessionReader } from "../../src/legacy/express-session.ts";
import { ironSessionReader } from "../../src/legacy/iron-session.ts";
import type { LegacyReader } from "../../src/legacy/legacy.ts";
import { callAt, openFirst, token } from "./readers.ts";

// Sessions that express-session with connect-mongo, and iron-session, wrote themselves.

const SECRET = "keyboard cat of the tests";
const PASSWORD = "complex_password_at_least_32_characters_long";
const VALUES = { userId: "42", cart: [{ sku: "a", n: 2 }], name: "βeta <&> 😀" };

let client: MongoClient;
let count = 0;
before(async () => {
  client = await new MongoClient(process.env["MONGODB_URI"] ?? "").connect();
});
after(async () => {
  await client.db(dbName).dropDatabase();
  await client.close();
});
const dbName = `test_${crypto.randomUUID().replaceAll("-", "")}`;

type StoreOptions = Partial<Parameters<typeof MongoStore.create>[0]>;
type SessionOptions = Partial<Parameters<typeof session>[0]>;

/** Visits an express-session server once; gives its cookie and the collection it wrote to. */
async function visitExpress(
  storeOptions: StoreOptions,
  options: SessionOptions = {},
): Promise<{ cookie: string; collection: Collection }> {
  const collectionName = `sessions${count++}`;
  const store = MongoStore.create({ client, dbName, collectionName, ...storeOptions });
  const secret = SECRET;
  const sessions = session({ secret, store, resave: false, saveUninitialized: false, ...options });
  const server = createServer((req, res) => {
    Reflect.apply(sessions, undefined, [req, res, () => {
      Object.assign(Reflect.get(req, "session"), VALUES);
      res.end("ok");
    }]);
  });
  const port = await listen(server);
  const response = await fetch(`http://127.0.0.1:${port}/`);
  await response.text();
  server.close();
  const [cookie = ""] = response.headers.getSetCookie()[0]?.split(";") ?? [];
  return { cookie, collection: client.db(dbName).collection(collectionName) };
}

function listen(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address ? address.port : 0);
    });
  });
}

function expressReader(collection: Collection, options = {}): LegacyReader {
  return expressSessionReader({
    token,
    secrets: [SECRET],
    load: connectMongoLoader(collection, options),
  });
}

const adapter = createWebCryptoAdapter({ secret: "the adapter's secret", iterations: 10 });
const cases: readonly (readonly [what: string, StoreOptions, object])[] = [
  ["as text", {}, {}],
  ["as an object", { stringify: false }, {}],
  ["with touchAfter and timestamps", { touchAfter: 60, timestamps: true }, {}],
  ["encrypted", { cryptoAdapter: adapter }, { decrypt: adapter.decrypt }],
  ["encrypted, as an object", { cryptoAdapter: adapter, stringify: false }, {
    decrypt: adapter.decrypt,
  }],
  ["with transformId", { transformId: (id) => `x${id}` }, {
    transformId: (id: string) => `x${id}`,
  }],
];

for (const [what, storeOptions, options] of cases) {
  test(`express-session with connect-mongo: a session kept ${what}`, async () => {
    const { cookie, collection } = await visitExpress(storeOptions);
    const stored = await collection.find().toArray();
    assert.equal(stored.length, 1);
    const now = Date.now();
    const found = await openFirst(expressReader(collection, options), [cookie], callAt(now));
    assert.deepEqual(found?.values, VALUES);
    assert.ok(found.expires && found.expires > now);
    assert.deepEqual(await collection.find().toArray(), stored, "nothing was changed");
    const later = callAt(found.expires);
    assert.equal(await openFirst(expressReader(collection, options), [cookie], later), undefined);
  });
}

test("express-session with connect-mongo: options of the cookie, secrets that rotated", async () => {
  const options = { secret: ["new secret", SECRET], cookie: { maxAge: 60_000 }, name: "app.sid" };
  const { cookie, collection } = await visitExpress({}, options);
  const load = connectMongoLoader(collection);
  const secrets = [SECRET, "new secret"];
  const reader = expressSessionReader({ token, cookie: "app.sid", secrets, load });
  const found = await openFirst(reader, [cookie], callAt(Date.now()));
  assert.deepEqual(found?.values, VALUES);
  assert.ok(found.expires && found.expires <= Date.now() + 60_000);
  assert.equal(await openFirst(expressReader(collection), [cookie], callAt(Date.now())), undefined);
});

test("iron-session: a cookie that getIronSession set", async () => {
  const response = new Response();
  const config = { password: PASSWORD, cookieName: "app" };
  const request = new Request("https://app.example/");
  const iron = await getIronSession<typeof VALUES>(request, response, config);
  Object.assign(iron, VALUES);
  await iron.save();
  const [cookie = ""] = response.headers.getSetCookie()[0]?.split(";") ?? [];
  const reader = ironSessionReader({ token, cookie: "app", password: PASSWORD });
  const now = Date.now();
  const found = await openFirst(reader, [cookie], callAt(now));
  assert.deepEqual(found?.values, VALUES);
  assert.ok(found.expires);
  assert.ok(Math.abs(found.expires - now - 14 * 86_400_000) < 60_000);
  assert.equal(await openFirst(reader, [cookie], callAt(found.expires)), undefined);
});

test("iron-session: seals without an end, under the newest of several passwords", async () => {
  const password = { 1: "an_old_password_that_is_no_longer_in_use_", 2: PASSWORD };
  const sealed = await sealData(VALUES, { password, ttl: 0 });
  const reader = ironSessionReader({ token, cookie: "app", password });
  const found = await openFirst(reader, [`app=${sealed}`], callAt(Date.now() + 1e12));
  assert.deepEqual(found, { values: VALUES, subject: undefined, expires: undefined });
  const dropped = ironSessionReader({ token, cookie: "app", password: { 1: password[1] } });
  assert.equal(await openFirst(dropped, [`app=${sealed}`]), undefined);
});
