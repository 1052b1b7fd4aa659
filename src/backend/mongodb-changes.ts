import type { Clock } from "../clock.ts";
import type { ChangeObserver } from "./backend.ts";
import type { ChangeCursor, SessionCollection } from "./collection.ts";
import { codeOf, READ_DURABLE, unavailable, withinDeadline } from "./driver-call.ts";
import { recordKey } from "./record.ts";

/** How long the server waits for a change before it says that there is none, in milliseconds. */
const AWAIT_MS = 500;
/** How long any answer of the server may take. */
const PATIENCE_MS = AWAIT_MS + 5_000;
/** How long a stream that broke rests before it is opened again: at first, and doubling, at most. */
const [FIRST_REST_MS, LONGEST_REST_MS] = [100, 60_000];

/** Touches and inserts end no session. Of what does, or may, only the `_id` leaves the database. */
const PIPELINE = [
  {
    $match: {
      $or: [
        { operationType: { $in: ["delete", "replace"] } },
        { operationType: "update", "updateDescription.updatedFields.data": { $exists: true } },
      ],
    },
  },
  { $project: { operationType: 1, "documentKey._id": 1 } },
];

/** Follows the changes of a collection by a change stream that is opened again whenever it breaks, where it broke. */
export class ChangeFeed {
  /** Settles when the feed was stopped and has let go of the database. Never rejects. */
  readonly ended: Promise<void>;
  readonly #collection: Pick<SessionCollection, "watch">;
  readonly #clock: Clock;
  readonly #observer: ChangeObserver;
  readonly #stop = new AbortController();
  /** Where the stream goes on; undefined where what came before is lost. */
  #token: unknown;
  #failures = 0;

  /** Begins to follow. */
  constructor(
    collection: Pick<SessionCollection, "watch">,
    clock: Clock,
    observer: ChangeObserver,
  ) {
    this.#collection = collection;
    this.#clock = clock;
    this.#observer = observer;
    this.ended = this.#run();
  }

  /** Tells no more from now on. */
  stop(): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const failure = await this.#follow();
      if (signal.aborted) return;
      // What the server itself refuses it may refuse again from there. After a broken connection it goes on.
      if (codeOf(failure) !== undefined) this.#token = undefined;
      const what = "the changes of the sessions cannot be followed";
      this.#observer.lost(unavailable(what, "changeStream", failure, "not-applied"));
      await this.#rest(Math.min(FIRST_REST_MS * 2 ** this.#failures++, LONGEST_REST_MS));
    }
  }

  /** Reads one stream until it breaks, and gives what it broke with. */
  async #follow(): Promise<unknown> {
    let stream: ChangeCursor | undefined;
    try {
      const resumeAfter = this.#token;
      stream = this.#collection.watch?.(PIPELINE, {
        ...READ_DURABLE, // a change stream tells of nothing that can be rolled back
        maxAwaitTimeMS: AWAIT_MS,
        ...(resumeAfter !== undefined && { resumeAfter }),
      });
      if (!stream) return new Error("the collection has no method watch");
      for (let isLive = false;; isLive = true) {
        const change = await this.#next(stream);
        if (!isLive) {
          this.#failures = 0;
          this.#observer.live(resumeAfter !== undefined);
        }
        if (change) this.#tell(change);
        if (stream.closed) {
          // The collection was dropped or renamed: there is no way on from here.
          this.#token = undefined;
          return new Error("the stream was closed");
        }
        this.#token = stream.resumeToken ?? undefined;
      }
    } catch (error) {
      return error;
    } finally {
      await this.#close(stream);
    }
  }

  #next(stream: ChangeCursor): Promise<object | null> {
    const deadline = this.#clock.monotonic() + PATIENCE_MS;
    return withinDeadline(
      this.#clock,
      { deadline, signal: this.#stop.signal },
      () => stream.tryNext(),
    );
  }

  #tell(change: Change): void {
    const _id = change.documentKey?._id;
    if (!(_id instanceof Uint8Array) || _id.length !== KEY_LENGTH) return;
    this.#observer.changed(recordKey(new Uint8Array(_id)), change.operationType === "delete");
  }

  /** A server that does not answer keeps nobody waiting. */
  async #close(stream: ChangeCursor | undefined): Promise<void> {
    const deadline = this.#clock.monotonic() + AWAIT_MS;
    try {
      await withinDeadline(this.#clock, { deadline }, async () => await stream?.close());
    } catch {
      // it is left to the server, which ends idle cursors by itself
    }
  }

  #rest(ms: number): Promise<void> {
    const { signal } = this.#stop;
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, () => {
        signal.removeEventListener("abort", wake);
        resolve();
      });
      const wake = () => {
        cancel();
        resolve();
      };
      signal.addEventListener("abort", wake, { once: true });
    });
  }
}

/** The length of a record's `_id`. What else stands in the collection is none of ours. */
const KEY_LENGTH = 20;

interface Change {
  readonly operationType?: unknown;
  readonly documentKey?: { readonly _id?: unknown };
}
