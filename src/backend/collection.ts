/**
 * The few methods of a MongoDB `Collection` that are called. A collection of the driver's versions 6 and 7 fits, whatever
 * the type of its documents, and so does any object that behaves like one.
 */
export interface SessionCollection {
  /** Finds documents. */
  find(filter: object, options?: object): DocumentCursor;
  /** Finds at most one document. */
  findOne(filter: object, options?: object): Promise<object | null>;
  /** Runs an aggregation. */
  aggregate(pipeline?: object[], options?: object): DocumentCursor;
  /** Inserts one document; rejects where its `_id` is taken. */
  insertOne(document: object, options?: object): Promise<unknown>;
  /** Updates at most one document. */
  updateOne(
    filter: object,
    update: object[],
    options?: object,
  ): Promise<{ readonly matchedCount: number }>;
  /** Deletes at most one document. */
  deleteOne(filter?: object, options?: object): Promise<{ readonly deletedCount: number }>;
  /** Deletes every document that matches. */
  deleteMany(filter?: object, options?: object): Promise<{ readonly deletedCount: number }>;
  /** Applies many writes in one command. */
  bulkWrite(
    operations: object[],
    options?: object,
  ): Promise<{ readonly matchedCount: number; readonly deletedCount: number }>;
  /** The indexes of the collection. */
  listIndexes(options?: object): DocumentCursor;
  /** Creates an index where it does not stand yet. */
  createIndex(keys: object, options?: object): Promise<string>;
  /** The collection's own name. */
  readonly collectionName: string;
  /** The database of the collection, for `collMod`. */
  readonly db: { command(command: object, options?: object): Promise<object> };
}

/** A cursor of which only the whole result is asked. */
export interface DocumentCursor {
  /** Every document of the result. */
  toArray(): Promise<object[]>;
}
