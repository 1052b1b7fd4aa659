// The four rounds of the Go package's own test, told anew: each is one request of one client.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TRANSPORTS } from "../support/clients.ts";
import { describeStores } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

describeStores("the four rounds of kidstuff/mongostore", (place) => {
  for (const [channel, transport, newClient] of TRANSPORTS) {
    describe(`through ${channel}`, () => {
      it("round 1 and 2: flashes are saved, come back first in first out, and each is read once", async () => {
        const [store, client] = [await place().open({ token: transport() }), newClient()];
        const first = await visit(store, client, (session) => {
          assert.deepEqual(session.flashes(), []);
          session.addFlash("foo");
          session.addFlash("bar");
          session.addFlash("baz", "custom_key");
        });
        assert.equal(first.session.isNew, true);
        assert.ok(client.token);

        await visit(store, client, (session) => {
          assert.equal(session.isNew, false);
          assert.deepEqual(session.flashes(), ["foo", "bar"]);
          assert.deepEqual(session.flashes(), []);
          assert.deepEqual(session.flashes("custom_key"), ["baz"]);
          assert.deepEqual(session.flashes("custom_key"), []);
        });

        const { session } = await visit(store, client);
        assert.deepEqual([session.flashes(), session.flashes("custom_key")], [[], []]);
      });

      it("round 2: maxAge -1 deletes the session, and its token leads nowhere", async () => {
        const [store, client] = [await place().open({ token: transport() }), newClient()];
        await visit(store, client, (session) => session.addFlash("foo"));
        const token = client.token;
        assert.ok(token);
        await visit(store, client, (session) => {
          session.options.maxAge = -1;
        });
        client.present(token);
        const session = await look(store, client);
        assert.equal(session.isNew, true);
        assert.equal(session.error?.code, "SESSION_GONE");
        assert.deepEqual(session.flashes(), []);
      });

      it("round 3 and 4: a structured value comes back as it was, and the session can be deleted", async () => {
        interface FlashMessage {
          readonly type: number;
          readonly message: string;
          readonly at: Date;
        }
        const message: FlashMessage = { type: 42, message: "foo", at: new Date(0) };
        const [store, client] = [await place().open({ token: transport() }), newClient()];
        await visit(store, client, (session) => session.addFlash(message));
        await visit(store, client, (session) => {
          assert.deepEqual(session.flashes(), [message]);
          session.options.maxAge = -1;
        });
        const { session } = await visit(store, client);
        assert.equal(session.isNew, true);
      });
    });
  }
});
