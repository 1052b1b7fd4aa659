/** What the doctor was told: by the configuration, by the server, and by its own clock. */
export interface Answers {
  /** The keys that were given, newest first. */
  readonly keys: readonly string[];
  /** The `w` of the connection string; `undefined` where it has none. */
  readonly writeConcern: string | number | undefined;
  /** What the server said; or why it said nothing. */
  readonly server: ServerAnswers | { readonly failure: Failure };
  readonly db: string;
  readonly collection: string;
}

/** Why there is no answer. */
interface Failure {
  readonly kind: "unreachable" | "refused";
  /** What the driver said, as it may be shown. */
  readonly message: string;
}

/** An answer, or that this user may not ask. */
export type Told<T> = { readonly is: T } | "untold";

/** What the server said. */
export interface ServerAnswers {
  readonly version: string;
  readonly topology: "replica set" | "sharded cluster" | "standalone";
  /** Members of the replica set. */
  readonly members: number;
  readonly isWritable: boolean;
  /** The server's clock minus ours, in milliseconds, and how far that may be off. */
  readonly clock: { readonly ahead: number; readonly error: number };
  readonly ttlMonitor: Told<boolean>;
  /** Sessions that expired more than ten minutes ago and still stand there. */
  readonly hasOverdue: Told<boolean>;
  readonly indexes: Told<IndexPlan>;
  /** The user's actions on the collection; `undefined` where the server asks nobody who they are. */
  readonly actions: Told<readonly string[] | undefined>;
  /** Documents that are no sessions, among as many as were looked at. */
  readonly foreign: Told<{ readonly count: number; readonly lookedAt: number }>;
}

/** What a store would do about the indexes at its start. */
export interface IndexPlan {
  /** Indexes that it would create. */
  readonly missing: readonly string[];
  /** Indexes whose `expireAfterSeconds` it would mend. */
  readonly wrong: readonly string[];
  /** Why it would refuse to start. */
  readonly conflict: string | undefined;
}
