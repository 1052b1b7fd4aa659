import assert from "node:assert/strict";
import test from "node:test";
import { generateKey, Keyring } from "../../src/codec/keyring.ts";
import { securecookie } from "../../src/codec/securecookie.ts";
import { signedToken } from "../../src/codec/signed.ts";
import { CorruptRecordError, InvalidTokenError, StoreUnavailableError } from "../../src/errors.ts";
import { expressSessionReader } from "../../src/legacy/express-session.ts";
import { gorillaReader } from "../../src/legacy/gorilla.ts";
import { ironSessionReader } from "../../src/legacy/iron-session.ts";
import type { LegacyReader, LegacySession } from "../../src/legacy/legacy.ts";
import { type TakeOver, takeOver } from "../../src/legacy/take-over.ts";
import { HeaderToken } from "../../src/transport/header.ts";
import type { SessionOptions } from "../../src/transport/transport.ts";
import { ManualClock, settled } from "../support/clock.ts";
import { rejection } from "../support/secrets.ts";
import { collectionOf, expressCookie, NOW, token, visit } from "./readers.ts";

const OPTIONS: SessionOptions = {
  path: "/",
  maxAge: 60,
  secure: true,
  httpOnly: true,
  sameSite: "lax",
  partitioned: false,
};

type Opened = LegacySession | undefined | Error | Promise<LegacySession>;

/** A reader that opens what `sessions` holds, and notes what it was asked. */
function readerOf(
  name: string,
  sessions: Record<string, Opened>,
  asked: string[] = [],
): LegacyReader {
  return {
    name,
    ambient: true,
    read: () => Object.keys(sessions),
    async open(text) {
      asked.push(`${name}:${text}`);
      const opened = await sessions[text];
      if (opened instanceof Error) throw opened;
      return opened;
    },
    clear: () => {},
  };
}

function ask(readers: readonly LegacyReader[], change: Partial<TakeOver> = {}) {
  return takeOver({
    readers,
    request: visit(),
    sessionName: "session",
    isOurs: (text) => /^[A-Za-z0-9_-]{88}$/.test(text),
    clock: new ManualClock(NOW),
    now: NOW,
    deadline: 5000,
    ...change,
  });
}

test("take over: the first reader that finds a session ends the search", async () => {
  const asked: string[] = [];
  const session = { values: { userId: "42" } };
  const found = await ask([
    readerOf("a", { x: undefined }, asked),
    readerOf("b", { y: session, z: undefined }, asked),
    readerOf("c", { w: session }, asked),
  ]);
  assert.deepEqual(found, { reader: "b", ambient: true, session });
  assert.deepEqual(asked, ["a:x", "b:y", "b:z"]);
  assert.equal(await ask([]), undefined);
  assert.equal(await ask([readerOf("a", {})]), undefined);
});

test("take over: what has ended does not count, and the next reader is asked", async () => {
  const live = { values: {}, expires: NOW + 1 };
  const found = await ask([
    readerOf("a", { x: { values: {}, expires: NOW } }),
    readerOf("b", { x: { values: {}, expires: NaN } }),
    readerOf("c", { x: live }),
  ]);
  assert.deepEqual(found, { reader: "c", ambient: true, session: live });
});

test("take over: no reader sees a token of ours", async () => {
  const asked: string[] = [];
  const ours = "A".repeat(88);
  assert.equal(await ask([readerOf("a", { [ours]: { values: {} } }, asked)]), undefined);
  assert.deepEqual(asked, []);
});

test("take over: real tokens of ours have the shape of no reader's", async () => {
  const codec = signedToken(new Keyring([generateKey()]));
  const readers = [
    expressSessionReader({
      token,
      cookie: "session",
      secrets: ["keyboard cat"],
      load: () => Promise.resolve({ values: {} }),
    }),
    ironSessionReader({ token, password: "p".repeat(32) }),
    gorillaReader({ token, keyPairs: ["key"], collection: collectionOf({}), maxAge: 0 }),
  ];
  for (let i = 0; i < 100; i++) {
    const ours = await codec.encode("session", crypto.getRandomValues(new Uint8Array(24)), NOW);
    for (const reader of readers) {
      assert.deepEqual(reader.read(visit(`session=${ours}`), "session"), []);
      const call = { sessionName: "session", now: NOW, signal: new AbortController().signal };
      assert.equal(await reader.open(ours, call), undefined);
    }
  }
});

