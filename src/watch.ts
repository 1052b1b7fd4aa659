/// <reference lib="esnext.disposable" preserve="true" />
import type { Backend, Call, Loaded, RecordKey } from "./backend/backend.ts";
import { sameBytes } from "./backend/record.ts";
import type { Clock } from "./clock.ts";
import type { SessionEvent } from "./events.ts";
import type { Lookup } from "./lookup.ts";
import type { Snapshot } from "./payload.ts";

/**
 * How a watched session ended, as far as it can be told. `expired`: it was found gone after the time at which it was last
 * known to expire. `replaced`: its id was replaced by `regenerate`, and that was seen while the old record stood, as it does
 * within the `grace`. `ended`: all else, a logout or a revocation above all.
 */
export type SessionEnd = "ended" | "replaced" | "expired";

/** Stops watching, without a word to `onEnd`. Call it, or declare it with `using`. */
export type StopWatching = (() => void) & Disposable;

/** What a watcher works with. Times are in milliseconds. */
export interface WatcherParts {
  readonly backend: Backend;
  readonly lookup: Lookup;
  readonly clock: Clock;
  readonly emit: (event: SessionEvent) => void;
  /** How long after its creation a session ends. */
  readonly lifetime: number;
  /** How often sessions are looked at where changes are not told. */
  readonly interval: number;
  /** Makes the call for one look. */
  readonly call: () => Call;
}

/** A record that is watched, for all who watch it. */
interface Watched extends Pick<Snapshot, "key" | "name" | "created"> {
  /** The data that was last seen, and when it was to end. */
  rev: Snapshot["rev"];
  ends: number;
  readonly listeners: Set<{ readonly onEnd: (end: SessionEnd) => void }>;
}

/** How many records are looked at together. */
const MOST_AT_ONCE = 500;

/**
 * Tells when sessions end. All that are watched share one stream of changes, which is open while there are any; until it is live,
 * and where the backend has none, their records are looked at every interval. What a session's end looks like is for the lookup to say.
 */
export class Watcher {
  readonly #parts: WatcherParts;
  readonly #watched = new Map<string, Watched>();
  /** What has to be looked at. */
  readonly #due = new Set<string>();
  #isLooking = false;
  #stop: (() => void) | undefined;
  #mode: "stream" | "poll" | undefined;

  /** Starts nothing yet. */
  constructor(parts: WatcherParts) {
    this.#parts = parts;
  }

  /** Calls `onEnd` once when the session of this snapshot has ended, unless the function that it gives is called before. */
  add(snapshot: Snapshot, onEnd: (end: SessionEnd) => void): () => void {
    const { text } = snapshot.key;
    const { key, name, created, rev } = snapshot;
    const ends = this.#endOf(snapshot);
    const watched = this.#watched.get(text) ??
      { key, name, created, rev, ends, listeners: new Set() };
    const listener = { onEnd };
    watched.listeners.add(listener);
    this.#watched.set(text, watched);
    this.#start();
    // It may have ended since it was loaded.
    this.#due.add(text);
    void this.#look();
    return () => {
      if (watched.listeners.delete(listener) && watched.listeners.size === 0) this.#drop(text);
    };
  }

  /** Stops everything. Nobody is told. */
  close(): void {
    for (const text of this.#watched.keys()) this.#drop(text);
  }

  #drop(text: string): void {
    this.#watched.delete(text);
    this.#due.delete(text);
    if (this.#watched.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  #start(): void {
    if (this.#stop) return;
    const { backend, clock, interval } = this.#parts;
    let isStopped = false;
    let isLive = false;
    let cancel = nothing;
    const tick = () => {
      cancel = clock.after(interval, () => {
        void this.#review(isLive).finally(() => {
          if (!isStopped) tick();
        });
      });
    };
    let unobserve = nothing;
    this.#stop = () => {
      isStopped = true;
      cancel();
      unobserve();
    };
    tick();
    if (!backend.observe) return this.#tell("poll", "the backend tells of no changes");
    unobserve = backend.observe({
      changed: (key, isRemoved) => {
        if (isStopped || !this.#watched.has(key.text)) return;
        if (isRemoved) void this.#remove(key);
        else this.#mark([key.text]);
      },
      live: (isComplete) => {
        if (isStopped) return;
        isLive = true;
        this.#tell("stream");
        if (!isComplete) this.#mark(this.#watched.keys());
      },
      lost: (reason) => {
        if (isStopped) return;
        isLive = false;
        this.#tell("poll", reason.message);
      },
    });
  }

