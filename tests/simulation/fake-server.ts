import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/** A document, or a part of a command. */
export type Fields = Readonly<Record<string, unknown>>;

/** What one key held from a time on. */
export interface Moment {
  readonly at: number;
  readonly document: Fields | undefined;
}

/** What the operations of a command have met. */
export interface Counts {
  modifiedCount: number;
  deletedCount: number;
}

/** One operation: changes the counts, or gives the code of the error it fails with. */
export type Operation = (counts: Counts) => number | undefined;

/** The code of an insert whose `_id` is taken. */
const DUPLICATE_KEY = 11_000;

interface Change {
  readonly key: string;
  readonly before: Fields | undefined;
  readonly after: Fields | undefined;
  /** When the majority has it, unless the primary is gone by then. */
  readonly replicated: number;
}

type Entry = readonly [key: string, document: Fields];

/**
 * The documents of a replica set, in memory. Understands the filters and pipelines that the backend sends and notes every
 * other in `misuse`. Each document is changed at once. Changes stand in a log whose committed part survives a change of
 * the primary; the rest may be rolled back.
 */
export class FakeServer {
  /** What the simulation does not understand, and what must not happen to a server at all. */
  readonly misuse: string[] = [];
  /** What stood at each key, and since when. */
  readonly history: Map<string, Moment[]> = new Map();
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #epoch: number;
  readonly #trace: ((line: string) => void) | undefined;
  readonly #documents = new Map<string, Fields>();
  readonly #log: Change[] = [];
  readonly #created = new Set<string>();
  /** How much of the log the majority has. */
  #committed = 0;
  /** How much of it a read of the majority's state shows: after an election, for a while, less. */
  #shown = 0;
  #term = 0;

  /** `epoch`: the server's time at the scheduler's 0. */
  constructor(
    scheduler: Scheduler,
    random: Random,
    epoch: number,
    trace?: (line: string) => void,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#epoch = epoch;
    this.#trace = trace;
  }

