import { generateKey } from "#mongostore";
import type { RekeyProgress } from "#mongostore";
import type { OpenStores, Stores } from "./stores.ts";

/** How far the stored data is protected with the newest key. */
export interface RotationStatus {
  readonly state: "running" | "done" | "failed";
  readonly startedAt: Date;
  /** About how many records there are; undefined where nobody counts them. */
  readonly total: number | undefined;
  readonly progress: RekeyProgress | undefined;
}

/** What a rotation needs to know of its surroundings. */
export interface RotationOptions {
  readonly open: OpenStores;
  readonly keys: readonly string[];
  /** About how many records there are. */
  readonly count: () => Promise<number | undefined>;
  /** Other stores are in use: what outlives a request, and goes by the old ones, has to end. */
  readonly onSwap: () => void;
  readonly onChange: () => void;
}

/** Stores, and the requests that are under way on them. */
interface Generation {
  readonly stores: Stores;
  readonly busy: Set<Promise<unknown>>;
}

/**
 * The stores in use, and how they get a new first key while requests go on: first every store learns to open what the new key
 * protects, then it protects. Several processes do the same in two deployments, `[old, new]` and `[new, old]`.
 *
 * The keys made here are nowhere else, so a restart ends what they protect; keep yours where you keep secrets. No key is dropped
 * here; you may drop one when the longest `maxAge` has passed.
 */
export class Rotation {
  /** The last rotation; undefined before the first. */
  status: RotationStatus | undefined;
  readonly #options: RotationOptions;
  readonly #older: Stores[] = [];
  #keys: readonly string[];
  #current: Generation;
  #run: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  private constructor(options: RotationOptions, stores: Stores) {
    this.#options = options;
    this.#keys = options.keys;
    this.#current = { stores, busy: new Set() };
  }

  static async begin(options: RotationOptions): Promise<Rotation> {
    return new Rotation(options, await options.open(options.keys));
  }

  get keyCount(): number {
    return this.#keys.length;
  }

  /** Does the work of a request on the stores in use. */
  async use<T>(work: (stores: Stores) => Promise<T>): Promise<T> {
    const { stores, busy } = this.#current;
    const working = work(stores);
    busy.add(working);
    try {
      return await working;
    } finally {
      busy.delete(working);
    }
  }

  /** Begins to put a new key first and to protect all data with it; false where a rotation is running. */
  rotate(): boolean {
    if (this.status?.state === "running") return false;
    this.#show({ state: "running", startedAt: new Date(), total: undefined, progress: undefined });
    this.#run = this.#rotate().catch((error: unknown) => {
      // Sessions that an older key protects go on working: a later rotation finds them.
      this.#showMore({ state: "failed" });
      if (!this.#stop.signal.aborted) console.error(error);
    });
    return true;
  }

  async #rotate(): Promise<void> {
    const { signal } = this.#stop;
    const [older, newest] = [this.#keys, generateKey()];
    await this.#swap([...older, newest]);
    signal.throwIfAborted();
    await this.#swap([newest, ...older]);
    this.#showMore({ total: await this.#options.count() });
    // Slow enough to be looked at, and to leave the database to the requests.
    const progress = await this.#current.stores.pages.rekey({
      batch: 20,
      rate: 200,
      signal,
      onProgress: (soFar) => this.#showMore({ progress: soFar }),
    });
    this.#showMore({ state: "done", progress });
  }

  /** Takes stores with these keys into use, and waits for the requests that are under way on the last. */
  async #swap(keys: readonly string[]): Promise<void> {
    const stores = await this.#options.open(keys);
    const { busy, stores: last } = this.#current;
    this.#older.push(last);
    this.#current = { stores, busy: new Set() };
    this.#keys = keys;
    await Promise.allSettled(busy);
    this.#options.onSwap();
  }

  #showMore(change: Partial<RotationStatus>): void {
    if (this.status) this.#show({ ...this.status, ...change });
  }

  #show(status: RotationStatus): void {
    this.status = status;
    this.#options.onChange();
  }

  /** Ends a rotation between two of its steps, then waits for the saves under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#run;
    const all = [...this.#older, this.#current.stores];
    await Promise.all(
      all.flatMap(({ pages, api, links }) => [pages.close(), api.close(), links.close()]),
    );
  }
}