  /** Says in which way it works now, where that is another than before. */
  #tell(mode: "stream" | "poll", reason?: string): void {
    if (mode === this.#mode) return;
    this.#mode = mode;
    this.#parts.emit({ type: "watch", mode, ...(reason !== undefined && { reason }) });
  }

  #mark(texts: Iterable<string>): void {
    for (const text of texts) this.#due.add(text);
    void this.#look();
  }

  /** Looks at everything, or at what should have expired where changes are told: the database removes it only within a minute. */
  async #review(isLive: boolean): Promise<void> {
    const now = isLive ? await this.#now() : undefined;
    for (const [text, { ends }] of this.#watched) {
      if (!isLive || (now !== undefined && ends <= now)) this.#due.add(text);
    }
    await this.#look();
  }

  /** Looks at what is due, some hundred at a time. What it cannot see now it sees at the next interval. */
  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    try {
      // Who is added in this turn belongs together.
      await Promise.resolve();
      while (this.#due.size > 0) {
        const texts = [...this.#due].slice(0, MOST_AT_ONCE);
        const chosen = texts.flatMap((text) => this.#watched.get(text) ?? []);
        for (const text of texts) this.#due.delete(text);
        if (!(await this.#see(chosen))) {
          for (const { key } of chosen) if (this.#watched.has(key.text)) this.#due.add(key.text);
          return;
        }
      }
    } finally {
      this.#isLooking = false;
    }
  }

  /** Looks at these; false where the backend gives no answer. */
  async #see(chosen: readonly Watched[]): Promise<boolean> {
    const { backend, call } = this.#parts;
    try {
      const loaded = await backend.load(chosen.map(({ key }) => key), call());
      await Promise.all(chosen.map((watched, i) => this.#judge(watched, loaded[i])));
      return true;
    } catch {
      return false;
    }
  }

  async #judge(watched: Watched, loaded: Loaded | undefined): Promise<void> {
    const record = loaded?.status === "found" ? loaded.record : undefined;
    if (record && loaded?.status === "found") {
      const ends = this.#endOf(record);
      // Most look as they did before: then there is nothing to open.
      if (sameBytes(record.rev, watched.rev) && loaded.now < ends) {
        watched.ends = ends;
        return;
      }
    }
    const found = await this.#parts.lookup.judge(watched.name, watched.key, loaded);
    if (found.status === "moved") return this.#end(watched, "replaced");
    if (found.status === "missing") return await this.#remove(watched.key);
    watched.rev = found.snapshot.rev;
    watched.ends = this.#endOf(found.snapshot);
  }

  async #remove({ text }: RecordKey): Promise<void> {
    const watched = this.#watched.get(text);
    if (!watched) return;
    const now = await this.#now();
    this.#end(watched, now !== undefined && watched.ends <= now ? "expired" : "ended");
  }

  #end(watched: Watched, end: SessionEnd): void {
    const { text } = watched.key;
    if (this.#watched.get(text) !== watched) return;
    this.#drop(text);
    // Each on its own: what one throws is an unhandled rejection, and none of the others' business.
    for (const { onEnd } of watched.listeners) void Promise.resolve(end).then(onEnd);
    watched.listeners.clear();
  }

  /** The backend's time; undefined where it cannot be had. */
  async #now(): Promise<number | undefined> {
    const { backend, call } = this.#parts;
    try {
      return await backend.now(call());
    } catch {
      return undefined;
    }
  }

  #endOf({ created, expires }: Pick<Snapshot, "created" | "expires">): number {
    return Math.min(expires, created + this.#parts.lifetime);
  }
}

/** Stands for what is not there yet. */
function nothing(): void {
  // there is nothing to stop
}
