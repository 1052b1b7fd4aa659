/**
 * The few methods of a MongoDB `Collection` that are called. A collection of the driver's versions 6 and 7 fits,
 * whatever the type of its documents, and so does any object that behaves like one.
 */
export interface SessionCollection {
  /** The collection's own name. */
  readonly collectionName: string;
  /** The collection's database, for `collMod`. Early versions 6 of the driver do not show it. */
  readonly db?: { command(command: object, options?: object): Promise<object> };
  /** Finds at most one document. */
  findOne(filter: object, options?: object): Promise<object | null>;
  /** Finds documents. */
  find(filter: object, options?: object): DocumentCursor;
  /** Runs an aggregation. */
  aggregate(pipeline?: object[], options?: object): DocumentCursor;
  /** Inserts one document; rejects where its `_id` is taken. */
  insertOne(document: object, options?: object): Promise<unknown>;
  /** Updates at most one document. */
  updateOne(
    filter: object,
    update: object[],
    options?: object,
  ): Promise<{ readonly modifiedCount: number }>;
  /** Deletes at most one document. */
  deleteOne(filter?: object, options?: object): Promise<{ readonly deletedCount: number }>;
  /** Deletes every document that matches. */
  deleteMany(filter?: object, options?: object): Promise<{ readonly deletedCount: number }>;
  /** Applies many writes in one command. */
  bulkWrite(operations: readonly object[], options?: object): Promise<BulkCounts>;
  /** Opens a change stream. Without it changes are found by looking at the records. */
  watch?(pipeline?: object[], options?: object): ChangeCursor;
  /** The indexes of the collection. */
  listIndexes(options?: object): DocumentCursor;
  /** Creates an index unless it stands already; gives its name. */
  createIndex(keys: Readonly<Record<string, 1 | -1>>, options?: object): Promise<string>;
}

/** A cursor that is read to its end at once. */
export interface DocumentCursor {
  /** Every document of the result. */
  toArray(): Promise<object[]>;
}

/** A change stream. */
export interface ChangeCursor {
  /** Where the stream can be resumed. */
  readonly resumeToken: unknown;
  /** Whether it has ended. */
  readonly closed: boolean;
  /** The next change, or null where none comes within `maxAwaitTimeMS`. Opens the stream at first. */
  tryNext(): Promise<object | null>;
  /** Ends the stream. */
  close(): Promise<void>;
}

/** How many documents a bulk write changed. */
interface BulkCounts {
  /** Documents that its updates changed. */
  readonly modifiedCount: number;
  /** Documents that it deleted. */
  readonly deletedCount: number;
}
