// SECURITY.md section 5: what fails to open one way is never tried in another (Rack CVE-2026-39324 was such a fallback).
import assert from "node:assert/strict";
import test from "node:test";
import { CookieToken, generateKey, memoryBackend, Store, type StoreOptions } from "#mongostore";
import type { Session } from "#mongostore";
import { expressSessionReader, gorillaReader, ironSessionReader } from "#mongostore/legacy";
import type { LegacyReader } from "#mongostore/legacy";
import { Browser } from "../support/browser.ts";
import { ManualClock } from "../support/clock.ts";
import { visit } from "../support/visit.ts";
import { expressCookie } from "../legacy/readers.ts";

interface Values {
  role: string;
}

const SECRET = "keyboard cat";
const OLD = expressCookie("q3Zl8xHv", SECRET);
const KEY = generateKey();

/** Notes what a reader is asked to open, and passes it on. */
function noting(reader: LegacyReader, asked: string[]): LegacyReader {
  return {
    name: reader.name,
    ambient: reader.ambient,
    read: (request, name) => reader.read(request, name),
    open: (token, call) => (asked.push(token), reader.open(token, call)),
    clear: (headers, answer, ended) => reader.clear(headers, answer, ended),
  };
}

/** A reader that takes any text of the session's own cookie for a session, as long as somebody gives it one. */
const GREEDY: LegacyReader = {
  name: "greedy",
  ambient: true,
  read: (request) =>
    [...(request.headers.get("cookie") ?? "").matchAll(/session=([^;]*)/g)].map(([, value = ""]) =>
      value
    ),
  open: () => Promise.resolve({ values: { role: "admin" } }),
  clear: () => undefined,
};

/** A store with a reader of every older system, all on the session's own cookie, and what they were asked. */
function moving(options: Partial<StoreOptions<Values>> = {}) {
  const clock = new ManualClock();
  const [backend, asked] = [memoryBackend({ clock }), new Array<string>()];
  const token = new CookieToken();
  const load = () => Promise.resolve({ values: { role: "admin" } });
  const findOne = () => Promise.resolve(null);
  const readers = [
    expressSessionReader({ token, cookie: "session", secrets: [SECRET], load }),
    ironSessionReader({ token, password: "p".repeat(32) }),
    gorillaReader({ token, keyPairs: ["key"], collection: { findOne }, maxAge: 0 }),
    GREEDY,
  ];
  const legacy = readers.map((reader) => noting(reader, asked));
  const store = new Store<Values>({ keys: [KEY], clock, backend, legacy, ...options });
  return { store, clock, asked };
}

async function look(store: Store<Values>, cookie: string): Promise<Session<Values>> {
  return await store.get({ url: "https://app.example/", headers: new Headers({ cookie }) });
}

async function tokenOf(store: Store<Values>, name = "session"): Promise<string> {
  const fill = (own: Session<Values>) => void (own.values.role = "guest");
  const { session } = await visit(store, new Browser(), fill, name);
  return session.token ?? "";
}

const FAILURES: readonly (readonly [
  title: string,
  code: string,
  make: (at: ReturnType<typeof moving>) => Promise<string>,
])[] = [
  ["was altered", "INVALID_TOKEN", async ({ store }) => {
    const token = await tokenOf(store);
    return `${token.slice(0, 40)}${token[40] === "A" ? "B" : "A"}${token.slice(41)}`;
  }],
  ["is of another key", "INVALID_TOKEN", () => tokenOf(moving({ keys: [generateKey()] }).store)],
  ["is of another name", "INVALID_TOKEN", ({ store }) => tokenOf(store, "other")],
  ["has become too old", "EXPIRED_TOKEN", async ({ store, clock }) => {
    const token = await tokenOf(store);
    clock.advance(31 * 86_400_000);
    return token;
  }],
  ["is of a session that ended", "SESSION_GONE", async ({ store }) => {
    const token = await tokenOf(store);
    await (await look(store, `session=${token}`)).destroy();
    return token;
  }],
];

for (const [title, code, make] of FAILURES) {
  test(`a token of ours that ${title} is handed to no reader of an older system, alone or beside an older cookie`, async () => {
    const at = moving();
    const token = await make(at);
    assert.equal(token.length, 88);
    for (const cookie of [`session=${token}`, `session=${token}; session=${OLD}`]) {
      const session = await look(at.store, cookie);
      assert.equal(session.isNew, true);
      assert.equal(session.error?.code, code);
      assert.deepEqual({ ...session.values }, {});
      assert.deepEqual(at.asked, []);
    }
    // Where the store itself looks for none, a reader may look: it gets none of ours either.
    const elsewhere = await look(at.store, `old-session=${token}`);
    assert.deepEqual([{ ...elsewhere.values }, at.asked], [{}, []]);
  });
}

test("data that does not open as it should is tried in no other way, each way in each store", async () => {
  const ways = ["sealed", "signed", "plain"] as const;
  for (const written of ways) {
    for (const read of ways) {
      const clock = new ManualClock();
      const options = { keys: [KEY], clock, backend: memoryBackend({ clock }) };
      const token = await tokenOf(new Store<Values>({ ...options, data: written }));
      const session = await look(
        new Store<Values>({ ...options, data: read }),
        `session=${token}`,
      );
      const opens = written === read;
      assert.equal(
        session.error?.code,
        opens ? undefined : "CORRUPT_RECORD",
        `${written}, ${read}`,
      );
      assert.equal(session.values.role, opens ? "guest" : undefined);
    }
  }
});

test("without a token of ours the same readers are asked, so they would have been", async () => {
  const { store, asked } = moving();
  assert.equal((await look(store, `session=${OLD}`)).values.role, "admin");
  assert.deepEqual(asked, [OLD]);
});
