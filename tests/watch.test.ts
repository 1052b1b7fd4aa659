import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { generateKey, memoryBackend, Store, StoreUnavailableError } from "#mongostore";
import type { Backend, ChangeObserver, Session, SessionEnd, SessionEvent } from "#mongostore";
import { Browser } from "./support/browser.ts";
import { ManualClock, settled } from "./support/clock.ts";
import { look, visit } from "./support/visit.ts";

/** A store whose backend tells only the changes that a test has it tell, and counts what is loaded. */
function world() {
  const clock = new ManualClock();
  const memory = memoryBackend({ clock });
  const observers = new Set<ChangeObserver>();
  const loads: number[] = [];
  const events: SessionEvent[] = [];
  let opened = 0;
  let isDown = false;
  const down = new StoreUnavailableError("down", { outcome: "not-applied" });
  const backend: Backend = {
    load: (keys, call) => {
      loads.push(keys.length);
      return isDown ? Promise.reject(down) : memory.load(keys, call);
    },
    write: (writes, call) => memory.write(writes, call),
    list: (subject, limit, call) => memory.list(subject, limit, call),
    scan: (after, limit, call) => memory.scan(after, limit, call),
    remove: (selection, call) => memory.remove(selection, call),
    now: (call) => memory.now(call),
    close: (call) => memory.close(call),
    observe: (observer) => {
      opened++;
      observers.add(observer);
      return () => observers.delete(observer);
    },
  };
  const onEvent = (event: SessionEvent) => {
    if (event.type === "watch") events.push(event);
  };
  const store = new Store({ backend, keys: [generateKey()], clock, onEvent, maxAge: 3600 });
  const ends: SessionEnd[] = [];
  return {
    clock,
    store,
    events,
    ends,
    loads,
    observers,
    get opened() {
      return opened;
    },
    fail: (fails: boolean) => void (isDown = fails),
    tell: (act: (observer: ChangeObserver) => void) => observers.forEach(act),
    async signIn(subject = "ann"): Promise<Session> {
      const browser = new Browser();
      await visit(store, browser, (session) => session.subject = subject);
      return await look(store, browser);
    },
    watch: (session: Session) => store.watch(session, (end) => ends.push(end)),
    /** How many records were loaded since the last time. */
    loaded: () => loads.splice(0).reduce((sum, size) => sum + size, 0),
    async pass(ms: number): Promise<void> {
      for (let at = 0; at < ms; at += 100) {
        clock.advance(100);
        await settled();
      }
    },
  };
}

const lost = new StoreUnavailableError("no stream", { outcome: "not-applied" });

