import type { SessionEvent } from "#mongostore";

/** One event in words. */
export interface Entry {
  readonly time: Date;
  readonly type: SessionEvent["type"];
  readonly text: string;
}

/** How many batches had about this size. */
export interface Bucket {
  readonly label: string;
  readonly most: number;
  load: number;
  write: number;
}

const KEPT = 30;

/** Remembers what the stores told: the last events in words, and how large the batches were. Events hold no secret. */
export class Activity {
  /** Newest first. */
  readonly entries: Entry[] = [];
  readonly counts: Map<SessionEvent["type"], number> = new Map();
  readonly buckets: readonly Bucket[] = [
    bucket("1", 1),
    bucket("2–5", 5),
    bucket("6–20", 20),
    bucket("21–100", 100),
    bucket("over 100", Infinity),
  ];
  /** The largest batch so far. */
  largest = 0;
  readonly #onChange: () => void;

  constructor(onChange: () => void) {
    this.#onChange = onChange;
  }

  /** The `onEvent` of the stores. */
  record(event: SessionEvent): void {
    this.counts.set(event.type, (this.counts.get(event.type) ?? 0) + 1);
    this.entries.unshift({ time: new Date(), type: event.type, text: describe(event) });
    this.entries.length = Math.min(this.entries.length, KEPT);
    if (event.type === "batch") {
      const fitting = this.buckets.find(({ most }) => event.size <= most);
      if (fitting) fitting[event.operation]++;
      this.largest = Math.max(this.largest, event.size);
    }
    this.#onChange();
  }
}

function bucket(label: string, most: number): Bucket {
  return { label, most, load: 0, write: 0 };
}

function describe(event: SessionEvent): string {
  switch (event.type) {
    case "load":
      return `${event.name}, ${event.found ? "found" : "has ended"}, ${duration(event.ms)}`;
    case "save":
      return `${event.name}${event.created ? ", new" : ""}, ${duration(event.ms)}`;
    case "touch":
      return `${event.name}, ${duration(event.ms)}`;
    case "merge":
      return `${event.name}, ${event.tries} tries`;
    case "reject":
      return `${event.name}, ${event.reason}`;
    case "batch":
      return `${event.size} ${event.operation}${event.size === 1 ? "" : "s"}, ${
        duration(event.ms)
      }`;
    case "fail":
      return `${event.name}, ${event.operation}, ${event.reason}`;
    case "watch":
      return event.mode === "stream" ? "by the stream of changes" : "by looking every second";
    default:
      return event.name;
  }
}

function duration(ms: number): string {
  return `${ms.toFixed(1)}\u00a0ms`;
}
