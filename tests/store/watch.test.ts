import assert from "node:assert/strict";
import { it } from "node:test";
import type { Backend, Session, SessionEnd, Store } from "#mongostore";
import { Browser } from "../support/browser.ts";
import { describeStores } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

/** Longer than a loaded machine needs; a session's end is told in a small part of it. */
const PATIENCE_MS = 10_000;

/** The backend as one that hears of no changes. */
function deaf(backend: Backend): Backend {
  return {
    load: (keys, call) => backend.load(keys, call),
    write: (writes, call) => backend.write(writes, call),
    list: (subject, limit, call) => backend.list(subject, limit, call),
    scan: (after, limit, call) => backend.scan(after, limit, call),
    remove: (selection, call) => backend.remove(selection, call),
    now: (call) => backend.now(call),
    close: (call) => backend.close(call),
  };
}

/** A session that was saved, as its next request finds it. */
async function signIn(store: Store, browser: Browser, subject?: string): Promise<Session> {
  await visit(store, browser, (session) => {
    session.values["signedIn"] = true;
    session.subject = subject;
  });
  return await look(store, browser);
}

/** What `onEnd` is told once something was done to the session. */
async function endOf(
  store: Store,
  session: Session,
  act: () => unknown,
): Promise<SessionEnd> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const ended = new Promise<SessionEnd>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error("onEnd was not called")), PATIENCE_MS);
    store.watch(session, resolve);
  });
  await act();
  const end = await ended;
  clearTimeout(timer);
  return end;
}

for (const way of ["told of changes", "by looking"]) {
  const around = way === "by looking" ? deaf : undefined;
  const options = { watchIntervalMS: 100 };

  describeStores(`watch, ${way}`, (place) => {
    it("tells of a logout in another process", async () => {
      const here = place();
      const [one, two] = [await here.open(options, around), await here.open({}, around)];
      const browser = new Browser();
      const session = await signIn(one, browser);
      assert.equal(
        await endOf(one, session, () => visit(two, browser, (same) => same.destroy())),
        "ended",
      );
      await one.close();
    });

    it("tells of revoke and revokeAll, and leaves alone what goes on", async () => {
      const store = await place().open(options, around);
      const [first, second, third] = [
        await signIn(store, new Browser(), "ann"),
        await signIn(store, new Browser(), "ann"),
        await signIn(store, new Browser(), "ben"),
      ];
      store.watch(third, () => assert.fail("it goes on"));
      const handle = store.handleOf(first) ?? "";
      assert.equal(await endOf(store, first, () => store.revoke(handle)), "ended");
      assert.equal(await endOf(store, second, () => store.revokeAll("ann")), "ended");
      await store.close();
    });

    it("tells of regenerate, which is a replacement as long as the old record stands", async () => {
      const here = place();
      const [strict, graceful] = [
        await here.open(options, around),
        await here.open({ ...options, grace: 60 }, around),
      ];
      for (const store of [strict, graceful]) {
        const browser = new Browser();
        const session = await signIn(store, browser);
        const end = await endOf(
          store,
          session,
          () => visit(store, browser, (same) => same.regenerate()),
        );
        if (store === graceful) assert.equal(end, "replaced");
        else assert.ok(end === "ended" || end === "replaced", end);
      }
      await strict.close();
      await graceful.close();
    });

    it("goes on through saves", async () => {
      const store = await place().open(options, around);
      const browser = new Browser();
      const session = await signIn(store, browser, "ann");
      let ends = 0;
      store.watch(session, () => ends++);
      for (let visits = 1; visits <= 3; visits++) {
        await visit(store, browser, (same) => {
          same.values["visits"] = visits;
        });
      }
      const other = await signIn(store, new Browser(), "ben");
      await endOf(store, other, () => store.revokeAll("ben"));
      assert.equal(ends, 0);
      assert.equal(await endOf(store, session, () => store.revokeAll("ann")), "ended");
      assert.equal(ends, 1);
      await store.close();
    });

    it("tells of a session that had ended before it was watched", async () => {
      const store = await place().open(options, around);
      const browser = new Browser();
      const session = await signIn(store, browser);
      await visit(store, browser, (same) => same.destroy());
      assert.equal(await endOf(store, session, () => undefined), "ended");
      const own = await signIn(store, browser);
      await own.destroy();
      assert.equal(await endOf(store, own, () => undefined), "ended");
      await store.close();
    });

    it("tells of an expiry before the database has removed the record", async () => {
      const store = await place().open({ ...options, maxAge: 1 }, around);
      const session = await signIn(store, new Browser());
      assert.equal(await endOf(store, session, () => undefined), "expired");
      await store.close();
    });

    it("tells each of many, each once", async () => {
      const here = place();
      const [writer, store] = [await here.open(), await here.open(options, around)];
      const browsers = Array.from({ length: 600 }, () => new Browser());
      await Promise.all(browsers.map((browser) => signIn(writer, browser, "ann")));
      const sessions: Session[] = [];
      for (const browser of browsers) sessions.push(await look(store, browser));
      const ends: SessionEnd[] = [];
      for (const session of sessions) {
        store.watch(session, (end) => ends.push(end));
        store.watch(session, (end) => ends.push(end));
      }
      const last = await signIn(store, new Browser(), "ben");
      await store.revokeAll("ann");
      await endOf(store, last, () => store.revokeAll("ben"));
      for (let turns = 0; ends.length < 1_200 && turns < 400; turns++) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      assert.deepEqual(ends, Array.from({ length: 1_200 }, () => "ended"));
      await store.close();
    });

    it("is silent once stopped, by a call, by using, by its signal or by close", async () => {
      const store = await place().open(options, around);
      const session = await signIn(store, new Browser(), "ann");
      const silent = () => assert.fail("it was stopped");
      const controller = new AbortController();
      const stop = store.watch(session, silent);
      store.watch(session, silent, { signal: controller.signal });
      store.watch(session, silent, { signal: AbortSignal.abort() });
      {
        using stopped = store.watch(session, silent);
        assert.equal(typeof stopped, "function");
      }
      stop();
      stop();
      controller.abort();
      assert.equal(await endOf(store, session, () => store.revokeAll("ann")), "ended");
      const other = await signIn(store, new Browser(), "ann");
      store.watch(other, silent);
      await store.close();
      assert.throws(() => store.watch(other, silent), { name: "StoreUnavailableError" });
    });

    it("takes no session that was never saved, and none of another store", async () => {
      const store = await place().open(options, around);
      const session = await look(store, new Browser());
      assert.throws(() => store.watch(session, () => undefined), /never saved/);
      const other = await place().open(options, around);
      const theirs = await signIn(other, new Browser());
      assert.throws(() => store.watch(theirs, () => undefined), /another store/);
      await store.close();
      await other.close();
    });
  });
}
