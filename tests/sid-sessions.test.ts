import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { CorruptRecordError, memoryBackend, plainData, StoreUnavailableError } from "#mongostore";
import type { Backend, DataCodec, SessionEvent } from "#mongostore";
import { systemRandom } from "../src/clock.ts";
import { SidSessions } from "../src/sid-sessions.ts";
import type { SidSessionsParts } from "../src/sid-sessions.ts";
import { Ambush, Counter, Outage } from "./support/backends.ts";
import { ManualClock } from "./support/clock.ts";

const COOKIE = { originalMaxAge: 60_000 };
const call = { deadline: Infinity };
const calls = () => call;

let clock: ManualClock;
let backend: Backend;
let events: SessionEvent[];

beforeEach(() => {
  clock = new ManualClock();
  backend = memoryBackend({ clock });
  events = [];
});

function open(parts: Partial<SidSessionsParts> = {}): SidSessions {
  return new SidSessions({
    backend,
    data: plainData(),
    clock,
    random: systemRandom,
    name: "connect.sid",
    lifetime: 3_600_000,
    maxAge: 60_000,
    touchAfter: 0,
    tombstone: 300_000,
    maxBytes: 10_000,
    merge: undefined,
    subject: undefined,
    check: undefined,
    emit: (event) => events.push(event),
    ...parts,
  });
}

async function load(sessions: SidSessions) {
  const loaded = await sessions.get("sid", call);
  assert.ok(loaded);
  return loaded;
}

const values = async (sessions: SidSessions) => (await sessions.get("sid", call))?.values;

describe("a destroyed session", () => {
  it("is not saved again by a request that had loaded it", async () => {
    const sessions = open();
    await sessions.set("sid", { n: 1, cookie: COOKIE }, undefined, call);
    const { base } = await load(sessions);
    await sessions.destroy("sid", call);
    assert.deepEqual(await sessions.set("sid", { n: 2 }, base, call), { status: "gone" });
    assert.equal(await values(sessions), undefined);
    assert.ok(events.some(({ type }) => type === "gone"));
  });

  it("is not saved again by a request that had made it, nor touched, from any process", async () => {
    await open().set("sid", { n: 1 }, undefined, call);
    await open().destroy("sid", call);
    const other = open();
    assert.deepEqual(await other.set("sid", { n: 2 }, undefined, call), { status: "gone" });
    assert.deepEqual(await other.touch("sid", { cookie: COOKIE }, undefined, call), {
      status: "gone",
    });
    assert.equal(await values(other), undefined);
  });

  it("is not saved for the first time either, where the logout came first", async () => {
    const sessions = open();
    await sessions.destroy("sid", call);
    assert.deepEqual(await sessions.set("sid", { n: 1 }, undefined, call), { status: "gone" });
  });

  it("stays ended after its tombstone, for a request that had loaded it", async () => {
    const sessions = open();
    await sessions.set("sid", { n: 1 }, undefined, call);
    const { base } = await load(sessions);
    await sessions.destroy("sid", call);
    clock.advance(300_001);
    assert.deepEqual(await sessions.set("sid", { n: 2 }, base, call), { status: "gone" });
  });

  it("keeps its id taken for the time of the tombstone, and no longer", async () => {
    const sessions = open();
    await sessions.destroy("sid", call);
    clock.advance(299_999);
    assert.equal((await sessions.set("sid", { n: 1 }, undefined, call)).status, "gone");
    clock.advance(1);
    assert.equal((await sessions.set("sid", { n: 1 }, undefined, call)).status, "created");
  });

  it("can be destroyed again, with one write at most", async () => {
    const counter = new Counter();
    const sessions = open({ backend: counter.around(backend) });
    await sessions.destroy("sid", call);
    await sessions.destroy("sid", call);
    assert.deepEqual(counter.writes, ["insert"]);
  });

  it("is ended although a save came between", async () => {
    const ambush = new Ambush();
    const sessions = open({ backend: ambush.around(backend) });
    await sessions.set("sid", { n: 1 }, undefined, call);
    ambush.before(
      ({ kind }) => kind === "update",
      () => open().set("sid", { n: 2 }, undefined, call),
    );
    await sessions.destroy("sid", call);
    assert.equal(await values(sessions), undefined);
    assert.equal(await sessions.length(calls), 0);
  });

  it("is ended although its first save came between", async () => {
    const ambush = new Ambush();
    const sessions = open({ backend: ambush.around(backend) });
    ambush.before(
      ({ kind }) => kind === "insert",
      () => open().set("sid", { n: 1 }, undefined, call),
    );
    await sessions.destroy("sid", call);
    assert.equal(await values(sessions), undefined);
  });

  it("wins over a first save that finds its id taken", async () => {
    const ambush = new Ambush();
    const sessions = open({ backend: ambush.around(backend) });
    ambush.before(({ kind }) => kind === "insert", () => open().destroy("sid", call));
    assert.equal((await sessions.set("sid", { n: 1 }, undefined, call)).status, "gone");
  });

  it("does not come back by a clear, and a clear does not bring it back", async () => {
    const sessions = open();
    await sessions.destroy("sid", call);
    await sessions.set("other", { n: 1 }, undefined, call);
    await sessions.clear(calls);
    assert.equal(await sessions.length(calls), 0);
    assert.equal((await sessions.set("sid", { n: 1 }, undefined, call)).status, "gone");
  });
});

