import assert from "node:assert/strict";
import { it } from "node:test";
import { StoreUnavailableError } from "#mongostore";
import type { Backend } from "#mongostore";
import { Browser } from "../support/browser.ts";
import { describeStores } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

/** The backend, with another way to remove. */
function removing(backend: Backend, remove: Backend["remove"]): Backend {
  return {
    load: (keys, call) => backend.load(keys, call),
    write: (writes, call) => backend.write(writes, call),
    list: (subject, limit, call) => backend.list(subject, limit, call),
    scan: (after, limit, call) => backend.scan(after, limit, call),
    now: (call) => backend.now(call),
    close: (call) => backend.close(call),
    remove,
  };
}

describeStores("revokeAll", (place) => {
  it("ends a session that the first pass over the index missed because it was being replaced", async () => {
    let passes = 0;
    const store = await place().open(
      {},
      (backend) =>
        removing(
          backend,
          (selection, call) =>
            ++passes === 1 ? Promise.resolve(0) : backend.remove(selection, call),
        ),
    );
    const browser = new Browser();
    await visit(store, browser, (session) => {
      session.subject = "ann";
    });
    assert.equal(await store.revokeAll("ann"), 1);
    assert.equal((await look(store, browser)).isNew, true);
  });

  it("that fails after its first pass says that its outcome is unknown", async () => {
    let passes = 0;
    const down = new StoreUnavailableError("down", { outcome: "not-applied" });
    const store = await place().open(
      {},
      (backend) =>
        removing(
          backend,
          (selection, call) =>
            ++passes === 1 ? backend.remove(selection, call) : Promise.reject(down),
        ),
    );
    await visit(store, new Browser(), (session) => {
      session.subject = "ann";
    });
    await assert.rejects(store.revokeAll("ann"), (error) => {
      assert.ok(error instanceof StoreUnavailableError);
      assert.equal(error.outcome, "unknown");
      return true;
    });
  });
});
