// Fixation: who presents an id never gets it as a session.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { it } from "node:test";
import type { Store } from "#mongostore";
import { Browser, parseSetCookie } from "../support/browser.ts";
import { TRANSPORTS } from "../support/clients.ts";
import { describeStores, KEY } from "../support/stores.ts";
import { look, visit } from "../support/visit.ts";

interface Values {
  user: string;
}

describeStores("fixation", (place, kind) => {
  /** Presents the token, logs in, and gives what came back. */
  const login = async (store: Store, token: string) => {
    const browser = new Browser();
    browser.present(token);
    return await visit(store, browser, (session) => {
      session.values["user"] = "victim";
    });
  };

  it("unknown ids never come back in a Set-Cookie", async () => {
    const store = await place().open();
    const unknown = [
      "chosen",
      "A".repeat(32),
      "A".repeat(88),
      Buffer.alloc(66, 1).toString("base64url"),
    ];
    for (const token of unknown) {
      const { response, session } = await login(store, token);
      const { value } = parseSetCookie(response.headers.getSetCookie()[0] ?? "");
      assert.equal(value, session.token);
      assert.notEqual(value, token);
      assert.ok(!token.includes(session.id) && !value.includes(token));
    }
  });

  it("destroyed ids never come back in a Set-Cookie, though their token is authentic", async () => {
    const [store, attacker] = [await place().open(), new Browser()];
    const { session: old } = await visit(store, attacker, (session) => session.addFlash("x"));
    const token = attacker.token ?? "";
    await visit(store, attacker, (session) => session.destroy());
    const { session } = await login(store, token);
    assert.notEqual(session.id, old.id);
    assert.notEqual(session.token, token);
    attacker.present(token);
    assert.equal((await look(store, attacker)).isNew, true);
  });

  it("foreign ids, of another store's keys or of another name, never come back in a Set-Cookie", async () => {
    const here = place();
    const [store, foreign] = [await here.open(), await here.open({ keys: [`${KEY} of another`] })];
    const [attacker, other] = [new Browser(), new Browser("other")];
    await visit(foreign, attacker, (session) => session.addFlash("x"));
    await visit(store, other, (session) => session.addFlash("x"), "other");
    for (const token of [attacker.token ?? "", other.token ?? ""]) {
      const { session } = await login(store, token);
      assert.equal(session.error?.code, "INVALID_TOKEN");
      assert.notEqual(session.token, token);
    }
  });

  if (kind === "mongodb") {
    it("expired ids never come back in a Set-Cookie", async () => {
      const here = place();
      const [store, attacker] = [await here.open({ ensureTTL: false }), new Browser()];
      await visit(store, attacker, (session) => session.addFlash("x"));
      await here.collection?.updateOne({}, { $set: { expires: new Date(0) } });
      const { session } = await login(store, attacker.token ?? "");
      assert.equal(session.error?.code, "SESSION_GONE");
      assert.notEqual(session.token, attacker.token);
    });

    it("a stored _id presented as a token fails, as base64url, base64, hex, bytes or JSON", async () => {
      const here = place();
      const [store, victim] = [await here.open(), new Browser()];
      await visit(store, victim, (session) => session.addFlash("x"));
      const document = await here.collection?.findOne({}, { promoteBuffers: true });
      const bytes: unknown = document?._id;
      assert.ok(bytes instanceof Uint8Array && bytes.length === 20);
      const id = Buffer.from(bytes);
      const padded = Buffer.concat([Buffer.from([1]), Buffer.alloc(9), id, Buffer.alloc(36)]);
      const forms = [
        id.toString("base64url"),
        id.toString("base64"),
        id.toString("hex"),
        id.toString("latin1").replaceAll(/[^\x21-\x7e]/g, "x"),
        padded.toString("base64url"),
        JSON.stringify({ $oid: id.toString("hex") }),
      ];
      for (const text of forms) {
        const session = await store.get({
          headers: new Headers({ cookie: `session=${text}` }),
          url: "/",
        });
        assert.deepEqual([session.isNew, session.error?.code], [true, "INVALID_TOKEN"], text);
      }
    });

    it("a dump of the collection holds no token, id, value or flash", async () => {
      const here = place();
      const [store, browser] = [await here.open<Values>(), new Browser()];
      const { session } = await visit(store, browser, (made) => {
        made.values.user = "a-private-user";
        made.addFlash("a-private-flash");
        made.meta = "a-private-label";
      });
      const documents = await here.collection?.find().toArray() ?? [];
      assert.equal(documents.length, 1);
      const { EJSON, serialize } = (await import("mongodb")).BSON;
      const dump = documents.flatMap((document) => [
        EJSON.stringify(document),
        Buffer.from(serialize(document)).toString("latin1"),
        Buffer.from(serialize(document)).toString("hex"),
        Buffer.from(serialize(document)).toString("base64url"),
      ]).join("\n");
      const id = Buffer.from(session.id, "base64url");
      for (
        const secret of [
          session.token ?? "",
          session.id,
          id.toString("hex"),
          id.toString("latin1"),
          "a-private-user",
          "a-private-flash",
          "a-private-label",
        ]
      ) assert.ok(!dump.includes(secret));
    });
  }

  it("a stored _id, the handle, presented as a token fails", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    const { session } = await visit(store, browser, (made) => made.addFlash("x"));
    browser.present(store.handleOf(session) ?? "");
    const found = await look(store, browser);
    assert.deepEqual([found.isNew, found.error?.code], [true, "INVALID_TOKEN"]);
  });

  it("the bare id presented as a token fails", async () => {
    const [store, browser] = [await place().open(), new Browser()];
    const { session } = await visit(store, browser, (made) => made.addFlash("x"));
    browser.present(session.id);
    assert.equal((await look(store, browser)).error?.code, "INVALID_TOKEN");
  });

  for (const [channel, transport, newClient] of TRANSPORTS) {
    it(`regenerate on login, through ${channel}: a new token, and the old token and record are gone`, async () => {
      const here = place();
      const [store, victim, attacker] = [
        await here.open<Values>({ token: transport() }),
        newClient(),
        newClient(),
      ];
      const { session: planted } = await visit(
        store,
        attacker,
        (session) => session.addFlash("bait"),
      );
      const token = attacker.token ?? "";
      victim.present(token);
      const { session } = await visit(store, victim, (own) => {
        assert.equal(own.isNew, false);
        own.regenerate();
        own.values.user = "victim";
      });
      assert.notEqual(session.id, planted.id);
      assert.notEqual(victim.token, token);
      const found = await look(store, attacker);
      assert.deepEqual([found.isNew, found.values.user], [true, undefined]);
      assert.equal((await look(store, victim)).values.user, "victim");
      assert.equal(await here.collection?.countDocuments() ?? 1, 1);
    });
  }

  it("a session that was not loaded always gets a new id: of 200 sessions none has another's", async () => {
    const store = await place().open();
    const ids = await Promise.all(Array.from({ length: 200 }, async () => {
      const { session } = await visit(store, new Browser(), (made) => made.addFlash("x"));
      return session.id;
    }));
    assert.equal(new Set(ids).size, 200);
  });
});
