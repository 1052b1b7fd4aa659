// Compiled, never run: a collection of either driver is a SessionCollection, whatever its documents are.
import type { Collection as Collection7, ObjectId } from "mongodb";
import type { Collection as Collection6 } from "mongodb6";
import type { SessionCollection } from "../../src/backend/mongodb.ts";

interface Schema {
  _id: Uint8Array;
  user: string;
  nested: { readonly list: readonly number[] };
  expires?: Date;
}

interface Named {
  [name: string]: string | number;
}

interface WithObjectId {
  _id: ObjectId;
  name: string;
}

export function fits(
  plain7: Collection7,
  plain6: Collection6,
  document7: Collection7<Named>,
  document6: Collection6<Named>,
  typed7: Collection7<Schema>,
  typed6: Collection6<Schema>,
  withId7: Collection7<WithObjectId>,
  empty7: Collection7<Record<string, never>>,
): readonly SessionCollection[] {
  return [plain7, plain6, document7, document6, typed7, typed6, withId7, empty7];
}

export function fitsNot(client: { db(): object }): SessionCollection {
  // @ts-expect-error: a database is no collection
  return client.db();
}
