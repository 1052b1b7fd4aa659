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
  readonly onChange: () => void;
}

/**
 * The stores in use, and how they get a new first key while requests go on.
 *
 * This is one process, so the new key may be first at once. Where there are several, each of them must open a key before any
 * protects with it: deploy `[old, new]`, then `[new, old]`, and drop the old key when the longest `maxAge` has passed. The keys
 * made here are nowhere else, so a restart ends what they protect; keep yours where you keep secrets.
 */
export class Rotation {
  /** What requests use from now on. */
  stores: Stores;
  /** The last rotation; undefined before the first. */
  status: RotationStatus | undefined;
  readonly #options: RotationOptions;
  #keys: readonly string[];
  /** Requests that began before a rotation end on the stores they began with. */
  readonly #older: Stores[] = [];
  #run: Promise<void> = Promise.resolve();
  readonly #stop = new AbortController();

  private constructor(options: RotationOptions, stores: Stores) {
    this.#options = options;
    this.#keys = options.keys;
    this.stores = stores;
  }

  static async begin(options: RotationOptions): Promise<Rotation> {
    return new Rotation(options, await options.open(options.keys));
  }

  get keyCount(): number {
    return this.#keys.length;
  }

  /** Puts a new key first and starts to protect all data with it; false where a rotation is running. */
  async rotate(): Promise<boolean> {
    if (this.status?.state === "running") return false;
    const { open, count } = this.#options;
    const startedAt = new Date();
    this.#show({ state: "running", startedAt, total: undefined, progress: undefined });
    try {
      const keys = [generateKey(), ...this.#keys];
      const stores = await open(keys);
      this.#older.push(this.stores);
      this.stores = stores;
      this.#keys = keys;
      this.#show({ state: "running", startedAt, total: await count(), progress: undefined });
    } catch (error) {
      this.#show({ state: "failed", startedAt, total: undefined, progress: undefined });
      throw error;
    }
    this.#run = this.#rekey();
    return true;
  }

  async #rekey(): Promise<void> {
    const show = (change: Partial<RotationStatus>) => {
      if (this.status) this.#show({ ...this.status, ...change });
    };
    try {
      // Slow enough to be looked at, and to leave the database to the requests.
      const progress = await this.stores.pages.rekey({
        batch: 20,
        rate: 200,
        signal: this.#stop.signal,
        onProgress: (soFar) => show({ progress: soFar }),
      });
      show({ state: "done", progress });
    } catch (error) {
      // Sessions that an older key protects go on working: a later run finds them.
      show({ state: "failed" });
      if (!this.#stop.signal.aborted) console.error(error);
    }
  }

  #show(status: RotationStatus): void {
    this.status = status;
    this.#options.onChange();
  }

  /** Ends a rekey between two batches, then waits for the saves under way. */
  async close(): Promise<void> {
    this.#stop.abort();
    await this.#run;
    const all = [...this.#older, this.stores];
    await Promise.all(
      all.flatMap(({ pages, api, links }) => [pages.close(), api.close(), links.close()]),
    );
  }
}