describe("a save", () => {
  it("keeps what other requests changed since it loaded, also the second time", async () => {
    const [one, two] = [open(), open()];
    await one.set("sid", { a: 0, b: 0, c: 0 }, undefined, call);
    const [mine, theirs] = [await load(one), await load(two)];
    await two.set("sid", { a: 0, b: 1 }, theirs.base, call);
    const saved = await one.set("sid", { a: 1, b: 0, c: 0 }, mine.base, call);
    assert.deepEqual(await values(one), { a: 1, b: 1 });
    assert.ok("base" in saved);
    // The object still holds what it held: nothing of theirs counts as undone.
    await one.set("sid", { a: 2, b: 0, c: 0 }, saved.base, call);
    assert.deepEqual(await values(one), { a: 2, b: 1 });
  });

  it("asks `merge` about a key of the application, and not about the cookie", async () => {
    const asked: string[] = [];
    const sessions = open({
      merge: ({ key, mine, theirs }) => {
        asked.push(key);
        return Number(mine) + Number(theirs);
      },
    });
    await sessions.set("sid", { n: 1, cookie: { path: "/a" } }, undefined, call);
    const [one, two] = [await load(sessions), await load(sessions)];
    await sessions.set("sid", { n: 2, cookie: { path: "/b" } }, one.base, call);
    await sessions.set("sid", { n: 3, cookie: { path: "/c" } }, two.base, call);
    assert.deepEqual(asked, ["n"]);
    assert.deepEqual(await values(sessions), { n: 5, cookie: { path: "/c" } });
  });

  it("does not begin from another session", async () => {
    const sessions = open();
    await sessions.set("sid", { a: 1 }, undefined, call);
    const { base } = await load(sessions);
    assert.equal((await sessions.set("other", { b: 1 }, base, call)).status, "created");
    assert.deepEqual((await sessions.get("other", call))?.values, { b: 1 });
  });

  it("ends a session whose cookie has expired", async () => {
    const sessions = open();
    const cookie = { expires: new Date(clock.now() - 1) };
    await sessions.set("sid", { cookie }, undefined, call);
    assert.equal(await values(sessions), undefined);
  });

  it("refuses an id that is no text, and what is no object", async () => {
    const sessions = open();
    const id: unknown = { $ne: null };
    await assert.rejects(Reflect.apply(sessions.get, sessions, [id, call]), TypeError);
    await assert.rejects(sessions.set("sid", [1], undefined, call), TypeError);
    await assert.rejects(sessions.set("sid", () => 1, undefined, call), TypeError);
  });

  it("says so in an outage, and so do all others", async () => {
    const outage = new Outage();
    const sessions = open({ backend: outage.around(backend) });
    outage.down = true;
    const tries = [
      sessions.get("sid", call),
      sessions.set("sid", { n: 1 }, undefined, call),
      sessions.touch("sid", { cookie: COOKIE }, undefined, call),
      sessions.destroy("sid", call),
    ];
    for (const trying of tries) await assert.rejects(trying, StoreUnavailableError);
  });
});

describe("a touch", () => {
  it("writes the cookie and keeps what other requests changed", async () => {
    const sessions = open();
    await sessions.set("sid", { n: 1, cookie: COOKIE }, undefined, call);
    const { base } = await load(sessions);
    await open().set("sid", { n: 2, cookie: COOKIE }, undefined, call);
    const cookie = { originalMaxAge: 90_000 };
    assert.equal((await sessions.touch("sid", { n: 1, cookie }, base, call)).status, "updated");
    assert.deepEqual(await values(sessions), { n: 2, cookie });
  });

  it("writes again once touchAfter has gone by", async () => {
    const counter = new Counter();
    const sessions = open({ backend: counter.around(backend), touchAfter: 10_000 });
    const at = () => ({ cookie: { expires: new Date(clock.now() + 60_000) } });
    await sessions.set("sid", at(), undefined, call);
    clock.advance(9_999);
    assert.equal((await sessions.touch("sid", at(), undefined, call)).status, "fresh");
    clock.advance(1);
    assert.equal((await sessions.touch("sid", at(), undefined, call)).status, "updated");
    assert.deepEqual(counter.writes, ["insert", "update"]);
  });
});

describe("a record", () => {
  const broken: DataCodec = { protect: () => "", open: () => ({ ok: false }) };

  it("that does not open is no session, and can be destroyed and cleared", async () => {
    await open().set("sid", { n: 1 }, undefined, call);
    const sessions = open({ data: broken });
    assert.equal(await values(sessions), undefined);
    assert.deepEqual(events.at(-1), {
      type: "reject",
      name: "connect.sid",
      reason: "CORRUPT_RECORD",
    });
    await assert.rejects(sessions.set("sid", { n: 2 }, undefined, call), CorruptRecordError);
    await open({ data: broken }).clear(calls);
    assert.equal(await open().length(calls), 0);
  });

  it("that does not open is replaced by a tombstone", async () => {
    await open().set("sid", { n: 1 }, undefined, call);
    const unreadable = { ...plainData(), open: broken.open };
    await open({ data: unreadable }).destroy("sid", call);
    assert.equal((await open().set("sid", { n: 2 }, undefined, call)).status, "gone");
  });

  it("of another name is another session, in the same collection", async () => {
    const [one, two] = [open(), open({ name: "admin.sid" })];
    await one.set("sid", { n: 1 }, undefined, call);
    await two.set("sid", { n: 2 }, undefined, call);
    assert.deepEqual(await one.all(calls), [{ n: 1 }]);
    await two.clear(calls);
    assert.deepEqual([await one.length(calls), await two.length(calls)], [1, 0]);
  });
});

describe("all", () => {
  it("goes through more records than are read at once", async () => {
    const sessions = open();
    for (let i = 0; i < 1_001; i++) await sessions.set(`s${i}`, { i }, undefined, call);
    assert.equal((await sessions.all(calls)).length, 1_001);
    assert.equal(await sessions.length(calls), 1_001);
    await sessions.clear(calls);
    assert.equal(await sessions.length(calls), 0);
  });
});