describe("a watcher", () => {
  it("shares one stream, which is open while anyone watches", async () => {
    const here = world();
    const [one, two] = [await here.signIn(), await here.signIn()];
    assert.equal(here.opened, 0);
    const stops = [here.watch(one), here.watch(one), here.watch(two)];
    assert.equal(here.opened, 1);
    for (const stop of stops) {
      assert.equal(here.observers.size, 1);
      stop();
    }
    assert.equal(here.observers.size, 0);
    here.loaded();
    await here.pass(5_000);
    assert.equal(here.loaded(), 0, "nobody is looked at any more");
    here.watch(two);
    assert.equal(here.opened, 2);
    await here.store.close();
    assert.equal(here.observers.size, 0);
  });

  it("looks at all when its stream has missed something, and at none when it has not", async () => {
    const here = world();
    const sessions = [await here.signIn(), await here.signIn(), await here.signIn("ben")];
    sessions.forEach((session) => here.watch(session));
    await settled();
    await here.store.revokeAll("ben");
    here.loaded();
    here.tell((observer) => observer.live(true));
    await here.pass(2_000);
    assert.equal(here.loaded(), 0);
    assert.deepEqual(here.ends, []);
    here.tell((observer) => observer.live(false));
    await settled();
    assert.equal(here.loaded(), 3);
    assert.deepEqual(here.ends, ["ended"]);
    await here.store.close();
  });

  it("looks at a session that changed, and opens only what has other data", async () => {
    const here = world();
    const session = await here.signIn();
    here.watch(session);
    here.tell((observer) => observer.live(false));
    await settled();
    here.loaded();
    const key = here.store.handleOf(session);
    assert.ok(key);
    await here.store.revokeAll("ann");
    here.tell((observer) => observer.changed({ bytes: new Uint8Array(20), text: "another" }, true));
    await settled();
    assert.equal(here.loaded(), 0);
    here.tell((observer) => observer.changed({ bytes: new Uint8Array(20), text: key }, false));
    await settled();
    assert.equal(here.loaded(), 1);
    assert.deepEqual(here.ends, ["ended"]);
  });

  it("looks every second while there is no stream, says so once, and why", async () => {
    const here = world();
    const session = await here.signIn();
    here.watch(session);
    await settled();
    here.loaded();
    for (let times = 0; times < 3; times++) here.tell((observer) => observer.lost(lost));
    await here.pass(3_000);
    assert.equal(here.loaded(), 3);
    here.tell((observer) => observer.live(true));
    await here.pass(3_000);
    assert.equal(here.loaded(), 0);
    here.tell((observer) => observer.lost(lost));
    await here.store.revokeAll("ann");
    await here.pass(1_000);
    assert.deepEqual(here.ends, ["ended"]);
    assert.deepEqual(here.events, [
      { type: "watch", mode: "poll", reason: "no stream" },
      { type: "watch", mode: "stream" },
      { type: "watch", mode: "poll", reason: "no stream" },
    ]);
  });

  it("waits in an outage, and sees what ended once it is over", async () => {
    const here = world();
    const [one, two] = [await here.signIn(), await here.signIn("ben")];
    here.watch(one);
    here.watch(two);
    here.tell((observer) => observer.live(false));
    await settled();
    await here.store.revokeAll("ann");
    here.fail(true);
    here.tell((observer) => observer.live(false));
    await here.pass(3_000);
    assert.deepEqual(here.ends, []);
    here.fail(false);
    await here.pass(1_000);
    assert.deepEqual(here.ends, ["ended"]);
    await here.store.close();
  });

  it("tells an expiry by what is known of it, and waits for one that moved", async () => {
    const here = world();
    const browser = new Browser();
    await visit(here.store, browser, (session) => session.values["a"] = 1);
    here.watch(await look(here.store, browser));
    here.tell((observer) => observer.live(false));
    await here.pass(1_000);
    here.clock.advance(1_800_000);
    await settled();
    await visit(here.store, browser); // moves it to half an hour later
    here.clock.advance(1_801_000);
    await here.pass(1_000);
    assert.deepEqual(here.ends, []);
    here.clock.advance(1_800_000);
    await here.pass(2_000);
    assert.deepEqual(here.ends, ["expired"]);
  });

  it("takes no revocation for an expiry, once it has seen that the expiry moved", async () => {
    const here = world();
    const browser = new Browser();
    await visit(here.store, browser, (session) => session.subject = "ann");
    here.watch(await look(here.store, browser));
    here.tell((observer) => observer.lost(lost));
    here.clock.advance(1_800_000);
    await settled();
    await visit(here.store, browser);
    await here.pass(1_000);
    here.clock.advance(1_801_000);
    await settled();
    await here.store.revokeAll("ann");
    await here.pass(1_000);
    assert.deepEqual(here.ends, ["ended"]);
  });

  it("takes an interval from 100 milliseconds to a minute", () => {
    for (const watchIntervalMS of [99, 60_001, NaN, Infinity]) {
      const make = () =>
        new Store({ backend: memoryBackend(), keys: [generateKey()], watchIntervalMS });
      assert.throws(make, /watchIntervalMS/);
    }
  });
});