test("take over: two tokens of one system that both open are a tossed cookie", async () => {
  const session = { values: {} };
  const found = await ask([
    readerOf("a", { x: session, y: session }),
    readerOf("b", { z: session }),
  ]);
  assert.ok(found instanceof InvalidTokenError);
});

test("take over: a session that cannot be read is told, an outage rejects", async () => {
  const corrupt = new CorruptRecordError("not JSON");
  assert.equal(await ask([readerOf("a", { x: corrupt })]), corrupt);
  const down = readerOf("a", { x: new Error("down") });
  const error = await rejection(() => ask([down]), StoreUnavailableError);
  assert.equal(error.outcome, "not-applied");
});

test("take over: a reader that does not answer is not waited for", async () => {
  const clock = new ManualClock(NOW);
  let signal: AbortSignal | undefined;
  const stuck: LegacyReader = {
    name: "stuck",
    ambient: true,
    read: () => ["x"],
    open: (_, call) => {
      signal = call.signal;
      return new Promise(() => {});
    },
    clear: () => {},
  };
  const asking = rejection(() => ask([stuck], { clock, deadline: 1000 }), StoreUnavailableError);
  await settled();
  assert.equal(signal?.aborted, false);
  clock.advance(1000);
  await asking;
  assert.equal(signal?.aborted, true);
});

const expressToken = expressCookie("q3Zl8xHv", "keyboard cat");

function clearedBy(
  options: { keep?: boolean; domain?: string; path?: string },
  ended: boolean,
  cookie = `connect.sid=${expressToken}`,
): string[] {
  const reader = expressSessionReader({
    token,
    secrets: ["keyboard cat"],
    load: () => Promise.resolve(undefined),
    ...options,
  });
  const headers = new Headers();
  const answer = {
    request: visit(cookie),
    name: "session",
    options: OPTIONS,
    status: 200,
    now: NOW,
  };
  reader.clear(headers, answer, ended);
  return headers.getSetCookie();
}

test("take over: the older token is cleared in its own place, when it was presented", () => {
  const [cookie] = clearedBy({ domain: "example.com", path: "/app" }, false);
  assert.match(cookie ?? "", /^connect\.sid=; Max-Age=0; .*Path=\/app; Domain=example\.com/);
  assert.deepEqual(clearedBy({}, false, "other=1"), []);
  assert.deepEqual(clearedBy({}, false, `connect.sid=${"A".repeat(88)}`), []);
});

test("take over: `keep` leaves it with the client until the session ends", () => {
  assert.deepEqual(clearedBy({ keep: true }, false), []);
  assert.equal(clearedBy({ keep: true }, true).length, 1);
  assert.equal(clearedBy({}, true).length, 1);
});

test("take over: a token of ours that is written after the clearing stays, under the same name too", () => {
  const reader = ironSessionReader({ token, password: "p".repeat(32) });
  const old = `Fe26.2*1*${"a".repeat(64)}*${"A".repeat(22)}*${"A".repeat(22)}**${"b".repeat(64)}*${
    "A".repeat(43)
  }~2`;
  const headers = new Headers();
  const answer = {
    request: visit(`session=${old}`),
    name: "session",
    options: OPTIONS,
    status: 200,
    now: NOW,
  };
  reader.clear(headers, answer, false);
  assert.match(headers.getSetCookie().join("\n"), /^session=; Max-Age=0/);
  token.write(headers, "fresh", answer);
  assert.match(headers.getSetCookie().join("\n"), /^session=fresh; [^\n]*$/);
});

test("take over: an older system that used a header", async () => {
  const cookie = await securecookie("key").encode("session", "d5621744765448bbfb14fd31", NOW);
  const reader = gorillaReader({
    token: new HeaderToken(),
    keyPairs: ["key"],
    collection: collectionOf({
      data: await securecookie("key").encode("session", { userId: "42" }, NOW),
      modified: new Date(NOW),
    }),
    maxAge: 60,
    subject: (values) => String(values["userId"]),
  });
  const request = new Request("https://app.example/", {
    headers: { authorization: `Bearer ${cookie}` },
  });
  assert.deepEqual(await ask([reader], { request }), {
    reader: "gorilla",
    ambient: false,
    session: { values: { userId: "42" }, subject: "42", expires: NOW + 60_000 },
  });
});
