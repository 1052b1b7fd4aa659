import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import * as fc from "fast-check";
import { CookieToken, createMemoryStore, firstOf, HeaderToken, SessionError } from "#mongostore";
import { secret } from "../codec/keys.ts";
import { parseSetCookie } from "../support/browser.ts";
import { ManualClock } from "../support/clock.ts";
import { editText, rareEdits } from "./edits.ts";
import { bound, keysOf, mac, openToken, tokenHead } from "./reference.ts";
import { type Target, target } from "./target.ts";

const KEYS = keysOf(secret(1));
const FOREIGN = keysOf(secret(2));
const LIFETIME = 86_400;

/** What one of the presented texts is. */
const text = fc.record({
  kind: fc.constantFrom("live", "live", "destroyed", "unknown", "foreign", "old", "nonsense"),
  id: fc.uint8Array({ minLength: 24, maxLength: 24 }),
  nonsense: fc.stringMatching(/^[\w-]{0,90}$/),
  changes: rareEdits,
});
const input = fc.record({
  cookies: fc.array(text, { maxLength: 4 }),
  header: fc.option(text, { freq: 3 }),
  joint: fc.constantFrom("; ", ";", ", "),
});

/** Presents texts to a store, and saves what it gives. */
export const storeTargets: readonly Target[] = [
  target(
    {
      name: "store",
      runs: 250,
      reaches: ["its own", "fresh", "INVALID_TOKEN", "EXPIRED_TOKEN", "SESSION_GONE"],
    },
    input,
    async ({ cookies, header, joint }) => {
      const clock = new ManualClock();
      let drawn = 0;
      const store = createMemoryStore({
        keys: [secret(1)],
        lifetime: LIFETIME,
        clock,
        random: (length) => Uint8Array.from({ length }, () => drawn++ & 0xff),
        token: firstOf(new CookieToken(), new HeaderToken()),
      });
      const issue = async () => {
        const request = new Request("https://app.example/");
        const session = await store.get(request);
        session.values["mark"] = "theirs";
        await store.save(request, new Response(), session);
        return session;
      };
      const [live, dead] = [await issue(), await issue()];
      await dead.destroy();
      const now = clock.now() / 1000;
      const made = (keys: typeof KEYS, id: Uint8Array, issued: number) => {
        const head = tokenHead(1, keys.id, issued, id);
        const tag = mac(keys.token, bound("mongostore/v1/token", "session", head));
        return Buffer.concat([head, tag]).toString("base64url");
      };
      const textOf = ({ kind, id, nonsense, changes }: typeof cookies[number]) => {
        const genuine = {
          live: live.token ?? "",
          destroyed: dead.token ?? "",
          unknown: made(KEYS, id, now),
          foreign: made(FOREIGN, id, now),
          old: made(KEYS, id, now - LIFETIME - 1),
          nonsense,
        }[kind];
        return editText(genuine, changes);
      };
      const texts = cookies.map(textOf);
      const fields = new Map<string, string>();
      if (texts.length > 0) fields.set("cookie", texts.map((one) => `session=${one}`).join(joint));
      const credential = header && textOf(header);
      if (credential !== null) fields.set("authorization", `Bearer ${credential}`);
      const request = {
        url: "https://app.example/",
        headers: { get: (name: string) => fields.get(name) ?? null },
      };

      const session = await store.get(request);
      const presented = store.token.read(request, "session");
      const tokens = presented && "tokens" in presented ? presented.tokens : [];
      const opened = tokens.map((one) =>
        openToken([KEYS], LIFETIME, ["session", one, clock.now()])
      );
      const ids = opened.flatMap((one) =>
        one.ok ? [Buffer.from(one.id).toString("base64url")] : []
      );
      const isLive = new Set(ids).size === 1 && ids[0] === live.id;
      assert.equal(session.isNew, !isLive);
      assert.deepEqual({ ...session.values }, isLive ? { mark: "theirs" } : {});
      assert.equal(session.error !== undefined, presented !== undefined && !isLive);
      if (session.error) {
        assert.ok(session.error instanceof SessionError);
        for (const one of tokens) {
          assert.ok(
            one.length < 8 || !session.error.message.includes(one),
            "an error quotes a token",
          );
        }
      }

      session.values["mark"] = "mine";
      const response = await store.save(request, new Response(), session);
      const [cookie] = response.headers.getSetCookie();
      const given = cookie === undefined
        ? response.headers.get("x-session-token") ?? ""
        : parseSetCookie(cookie).value;
      const issued = openToken([KEYS], LIFETIME, ["session", given, clock.now()]);
      assert.ok(issued.ok);
      const id = Buffer.from(issued.id).toString("base64url");
      if (isLive) assert.equal(id, live.id);
      else {assert.ok(
          !ids.includes(id) && id !== live.id && id !== dead.id,
          "a presented id is adopted",
        );}
      return isLive ? "its own" : session.error?.code ?? "fresh";
    },
  ),
];
