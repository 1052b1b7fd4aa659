// SECURITY.md section 1, writing to the database: a writer without a key makes no session say what its owner did not.
import assert from "node:assert/strict";
import { it } from "node:test";
import { Browser } from "../support/browser.ts";
import { describeStores } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

interface Values {
  role: string;
}

describeStores("a writer of the database", (place, kind) => {
  if (kind === "memory") return;

  for (const data of ["sealed", "signed"] as const) {
    it(`who changes any field of a record with ${data} data gets a fresh session out of it, or the old one unchanged`, async () => {
      const here = place();
      const { collection } = here;
      assert.ok(collection);
      const store = await here.open<Values>({ data, ensureTTL: false });
      const [mallory, admin] = [new Browser(), new Browser()];
      for (const [browser, role] of [[mallory, "guest"], [admin, "admin"]] as const) {
        await visit(store, browser, (session) => {
          session.values.role = role;
          session.subject = role;
        });
      }
      const guest = await collection.findOne({ subject: "guest" });
      const theirs = await collection.findOne({ subject: "admin" });
      assert.ok(guest && theirs);
      const { _id } = guest;
      const later = new Date(Date.now() + 400 * 86_400_000);
      const changes: readonly (readonly [change: object, isFresh: boolean])[] = [
        [{ subject: "admin" }, true],
        [{ subject: null }, true],
        [{ name: "other" }, true],
        [{ created: later }, true],
        [{ created: new Date(Number(guest["created"]) + 1) }, true],
        [{ data: theirs["data"] }, true],
        [{ data: theirs["data"], created: theirs["created"], subject: "admin" }, true],
        [{ expires: later }, false],
        [{ modified: later }, false],
        [{ rev: theirs["rev"] }, false],
        [{ role: "admin", values: { role: "admin" } }, false],
      ];
      for (const [change, isFresh] of changes) {
        await collection.replaceOne({ _id }, { ...guest, ...change });
        const session = await look(store, mallory.copy());
        const title = Object.keys(change).join(", ");
        assert.equal(session.isNew, isFresh, title);
        assert.equal(session.error?.code, isFresh ? "CORRUPT_RECORD" : undefined, title);
        assert.equal(session.values.role, isFresh ? undefined : "guest", title);
        assert.equal(session.subject, isFresh ? undefined : "guest", title);
      }
      const { subject: _, ...without } = guest;
      await collection.replaceOne({ _id }, without);
      assert.equal((await look(store, mallory.copy())).isNew, true, "no subject");
      await collection.replaceOne({ _id }, guest);
      assert.equal((await look(store, mallory)).values.role, "guest");
    });
  }
});
