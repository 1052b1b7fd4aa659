import type { Call, Expiry, Outcome, RecordKey, Write } from "./backend.ts";
import type { SessionCollection } from "./collection.ts";
import {
  codeOf,
  countOf,
  DUPLICATE_KEY,
  Interruption,
  isRefusal,
  unavailable,
  writeErrorsOf,
  type WriteSender,
} from "./driver-call.ts";
import { remembers, sameBytes, toDocument } from "./record.ts";

/** The condition of a record that has not expired, by the database's clock. */
export const LIVING: object = { $gt: ["$expires", "$$NOW"] };

/** What stands at the key of a write. */
interface Standing {
  readonly rev?: unknown;
  readonly expires?: unknown;
  readonly now?: unknown;
}

/** Looks up what stands at these keys, by the text of the key; where `isDurable`, only what can no longer be rolled back. */
type LookUp = (
  keys: readonly RecordKey[],
  isDurable: boolean,
  call: Call,
) => Promise<ReadonlyMap<string, Standing>>;

/** A write on its way to an outcome. */
interface Pending {
  readonly write: Write;
  outcome: Outcome | undefined;
  /** It was sent and no answer came: it may have landed, and may still land. */
  lost: boolean;
}

/** Writes, and finds out what became of each write, whatever the database and the network do. */
export class MongodbWriter {
  readonly #collection: SessionCollection;
  readonly #sender: WriteSender;
  readonly #lookUp: LookUp;

  constructor(collection: SessionCollection, sender: WriteSender, lookUp: LookUp) {
    this.#collection = collection;
    this.#sender = sender;
    this.#lookUp = lookUp;
  }

  /** Applies each write and gives the outcomes in the order of the writes. Never rejects. */
  async write(writes: readonly Write[], call: Call): Promise<readonly Outcome[]> {
    const all = writes.map((write): Pending => ({ write, outcome: undefined, lost: false }));
    // A command holds one kind of write; the driver would send the kinds of a mixed bulk one after the other.
    const kinds = [["insert"], ["update", "reseal", "touch"], ["remove"]];
    await Promise.all(
      kinds.map((kind) => this.#settle(all.filter(({ write }) => kind.includes(write.kind)), call)),
    );
    return all.map((pending) => pending.outcome ?? failed(pending, undefined));
  }

  /** Brings the writes of one command to their outcomes: sends them up to twice, then looks for what is still open. */
  async #settle(group: readonly Pending[], call: Call): Promise<void> {
    let failure: unknown;
    for (let tries = 0; tries < 2 && !(failure instanceof Interruption); tries++) {
      // An insert goes once: its key may have ended when the first one, arriving late, finds it free.
      const open = group.filter(({ outcome, lost, write }) =>
        !outcome && !(lost && write.kind === "insert")
      );
      if (open.length === 0) break;
      failure = await this.#attempt(open, call);
    }
    const rest = group.filter(({ outcome }) => !outcome);
    if (rest.some(({ lost }) => lost) && !(failure instanceof Interruption)) {
      // Only a rev of ours tells. What is absent here, or another's, may be a state from before an election.
      const durable = await this.#lookUp(keysOf(rest), true, call).catch(() => NOTHING);
      for (const pending of rest) {
        const { write } = pending;
        if ("rev" in write && hasLanded(durable.get(write.key.text), write.rev)) {
          pending.outcome = { status: "done" };
        }
      }
    }
    for (const pending of rest) pending.outcome ??= failed(pending, failure);
  }

  /** Sends these writes. Those that have no outcome afterwards may be sent again; what they failed with is returned. */
  async #attempt(open: readonly Pending[], call: Call): Promise<unknown> {
    const sent = await this.#sender.send(call, (options) => this.#send(open, options));
    if ("result" in sent) return await this.#judge(open, sent.result, NO_ERRORS, call);
    const { error, fate } = sent;
    const errors = codeOf(error) === DUPLICATE_KEY && open.length === 1
      ? new Map([[0, DUPLICATE_KEY]])
      : writeErrorsOf(error);
    if (errors) return await this.#judge(open, error, errors, call);
    for (const pending of open) {
      if (fate === "refused") pending.outcome = failed(pending, error);
      else if (fate === "lost") pending.lost = true;
    }
    return error;
  }

  /** One write goes as itself, many go as one unordered bulk. */
  #send(open: readonly Pending[], options: object): Promise<unknown> {
    const [first] = open;
    if (!first || open.length > 1) {
      const operations = open.map(({ write }) => operationOf(write));
      return this.#collection.bulkWrite(operations, { ...options, ordered: false });
    }
    const { write } = first;
    if (write.kind === "insert") return this.#collection.insertOne(toDocument(write), options);
    if (write.kind === "remove") return this.#collection.deleteOne(filterOf(write), options);
    return this.#collection.updateOne(filterOf(write), changeOf(write), options);
  }

  /** Gives outcomes to writes that were answered: by the errors of each, by the counts, and where they fall short by a look-up. */
  async #judge(
    open: readonly Pending[],
    answer: unknown,
    errors: ReadonlyMap<number, number>,
    call: Call,
  ): Promise<unknown> {
    let failure: unknown;
    const applied: Pending[] = [];
    const unclear: Pending[] = [];
    for (const [place, pending] of open.entries()) {
      const code = errors.get(place);
      if (code === undefined) applied.push(pending);
      else if (code === DUPLICATE_KEY) unclear.push(pending);
      else {
        failure = Object.assign(new Error(`a write failed with code ${code}`), { code });
        if (isRefusal(code)) pending.outcome = failed(pending, failure);
        else pending.lost = true;
      }
    }
    const kind = open[0]?.write.kind;
    const count = countOf(answer, kind === "remove" ? "deletedCount" : "modifiedCount");
    if (kind !== "insert" && count < applied.length) unclear.push(...applied.splice(0));
    for (const pending of applied) pending.outcome = { status: "done" };
    if (unclear.length === 0) return failure;
    try {
      // What a majority write has seen is durable, even one that changed nothing: it waits for all before it.
      judge(unclear, count, await this.#lookUp(keysOf(unclear), false, call));
    } catch (error) {
      for (const pending of unclear) {
        pending.outcome = failed(pending, error, pending.lost || count > 0);
      }
    }
    return failure;
  }
}

