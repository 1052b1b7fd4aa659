// SECURITY.md section 6: what others paid for. docs/threat-model.md names the test of each lesson; here are those that stand nowhere else.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import {
  createMemoryStore,
  generateKey,
  HeaderToken,
  memoryBackend,
  saveAll,
  SessionGoneError,
  Store,
} from "#mongostore";
import type { Backend, Session } from "#mongostore";
import { Browser, parseSetCookie } from "../support/browser.ts";
import { describeStores, KEY } from "../support/stores.ts";
import { begin, look, visit } from "../support/visit.ts";

interface Values {
  n: number;
}

/** Holds back every step that reaches the backend until its turn has come. */
class Interleaving {
  #held: (() => void)[] = [];
  /** Whether steps are held back. */
  isOn = false;

  readonly around = (backend: Backend): Backend =>
    new Proxy(backend, {
      get: (target, name) => {
        const method: unknown = Reflect.get(target, name);
        if (typeof method !== "function") return method;
        if (name === "now" || name === "close") return method.bind(target);
        return async (...args: unknown[]): Promise<unknown> => {
          if (this.isOn) await new Promise<void>((resolve) => this.#held.push(resolve));
          return await Reflect.apply(method, target, args);
        };
      },
    });

  /** Lets one step after the other go, as `choose` says, until all is done. */
  async run(
    works: readonly Promise<unknown>[],
    choose: (count: number) => number,
  ): Promise<void> {
    let isDone = false;
    const all = Promise.allSettled(works).then(() => (isDone = true));
    for (;;) {
      for (let turn = 0; turn < 3; turn++) {
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      if (isDone) break;
      this.#held.splice(choose(this.#held.length), 1)[0]?.();
    }
    await all;
  }
}

describe("a save after logout (Rack CVE-2025-46336, express-session 632, connect-redis 328, nextjs-auth0 2530)", () => {
  it("save and destroy interleaved a thousand times, step by step: no record is left, no token is issued afterwards", async () => {
    const steps = new Interleaving();
    const store = new Store<Values>({ keys: [KEY], backend: steps.around(memoryBackend()) });
    const outcomes = new Map<string, number>();
    for (let round = 0; round < 1_000; round++) {
      const browser = new Browser();
      await visit(store, browser, (session) => {
        session.values.n = 0;
        session.subject = "all";
      });
      const [saving, leaving, third] = [
        await begin(store, browser),
        await begin(store, browser),
        await begin(store, browser),
      ];
      saving.session.values.n = 1;
      third.session.values.n = 2;
      const headers = new Headers();
      let state = round;
      const choose = (count: number) => {
        const next = state % Math.max(1, count);
        state = Math.floor(state / Math.max(1, count));
        return next;
      };
      steps.isOn = true;
      const works = [
        saving.saveOn(headers),
        leaving.session.destroy(),
        third.saveOn(new Headers()),
      ];
      await steps.run(round % 2 === 0 ? works : works.toReversed(), choose);
      steps.isOn = false;
      const [saved] = await Promise.allSettled(works);
      assert.ok(saved);
      if (saved.status === "rejected") {
        assert.ok(saved.reason instanceof SessionGoneError, String(saved.reason));
        assert.equal(parseSetCookie(headers.getSetCookie()[0] ?? "").value, "");
      }
      outcomes.set(saved.status, (outcomes.get(saved.status) ?? 0) + 1);
      const late = new Headers();
      saving.session.values.n = 3;
      await saving.saveOn(late).catch(() => undefined);
      assert.equal(parseSetCookie(late.getSetCookie()[0] ?? "").value, "");
      assert.equal((await look(store, browser)).error?.code, "SESSION_GONE");
    }
    assert.deepEqual(await store.list("all"), []);
    for (const outcome of ["fulfilled", "rejected"]) {
      assert.ok((outcomes.get(outcome) ?? 0) > 100, `${outcome}: ${outcomes.get(outcome)}`);
    }
  });
});

/** The id of the key that a token was signed with. */
function keyIdOf(token: string | undefined): string {
  return Buffer.from(token ?? "", "base64url").subarray(1, 5).toString("hex");
}

describeStores("key rotation (Flask CVE-2025-47278)", (place) => {
  it("after a rotation every token that is issued, and all data that is written, carries the first key's id", async () => {
    const here = place();
    const [older, newest] = [generateKey(), generateKey()];
    const before = await here.open<Values>({ keys: [older] });
    const [changed, unchanged, fresh] = [new Browser(), new Browser(), new Browser()];
    for (const browser of [changed, unchanged]) {
      await visit(before, browser, (session) => {
        session.values.n = 1;
      });
    }
    const oldId = keyIdOf(changed.token);
    const after = await here.open<Values>({ keys: [newest, older] });
    await visit(after, changed, (session) => {
      session.values.n = 2;
    });
    await visit(after, unchanged);
    await visit(after, fresh, (session) => {
      session.values.n = 3;
    });
    const ids = [changed, unchanged, fresh].map(({ token }) => keyIdOf(token));
    assert.equal(new Set(ids).size, 1);
    assert.notEqual(ids[0], oldId);
    const alone = await here.open<Values>({ keys: [newest] });
    assert.equal((await look(alone, changed)).values.n, 2);
    assert.equal((await look(alone, fresh)).values.n, 3);
  });

  it("in flight, over servers that have the keys in another order: no session is lost, no count either", async () => {
    const here = place();
    const [older, newest] = [generateKey(), generateKey()];
    const stages = [[older], [older, newest], [newest, older], [newest]];
    const stores = await Promise.all(stages.map((keys) => here.open<Values>({ keys })));
    const browser = new Browser();
    let n = 0;
    for (let stage = 0; stage + 1 < stages.length; stage++) {
      for (let i = 0; i < 20; i++) {
        const store = stores[stage + i % 2];
        assert.ok(store);
        const { session } = await visit(store, browser, (own) => {
          own.values.n = (own.values.n ?? 0) + 1;
        });
        assert.equal(session.error, undefined);
        assert.equal(session.values.n, ++n);
      }
    }
  });
});

type Access = readonly [title: string, access: (session: Session<Values>) => unknown];

const ACCESSES: readonly Access[] = [
  ["nothing but get", () => undefined],
  ["values", (session) => session.values.n],
  ["flashes", (session) => session.flashes()],
  ["takeFlashes", (session) => session.takeFlashes()],
  ["update", (session) => session.update(() => undefined)],
  ["addFlash", (session) => session.addFlash("x")],
  ["isNew", (session) => session.isNew],
  ["error", (session) => session.error],
  ["id", (session) => session.id],
  ["token", (session) => session.token],
  ["subject", (session) => session.subject],
  ["meta", (session) => session.meta],
  ["createdAt", (session) => session.createdAt],
  ["expiresAt", (session) => session.expiresAt],
  ["options", (session) => session.options.path],
  ["regenerate", (session) => session.regenerate()],
  ["destroy", (session) => session.destroy()],
];

describe("Vary (Flask CVE-2023-30861, CVE-2026-27205)", () => {
  const transports = [
    ["Cookie", undefined, (token: string) => ({ cookie: `session=${token}` })],
    ["Authorization", new HeaderToken(), (token: string) => ({ authorization: `Bearer ${token}` })],
  ] as const;

  for (const [title, access] of ACCESSES) {
    it(`is on every response whose handler used ${title}, with and without a session`, async () => {
      for (const [field, transport, carry] of transports) {
        const options = { keys: [KEY], ...(transport ? { token: transport } : {}) };
        const store = createMemoryStore<Values>(options);
        const first = new Request("https://app.example/");
        const session = await store.get(first);
        session.values.n = 1;
        await store.save(first, new Response(), session);
        const answers: (typeof store.save)[] = [
          store.save.bind(store),
          async (request, response) => await saveAll(request, response),
        ];
        const handler = store.handle(async (_request, own) => {
          await access(await own());
          return new Response("hello", { headers: { vary: "Accept" } });
        });
        for (const token of ["", "forged", session.token ?? ""]) {
          const request = () => new Request("https://app.example/", { headers: carry(token) });
          const responses = [await handler(request())];
          for (const answer of answers) {
            const asked = request();
            const own = await store.get(asked);
            await access(own);
            responses.push(
              await answer(asked, new Response("hello", { headers: { vary: "Accept" } }), own),
            );
          }
          for (const response of responses) {
            assert.equal(response.headers.get("vary"), `Accept, ${field}`);
          }
        }
      }
    });
  }
});
