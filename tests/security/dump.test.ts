// SECURITY.md section 1, reading the database: what a dump, a backup or a thief of the collection holds.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { it } from "node:test";
import { BSON } from "mongodb";
import type { Session } from "#mongostore";
import { Browser } from "../support/browser.ts";
import { describeStores, KEY } from "../support/stores.ts";
import { begin, visit } from "../support/visit.ts";
import { shownForms, tracesIn } from "./traces.ts";

interface Values {
  user: string;
  card: { number: bigint; holder: string };
  picture: Uint8Array;
  seen: Date;
}

const PRIVATE = {
  value: "a-very-private-user-name",
  holder: "Zoë Ångström-Müller 漢字",
  "card number": "4929123412341234",
  flash: "flash: your one-time code is 774411",
  "flash key": "flash-key-of-its-own",
  meta: "Firefox on Ann's grey laptop",
};
const PICTURE = Uint8Array.from({ length: 64 }, (_, i) => 255 - i * 3);

function fill(session: Session<Values>): void {
  session.values.user = PRIVATE.value;
  session.values.card = { number: BigInt(PRIVATE["card number"]), holder: PRIVATE.holder };
  session.values.picture = PICTURE;
  session.addFlash(PRIVATE.flash);
  session.addFlash("kept", PRIVATE["flash key"]);
  session.meta = { device: PRIVATE.meta };
}

/** What leads into a session: its token, as text and bytes, and the random part of its id. The time in it stands in `_id` too. */
function waysIn(session: Session<Values>, step: string): [string, string | Uint8Array][] {
  const [token = "", id] = [session.token, Buffer.from(session.id, "base64url")];
  const bytes = Buffer.from(token, "base64url");
  return [
    [`token, ${step}`, token],
    [`id in text, ${step}`, session.id.slice(6)],
    [`id, ${step}`, id.subarray(4)],
    [`seal of the token, ${step}`, bytes.subarray(34)],
  ];
}

describeStores("a dump of the collection", (place, kind) => {
  if (kind === "memory") return;

  it("after a whole walk holds none of its tokens, ids, values, flashes, labels or keys, in text, hex, base64 or base64url", async () => {
    const here = place();
    const { collection } = here;
    assert.ok(collection);
    const [store, graceful] = [await here.open<Values>(), await here.open<Values>({ grace: 60 })];
    const browser = new Browser();
    const secrets = new Map<string, string | Uint8Array>(Object.entries(PRIVATE));
    secrets.set("picture", PICTURE);
    secrets.set("key", KEY);
    const dumps: string[] = [];
    const step = async (title: string, session: Session<Values>) => {
      if (session.token !== undefined) {
        for (const [what, secret] of waysIn(session, title)) secrets.set(what, secret);
      }
      for (const document of await collection.find().toArray()) {
        dumps.push(BSON.EJSON.stringify(document), shownForms(BSON.serialize(document)));
      }
    };

    await step("login", (await visit(store, browser, fill)).session);
    const old = browser.copy();
    await step(
      "regenerate",
      (await visit(store, browser, (session) => session.regenerate())).session,
    );
    assert.equal((await begin(store, old)).session.isNew, true);
    const late = await begin(graceful, browser);
    await step(
      "grace",
      (await visit(graceful, browser, (session) => session.regenerate())).session,
    );
    assert.equal(await collection.countDocuments(), 2, "the old record leads to its successor");
    late.session.values.seen = new Date(0);
    await late.save();
    await step("late", late.session);
    await step(
      "flashes",
      (await visit(store, browser, (session) => session.takeFlashes())).session,
    );
    await step(
      "update",
      (await visit(store, browser, (session) =>
        session.update((values) => {
          values.seen = new Date();
        }))).session,
    );
    await step("logout", (await visit(store, browser, (session) => session.destroy())).session);

    assert.ok(secrets.size > 20 && dumps.length > 10, `${secrets.size} in ${dumps.length}`);
    assert.deepEqual(tracesIn(dumps.join("\n"), Object.fromEntries(secrets)), []);
  });

  it("is what it says with signed and plain data: readable values, and still no token and no id", async () => {
    for (const data of ["signed", "plain"] as const) {
      const here = place();
      const store = await here.open<Values>({ data });
      const { session } = await visit(store, new Browser(), fill);
      const [document] = await here.collection?.find().toArray() ?? [];
      assert.ok(document);
      const dump = shownForms(BSON.serialize(document));
      assert.deepEqual(tracesIn(dump, { value: PRIVATE.value }), ["value"]);
      assert.deepEqual(
        tracesIn(dump, { key: KEY, ...Object.fromEntries(waysIn(session, data)) }),
        [],
      );
    }
  });
});

it("the search finds a secret in every form, wherever it begins, and a piece of it", () => {
  const secret = Uint8Array.from({ length: 24 }, (_, i) => i * 37 + 11);
  const buffer = Buffer.from(secret);
  for (let before = 0; before < 6; before++) {
    const around = Buffer.concat([
      Buffer.alloc(before, 200),
      buffer.subarray(3, 15),
      Buffer.alloc(5, 9),
    ]);
    for (const encoding of ["hex", "base64", "base64url", "latin1"] as const) {
      assert.deepEqual(tracesIn(around.toString(encoding), { secret }), ["secret"], encoding);
    }
    assert.deepEqual(tracesIn(shownForms(around), { secret }), ["secret"]);
  }
  assert.deepEqual(tracesIn(`Uint8Array(24) [ ${buffer.join(", ")} ]`, { secret }), ["secret"]);
  assert.deepEqual(tracesIn(buffer.toString("hex").toUpperCase(), { secret }), ["secret"]);
  assert.deepEqual(tracesIn("x Zoë Ångström y", { secret: "Zoë Ångström" }), ["secret"]);
  assert.deepEqual(tracesIn(buffer.subarray(0, 7).toString("hex"), { secret }), []);
});
