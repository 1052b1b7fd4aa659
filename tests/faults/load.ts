import { setTimeout as sleep } from "node:timers/promises";
import type { Store } from "#mongostore";
import { type Account, enter, type Marks, newAccount, requestWith } from "./ledger.ts";
import { type Sample, sampled } from "./measure.ts";

/** How long a writer rests between two requests: the load stays the same however fast the machine is. */
const REST_MS = 25;
/** How often a visitor comes. */
const VISITS = 20;

/**
 * Steady traffic on real stores: writers with a session of their own each, and sessions that writers of all stores increment at
 * once. Every request reads its session and writes it, and what came of it goes into a ledger.
 */
export class Load {
  /** Every session that was written. */
  readonly accounts: Account[] = [];
  /** Every operation. */
  samples: Sample[] = [];
  /** What must never happen. */
  readonly problems: unknown[] = [];
  readonly #stores: readonly Store<Marks>[];
  readonly #own: number;
  readonly #shared: readonly Account[] = [newAccount(), newAccount()];
  #stopped = false;
  #writers: Promise<void>[] = [];

  constructor(stores: readonly Store<Marks>[], own: number) {
    this.#stores = stores;
    this.#own = own;
  }

  /** Begins the traffic. */
  async start(): Promise<void> {
    const stores = this.#stores;
    await this.#share();
    const each = Math.ceil(this.#own / stores.length);
    const writers = stores.flatMap((store) =>
      Array.from({ length: each }, () => this.#write(store))
    );
    const updaters = stores.flatMap((store, at) =>
      this.#shared.map((account) => this.#update(store, account, `s${at}`))
    );
    this.#writers = [...writers, ...updaters].map((work) =>
      work.catch((error: unknown) => void this.problems.push(error))
    );
  }

  /** Ends the traffic, once every request has been answered. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writers);
  }

  /** Makes the sessions that are everyone's. */
  async #share(): Promise<void> {
    const [store] = this.#stores;
    if (!store) throw new RangeError("a load has stores");
    for (const account of this.#shared) {
      const request = requestWith(undefined);
      const session = await store.get(request);
      session.subject = account.subject;
      await store.save(request, new Headers(), session);
      account.token = session.token;
      this.accounts.push(account);
    }
  }

  async #write(store: Store<Marks>): Promise<void> {
    let account: Account | undefined;
    for (let n = 0; !this.#stopped; n++) {
      if (!account || isOver(account)) {
        account = newAccount();
        this.accounts.push(account);
      }
      await this.#save(store, account, `m${n}`);
      await sleep(REST_MS);
    }
  }

  async #save(store: Store<Marks>, account: Account, mark: string): Promise<void> {
    const request = requestWith(account.token);
    const got = await sampled(this.samples, "get", () => store.get(request));
    if ("error" in got) return;
    const session = got.value;
    if (account.token !== undefined && session.isNew) {
      throw new Error("an acknowledged session is not found", { cause: session.error });
    }
    session.subject = account.subject;
    session.values[mark] = 1;
    const saved = await sampled(
      this.samples,
      "save",
      () => store.save(request, new Headers(), session),
    );
    const error = "error" in saved ? saved.error : undefined;
    enter(account, mark, error);
    if (!error) account.token = session.token;
  }

  async #update(store: Store<Marks>, account: Account, who: string): Promise<void> {
    for (let n = 0; !this.#stopped; n++) {
      const mark = `${who}-${n}`;
      const got = await sampled(this.samples, "get", () => store.get(requestWith(account.token)));
      if ("value" in got) {
        const session = got.value;
        if (session.isNew) {
          throw new Error("a shared session is not found", { cause: session.error });
        }
        const updated = await sampled(this.samples, "update", () =>
          session.update((values) => {
            values["count"] = (values["count"] ?? 0) + 1;
            values[mark] = 1;
          }));
        enter(account, mark, "error" in updated ? updated.error : undefined);
      }
      await sleep(REST_MS);
    }
  }
}

/** Visitors come and go, so that first saves meet an outage as well. One whose first save failed has nothing to come back with. */
function isOver({ token, acknowledged, unknown, notApplied }: Account): boolean {
  return token === undefined ? unknown.size + notApplied.size > 0 : acknowledged.size >= VISITS;
}
