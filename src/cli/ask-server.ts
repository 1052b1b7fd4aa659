import type { Collection, MongoClient } from "mongodb";
import { ensureIndexes, IndexConflictError } from "../index.ts";
import type { SessionCollection } from "../index.ts";
import type { IndexPlan, ServerAnswers, Told } from "./answers.ts";
import { codeOf } from "./failure.ts";

/** How many documents are looked at in search of those that are no sessions. */
const LOOKED_AT = 10_000;
const OVERDUE_MS = 600_000;

/** Asks a server everything the doctor wants to know. It changes nothing. Rejects in an outage. */
export async function askServer(
  client: MongoClient,
  collection: Collection,
  now: () => number,
): Promise<ServerAnswers> {
  const admin = client.db("admin");
  const sent = now();
  const hello: Hello = await admin.command({ hello: 1 });
  const received = now();
  const { version }: { version?: unknown } = await admin.command({ buildInfo: 1 });
  const time = hello.localTime instanceof Date ? hello.localTime.getTime() : received;
  return {
    version: String(version),
    topology: hello.msg === "isdbgrid"
      ? "sharded cluster"
      : hello.setName === undefined
      ? "standalone"
      : "replica set",
    members: Array.isArray(hello.hosts) ? hello.hosts.length : 1,
    isWritable: hello.isWritablePrimary === true,
    clock: { ahead: time - (sent + received) / 2, error: (received - sent) / 2 },
    ttlMonitor: await told(async () => {
      const parameter: { ttlMonitorEnabled?: unknown } = await admin.command({
        getParameter: 1,
        ttlMonitorEnabled: 1,
      });
      return parameter.ttlMonitorEnabled === true;
    }),
    hasOverdue: await told(async () => {
      const overdue = { expires: { $lt: new Date(time - OVERDUE_MS) } };
      return await collection.findOne(overdue, { projection: { _id: 1 } }) !== null;
    }),
    indexes: await told(() => indexPlan(collection)),
    actions: await told(async () => {
      const status: Status = await admin.command({ connectionStatus: 1, showPrivileges: true });
      return actionsOn(collection, status);
    }),
    foreign: await told(() => foreignIn(collection)),
  };
}

interface Hello {
  readonly localTime?: unknown;
  readonly msg?: unknown;
  readonly setName?: unknown;
  readonly hosts?: unknown;
  readonly isWritablePrimary?: unknown;
}

interface Status {
  readonly authInfo?: {
    readonly authenticatedUsers?: readonly unknown[];
    readonly authenticatedUserPrivileges?: readonly Privilege[];
  };
}

interface Privilege {
  readonly resource: {
    readonly anyResource?: boolean;
    readonly db?: string;
    readonly collection?: string;
  };
  readonly actions: readonly string[];
}

/** The answer, unless the server refuses this question: one that is not there, or not for this user. */
async function told<T>(ask: () => Promise<T>): Promise<Told<T>> {
  try {
    return { is: await ask() };
  } catch (error) {
    if (codeOf(error) === undefined) throw error;
    return "untold";
  }
}

/** What `ensureIndexes` would do: it works on a stand-in that reads from the collection and writes down what it is told to make. */
async function indexPlan(collection: Collection): Promise<IndexPlan> {
  const missing: string[] = [];
  const wrong: string[] = [];
  const real: SessionCollection = collection;
  const standIn: SessionCollection = {
    ...NOTHING,
    collectionName: collection.collectionName,
    listIndexes: (options) => real.listIndexes(options),
    createIndex: (keys) => {
      missing.push(JSON.stringify(keys));
      return Promise.resolve("");
    },
    db: {
      command: (command: { readonly index?: { readonly name?: string } }) => {
        wrong.push(command.index?.name ?? "");
        return Promise.resolve({});
      },
    },
  };
  let conflict: string | undefined;
  try {
    await ensureIndexes(standIn, { ttl: true }, { deadline: performance.now() + 30_000 });
  } catch (error) {
    if (!(error instanceof IndexConflictError)) throw error;
    if (error.cause !== undefined) throw error.cause;
    conflict = error.message;
  }
  return { missing, wrong, conflict };
}

/** The methods that `ensureIndexes` has no use for. */
const NOTHING: Omit<SessionCollection, "collectionName" | "listIndexes" | "createIndex"> = {
  findOne: unused,
  find: unused,
  aggregate: unused,
  insertOne: unused,
  updateOne: unused,
  deleteOne: unused,
  deleteMany: unused,
  bulkWrite: unused,
};

function unused(): never {
  throw new TypeError("the stand-in has no such method");
}

/** What the user may do with the collection; `undefined` where nobody had to say who they are. */
function actionsOn(collection: Collection, { authInfo }: Status): readonly string[] | undefined {
  const { authenticatedUsers = [], authenticatedUserPrivileges = [] } = authInfo ?? {};
  if (authenticatedUsers.length === 0) return undefined;
  const covers = ({ resource }: Privilege) =>
    resource.anyResource === true ||
    ((resource.db === "" || resource.db === collection.dbName) &&
      (resource.collection === "" || resource.collection === collection.collectionName));
  return [...new Set(authenticatedUserPrivileges.filter(covers).flatMap(({ actions }) => actions))];
}

/** Whether a field has one of these types of BSON. */
function is(field: string, ...types: readonly string[]): object {
  return { $in: [{ $type: `$${field}` }, types] };
}

/** By their types, of the first documents in the order of `_id`, and of all whose `_id` is no binary: these the index finds at once. */
async function foreignIn(
  collection: Collection,
): Promise<{ readonly count: number; readonly lookedAt: number }> {
  const isRecord = {
    $and: [
      is("name", "string"),
      is("data", "binData", "string"),
      is("rev", "binData"),
      is("created", "date"),
      is("modified", "date"),
      is("expires", "date"),
    ],
  };
  const byId = await collection.countDocuments({ _id: { $not: { $type: "binData" } } }, {
    limit: LOOKED_AT,
  });
  const [byShape] = await collection.aggregate<{ count: number; lookedAt: number }>([
    { $match: { _id: { $type: "binData" } } },
    { $limit: LOOKED_AT },
    {
      $group: {
        _id: null,
        lookedAt: { $sum: 1 },
        count: { $sum: { $cond: [isRecord, 0, 1] } },
      },
    },
  ]).toArray();
  return { count: byId + (byShape?.count ?? 0), lookedAt: byId + (byShape?.lookedAt ?? 0) };
}
