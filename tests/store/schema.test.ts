// A Standard Schema validator beside a store, here valibot's.
import assert from "node:assert/strict";
import { it } from "node:test";
import * as v from "valibot";
import { InvalidValuesError } from "#mongostore";
import { Counter } from "../support/backends.ts";
import { Browser } from "../support/browser.ts";
import { assertFresh, rejection } from "../support/secrets.ts";
import { describeStores } from "../support/stores.ts";
import { begin, look, visit } from "../support/visit.ts";

const schema = v.object({
  email: v.optional(v.pipe(v.string(), v.email())),
  cart: v.optional(v.array(v.object({ price: v.number() }))),
});

const slow = v.objectAsync({
  code: v.optionalAsync(v.pipeAsync(
    v.string(),
    v.checkAsync(async (code) => {
      await Promise.resolve();
      return code.startsWith("ok");
    }),
  )),
});

describeStores("schema", (place) => {
  it("values that satisfy it are saved and loaded, with the types that it infers", async () => {
    const [store, browser] = [await place().open({ schema }), new Browser()];
    await visit(store, browser, ({ values }) => {
      values.email = "ann@example.com";
      values.cart = [{ price: 1 }];
    });
    const { values } = await look(store, browser);
    const [first] = values.cart ?? [];
    assert.equal(first?.price, 1);
    assert.equal(values.email?.length, "ann@example.com".length);
  });

  it("values that do not are InvalidValuesError at save: paths are named, values are not, nothing is written", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open({ schema }, counter.around), new Browser()];
    await visit(store, browser, ({ values }) => {
      values.email = "ann@example.com";
    });
    const { session, save } = await begin(store, browser);
    session.values.email = "a-private-text";
    session.values.cart = [{ price: 1 }, { price: 2 }];
    Reflect.set(session.values.cart, 1, { price: "9876543210" });
    const error = await rejection(save, InvalidValuesError, {
      email: "a-private-text",
      price: "9876543210",
      token: session.token ?? "",
    });
    assert.deepEqual(error.paths.toSorted(), ["cart.1.price", "email"]);
    assert.deepEqual(counter.writes, ["insert"]);
    session.values.email = "bob@example.com";
    session.values.cart = [];
    await save();
    assert.deepEqual((await look(store, browser)).values, { email: "bob@example.com", cart: [] });
  });

  it("a new session is checked before it is stored", async () => {
    const counter = new Counter();
    const [store, browser] = [await place().open({ schema }, counter.around), new Browser()];
    const { session, save } = await begin(store, browser);
    session.values.email = "nobody";
    await rejection(save, InvalidValuesError, { email: "nobody" });
    assert.deepEqual([counter.writes, session.token], [[], undefined]);
  });

  it("update and regenerate are checked as save is", async () => {
    const [store, browser] = [await place().open({ schema }), new Browser()];
    await visit(store, browser, ({ values }) => {
      values.email = "ann@example.com";
    });
    const { session, save } = await begin(store, browser);
    await rejection(
      () =>
        session.update((values) => {
          values.email = "nobody";
        }),
      InvalidValuesError,
      { email: "nobody" },
    );
    session.values.email = "nobody";
    session.regenerate();
    await rejection(save, InvalidValuesError, { email: "nobody" });
    assert.equal((await look(store, browser)).values.email, "ann@example.com");
  });

  it("stored values that no longer satisfy it are a fresh session with InvalidValuesError", async () => {
    const here = place();
    const [before, now, browser] = [await here.open(), await here.open({ schema }), new Browser()];
    await visit(before, browser, ({ values }) => {
      values["email"] = "a-private-text";
    });
    assertFresh(await look(now, browser), "INVALID_VALUES", {
      value: "a-private-text",
      token: browser.token ?? "",
    });
    assert.equal((await look(before, browser)).isNew, false, "the record is left alone");
  });

  it("an async schema is waited for, at load and at save", async () => {
    const here = place();
    const [store, plain, browser] = [
      await here.open({ schema: slow }),
      await here.open<{ code: string }>(),
      new Browser(),
    ];
    await visit(store, browser, ({ values }) => {
      values.code = "ok-1";
    });
    assert.equal((await look(store, browser)).values.code, "ok-1");
    const { session, save } = await begin(store, browser);
    session.values.code = "wrong-code";
    const error = await rejection(save, InvalidValuesError, { value: "wrong-code" });
    assert.deepEqual(error.paths, ["code"]);
    await visit(plain, browser, ({ values }) => {
      values.code = "wrong-code";
    });
    assertFresh(await look(store, browser), "INVALID_VALUES", { value: "wrong-code" });
  });

  it("what it makes of the stored values is what the session holds", async () => {
    const here = place();
    const defaults = v.object({ theme: v.optional(v.string(), "light") });
    const [before, now, browser] = [
      await here.open(),
      await here.open({ schema: defaults }),
      new Browser(),
    ];
    await visit(before, browser, (session) => session.addFlash("x"));
    assert.equal((await look(now, browser)).values.theme, "light");
  });

  it("what two requests merged is checked too", async () => {
    const limited = v.pipe(
      v.object({ a: v.optional(v.number()), b: v.optional(v.number()) }),
      v.check(({ a = 0, b = 0 }) => a + b <= 10),
    );
    const [store, browser] = [await place().open({ schema: limited }), new Browser()];
    await visit(store, browser, ({ values }) => {
      values.a = 1;
    });
    const [first, second] = [await begin(store, browser), await begin(store, browser)];
    first.session.values.a = 8;
    second.session.values.b = 8;
    await first.save();
    await rejection(second.save, InvalidValuesError);
    assert.deepEqual((await look(store, browser)).values, { a: 8 });
  });
});