const NO_ERRORS: ReadonlyMap<number, number> = new Map();
const NOTHING: ReadonlyMap<string, Standing> = new Map();

/** Gives outcomes to writes of which fewer than all had an effect. */
function judge(
  unclear: readonly Pending[],
  count: number,
  standing: ReadonlyMap<string, Standing>,
): void {
  const others: Pending[] = [];
  let seen = 0;
  const vanished: Pending[] = [];
  for (const pending of unclear) {
    const { write } = pending;
    const found = standing.get(write.key.text);
    if (write.kind === "remove") {
      pending.outcome = { status: found && write.expected ? "conflict" : "done" };
    } else if (write.kind === "insert") {
      if (hasLanded(found, write.rev)) pending.outcome = { status: "done" };
      else pending.outcome = pending.lost ? failed(pending, undefined) : { status: "exists" };
    } else if (write.kind !== "touch" && hasLanded(found, write.rev)) {
      pending.outcome = { status: "done" };
      seen++;
    } else if (!found || isExpired(found)) {
      vanished.push(pending);
    } else if (write.kind === "touch" && hasRev(found, write.expected) && count > 0) {
      pending.outcome = { status: "done" }; // a rev never comes back: it stood when the touch looked
      seen++;
    } else others.push(pending);
  }
  // A write that landed and was followed by a removal looks gone, and one that was followed by more writes than the
  // record remembers looks like a conflict. The count tells whether there is any such.
  const hidden = count - seen;
  for (const pending of [...others, ...vanished]) {
    if (hidden <= 0 && !pending.lost) {
      pending.outcome = { status: vanished.includes(pending) ? "gone" : "conflict" };
    } else if (hidden >= others.length + vanished.length) pending.outcome = { status: "done" };
    else pending.outcome = failed(pending, undefined, true);
  }
}

function operationOf(write: Write): object {
  if (write.kind === "insert") return { insertOne: { document: toDocument(write) } };
  if (write.kind === "remove") return { deleteOne: { filter: filterOf(write) } };
  return { updateOne: { filter: filterOf(write), update: changeOf(write) } };
}

/**
 * An update names the record and nothing else, which the server finds without a query plan: its conditions stand in the
 * change. Measured, that takes half the time of the same conditions in the filter.
 */
function filterOf({ kind, key, expected }: Exclude<Write, { kind: "insert" }>): object {
  return kind === "remove" && expected ? { _id: key.bytes, rev: expected } : { _id: key.bytes };
}

/** Changes the record where it lives and its rev is the expected one, and leaves it as it is elsewhere. */
function changeOf(write: Exclude<Write, { kind: "insert" | "remove" }>): object[] {
  const isOurs = { $and: [{ $eq: ["$rev", write.expected] }, LIVING] };
  return [{ $replaceWith: { $cond: [isOurs, changedBy(write), "$$ROOT"] } }];
}

function changedBy(write: Exclude<Write, { kind: "insert" | "remove" }>): object {
  if (write.kind === "touch") {
    // A second touch in one millisecond changes something, too: what changes nothing does not count.
    const modified = {
      $cond: [{ $eq: ["$modified", "$$NOW"] }, { $add: ["$$NOW", 1] }, "$$NOW"],
    };
    const expires = { $max: ["$expires", endOf(write.expiry)] };
    return { $mergeObjects: ["$$ROOT", { modified, expires }] };
  }
  const { rev, data } = write;
  const written = { data: typeof data === "string" ? { $literal: data } : data, rev };
  if (write.kind === "reseal") return { $mergeObjects: ["$$ROOT", written] };
  const times = { modified: "$$NOW", expires: endOf(write.expiry) };
  if (write.subject !== undefined) {
    const subject = { $literal: write.subject };
    return { $mergeObjects: ["$$ROOT", { ...written, ...times, subject }] };
  }
  const input = { $mergeObjects: ["$$ROOT", { ...written, ...times }] };
  return { $unsetField: { field: "subject", input } };
}

function endOf({ idle, until }: Expiry): object {
  return { $min: [{ $add: ["$$NOW", idle] }, new Date(until)] };
}

function keysOf(group: readonly Pending[]): readonly RecordKey[] {
  return group.map(({ write }) => write.key);
}

function hasRev(found: Standing | undefined, rev: Uint8Array): boolean {
  return found?.rev instanceof Uint8Array && sameBytes(found.rev, rev);
}

/** Whether the write stands there, or stood a moment ago. */
function hasLanded(found: Standing | undefined, rev: Uint8Array): boolean {
  return found?.rev instanceof Uint8Array && remembers(found.rev, rev);
}

function isExpired(found: Standing | undefined): boolean {
  return found?.expires instanceof Date && found.now instanceof Date && found.expires <= found.now;
}

function failed({ write, lost }: Pending, error: unknown, isUnknown: boolean = lost): Outcome {
  const outcome = isUnknown ? "unknown" : "not-applied";
  const privilege = write.kind === "insert" || write.kind === "remove" ? write.kind : "update";
  const what = "the session could not be written";
  return { status: "failed", error: unavailable(what, privilege, error, outcome) };
}