  /** The server's clock: whole milliseconds since 1970. */
  get time(): number {
    return Math.floor(this.#epoch + this.#scheduler.now);
  }

  /** The longest that the majority takes to follow, in milliseconds. */
  lag = 0;

  /** How many primaries there were before this one. What was sent to them never arrives here. */
  get term(): number {
    return this.#term;
  }

  /** How much has ever been written. */
  get written(): number {
    return this.#log.length;
  }

  /** What stands at a key now. */
  at(key: string): Fields | undefined {
    return this.#documents.get(key);
  }

  /** The revs that were written and not rolled back, as text. */
  revs(): Set<string> {
    return new Set(this.#log.map(({ after }) => after ? textOf(after["rev"]) : ""));
  }

  /** Lets the majority have everything up to here. */
  commit(written: number): void {
    this.#committed = Math.max(this.#committed, Math.min(written, this.#log.length));
    this.#shown = this.#committed;
  }

  /** Removes what has expired, as the server does from time to time. */
  sweep(): void {
    for (const [key, document] of this.#documents) {
      if (timeOf(document["expires"]) <= this.time) this.#put(key, undefined, "expires");
    }
  }

  /** Another server becomes the primary: it lacks some of what the majority does not have. */
  stepDown(): void {
    this.#follow();
    const { length } = this.#log;
    const kept = this.#random.between(this.#committed, length);
    this.#shown = this.#random.between(Math.max(0, this.#committed - 4), this.#committed);
    this.#trace?.(
      `  server: steps down; ${length - kept} rolled back, ${this.#shown}/${kept} shown`,
    );
    this.#term++;
    for (const { key, before, after } of this.#log.splice(kept).toReversed()) {
      this.#set(key, before);
      if (!before && after) this.#created.delete(key);
    }
    this.#committed = kept;
    this.#scheduler.after(this.#random.below(400), () => this.commit(kept));
  }

  /** Notes what the simulation does not understand. */
  note(what: string): undefined {
    this.misuse.push(what);
    return undefined;
  }

  /** Inserts a document, unless its `_id` is taken. */
  insert(document: unknown): Operation {
    const fields = fieldsOf(document);
    const key = textOf(fields["_id"]);
    return () => {
      if (this.#documents.has(key)) return DUPLICATE_KEY;
      this.#put(key, fields, "insert");
      return undefined;
    };
  }

  /** Changes the first match. */
  update(filter: unknown, update: unknown, isUpsert: boolean): Operation {
    return (counts) => {
      const [found] = this.#matching(filter);
      if (found) {
        const changed = this.#changed(found[1], update);
        if (changed === found[1]) return undefined;
        counts.modifiedCount++;
        this.#put(found[0], changed, "update");
      } else if (isUpsert) {
        const entries = Object.entries(fieldsOf(filter)).filter(([name]) => !name.startsWith("$"));
        const fields = this.#changed(Object.fromEntries(entries), update);
        const key = textOf(fields["_id"]);
        if (this.#documents.has(key)) return DUPLICATE_KEY;
        this.#put(key, fields, "upsert");
      }
      return undefined;
    };
  }

  /** Deletes the first match. */
  deleteOne(filter: unknown): Operation {
    return (counts) => {
      const [found] = this.#matching(filter);
      if (found) this.#delete(found[0], counts);
      return undefined;
    };
  }

  /** Deletes every match, from document to document: what comes to stand behind it may be missed. */
  deleteMany(filter: unknown): readonly Operation[] {
    let known: ReadonlySet<string> = new Set();
    const begin: Operation = (counts) => {
      known = new Set(this.#matching(filter).map(([key]) => key));
      for (const key of known) if (this.#random.chance(0.5)) this.#delete(key, counts);
      return undefined;
    };
    const end: Operation = (counts) => {
      for (const [key] of this.#matching(filter)) {
        if (known.has(key) || this.#random.chance(0.5)) this.#delete(key, counts);
      }
      return undefined;
    };
    return [begin, end];
  }

  /** The documents that match, as they are now or, where `isDurable`, as the majority is known to have them. */
  find(filter: unknown, options: Fields, isDurable: boolean): object[] {
    const { projection, sort, limit } = options;
    const found = this.#matching(filter, isDurable ? this.#durable() : this.#documents)
      .map(([, document]) => document);
    if (sort !== undefined && JSON.stringify(sort) !== '{"modified":-1}') this.note("a sort");
    const inOrder = sort === undefined
      ? this.#random.shuffle(found)
      : found.toSorted((a, b) => timeOf(b["modified"]) - timeOf(a["modified"]));
    const limited = typeof limit === "number" ? inOrder.slice(0, limit) : inOrder;
    return limited.map((document) => this.#projected(document, projection));
  }

  /** Lets the majority have what has reached it by now. */
  #follow(): void {
    const [from, now] = [this.#committed, this.#scheduler.now];
    while ((this.#log[this.#committed]?.replicated ?? Infinity) <= now) this.#committed++;
    if (this.#shown >= from) this.#shown = this.#committed;
  }

  #durable(): ReadonlyMap<string, Fields> {
    this.#follow();
    const documents = new Map<string, Fields>();
    for (const { key, after } of this.#log.slice(0, this.#shown)) {
      if (after) documents.set(key, after);
      else documents.delete(key);
    }
    return documents;
  }

  #delete(key: string, counts: Counts): void {
    counts.deletedCount++;
    this.#put(key, undefined, "delete");
  }

  #put(key: string, document: Fields | undefined, how: string): void {
    const before = this.#documents.get(key);
    if (document && !before) {
      if (this.#created.has(key)) this.note(`an ${how} revives a record that had ended`);
      this.#created.add(key);
    }
    const replicated = this.#scheduler.now + this.#random.unit() * this.lag;
    this.#log.push({ key, before, after: document, replicated });
    this.#trace?.(`  server: ${how} ${short(key)}${document ? ` ${show(document)}` : ""}`);
    this.#set(key, document);
  }

  #set(key: string, document: Fields | undefined): void {
    if (document) this.#documents.set(key, document);
    else this.#documents.delete(key);
    const moment = { at: this.#scheduler.now, document };
    const moments = this.history.get(key);
    if (moments) moments.push(moment);
    else this.history.set(key, [moment]);
  }

  #matching(filter: unknown, within: ReadonlyMap<string, Fields> = this.#documents): Entry[] {
    const conditions = fieldsOf(filter);
    const candidates: Entry[] = [];
    for (const key of keysOf(conditions["_id"]) ?? within.keys()) {
      const document = within.get(key);
      if (document) candidates.push([key, document]);
    }
    return candidates.filter(([, document]) =>
      Object.entries(conditions).every(([field, condition]) =>
        field === "$expr"
          ? this.#evaluate(condition, document) === true
          : this.#fits(document[field], condition)
      )
    );
  }

  #fits(value: unknown, condition: unknown): boolean {
    if (typeof condition === "string") return value === condition;
    if (condition instanceof Uint8Array) {
      return value instanceof Uint8Array && textOf(value) === textOf(condition);
    }
    return Object.entries(fieldsOf(condition)).every(([operator, operand]) => {
      if (operator === "$eq") return this.#fits(value, operand);
      if (operator === "$in") return listOf(operand).some((one) => this.#fits(value, one));
      if (operator === "$nin") return !listOf(operand).some((one) => this.#fits(value, one));
      this.note(`the condition ${operator}`);
      return false;
    });
  }

  #evaluate(expression: unknown, document: Fields): unknown {
    if (expression === "$$NOW") return new Date(this.time);
    if (expression === "$$ROOT") return document;
    if (typeof expression === "string" && /^\$\w+$/.test(expression)) {
      return document[expression.slice(1)];
    }
    if (typeof expression === "number" || expression instanceof Date) return expression;
    if (expression instanceof Uint8Array) return expression;
    if (Array.isArray(expression)) return expression.map((one) => this.#evaluate(one, document));
    const [[operator, operand] = ["", undefined], ...rest] = Object.entries(fieldsOf(expression));
    if (operator === "$literal") return operand;
    if (operator === "$cond") {
      const [condition, yes, no] = listOf(operand);
      return this.#evaluate(this.#evaluate(condition, document) === true ? yes : no, document);
    }
    if (operator === "$mergeObjects") {
      const [root, fields] = listOf(operand);
      if (root !== "$$ROOT") this.note("a merge of other objects");
      const entries = Object.entries(fieldsOf(fields))
        .map(([field, one]) => [field, this.#evaluate(one, document)]);
      return { ...document, ...Object.fromEntries(entries) };
    }
    if (operator === "$unsetField") {
      const { field, input } = fieldsOf(operand);
      const fields = Object.entries(fieldsOf(this.#evaluate(input, document)));
      return Object.fromEntries(fields.filter(([name]) => name !== field));
    }
    const values = listOf(Array.isArray(operand) ? operand : [operand])
      .map((one) => this.#evaluate(one, document));
    const value = rest.length === 0 ? apply(operator, values) : undefined;
    return value === undefined ? this.note(`the expression ${operator}`) : value;
  }

  #changed(document: Fields, update: unknown): Fields {
    const [stage, ...rest] = listOf(update);
    const { $replaceWith, ...others } = fieldsOf(stage);
    if (rest.length > 0 || Object.keys(others).length > 0) this.note("an unknown update");
    return fieldsOf(this.#evaluate($replaceWith, document));
  }

  #projected(document: Fields, projection: unknown): object {
    const projected: Record<string, unknown> = { _id: document["_id"] };
    for (const [field, how] of Object.entries(fieldsOf(projection))) {
      if (how === "$$NOW") projected[field] = new Date(this.time);
      else if (how !== 1) this.note(`the projection of ${field}`);
      else if (field in document) projected[field] = document[field];
    }
    return projected;
  }
}

/** An object by its fields; anything else has none. */
export function fieldsOf(value: unknown): Fields {
  return isObject(value) ? value : NO_FIELDS;
}

const NO_FIELDS: Fields = {};

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null;
}

/** Bytes as text that can be compared. */
export function textOf(bytes: unknown): string {
  return bytes instanceof Uint8Array ? String.fromCharCode(...bytes) : "";
}

/** A time or a number as a number. */
export function timeOf(value: unknown): number {
  return value instanceof Date ? value.getTime() : typeof value === "number" ? value : NaN;
}

/** A key or a rev, for a trace. */
function short(text: string): string {
  const codes = Array.from({ length: 3 }, (_, i) => text.charCodeAt(text.length - 3 + i));
  return codes.map((code) => code.toString(16).padStart(2, "0")).join("");
}

/** What an operator makes of its operands; nothing where it is not known or they do not suit it. */
function apply(operator: string, values: readonly unknown[]): unknown {
  const [first, second] = values;
  if (operator === "$and") return values.every((value) => value === true);
  if (operator === "$eq" && first instanceof Uint8Array) return textOf(first) === textOf(second);
  // What is missing is less than everything else, and the extremes pass over it.
  const times = values.map((value) => value === undefined ? -Infinity : timeOf(value));
  const [a = NaN, b = NaN] = times;
  if (times.length === 0 || times.some(Number.isNaN)) return undefined;
  if (operator === "$eq") return a === b;
  if (operator === "$gt") return a > b;
  if (operator === "$add") return new Date(a + b);
  const known = times.filter(Number.isFinite);
  if (operator === "$min") return new Date(Math.min(...known));
  if (operator === "$max") return new Date(Math.max(...known));
  return undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** The keys that a condition on `_id` names, where it names them. */
function keysOf(condition: unknown): readonly string[] | undefined {
  if (condition instanceof Uint8Array) return [textOf(condition)];
  const { $eq, $in } = fieldsOf(condition);
  if ($eq instanceof Uint8Array) return [textOf($eq)];
  return Array.isArray($in) ? $in.map(textOf) : undefined;
}

function show({ rev, data, expires, subject }: Fields): string {
  return `rev ${short(textOf(rev))} until ${timeOf(expires)} of ${String(subject)}: ${
    String(data)
  }`;
}
