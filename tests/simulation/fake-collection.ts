import type { DocumentCursor, SessionCollection } from "../../src/backend/collection.ts";
import type { Counts, FakeServer, Fields, Operation } from "./fake-server.ts";
import { fieldsOf } from "./fake-server.ts";
import type { Random } from "./random.ts";
import type { Scheduler } from "./scheduler.ts";

/**
 * What may go wrong with one command.
 *
 * - `unsent`: the driver finds no server; nothing leaves.
 * - `refused`: the server does not begin, and says so.
 * - `stepped`: the server does not begin, and says what it may say after beginning, too.
 * - `eaten`: it leaves and never arrives.
 * - `dropped`: it is applied, all of it or a part, and its answer is lost.
 * - `late`: its connection breaks, and only then it is applied.
 * - `resent`: the driver sends it twice; the first is applied late, the second is refused.
 * - `hangs`: no answer comes; it may be applied at any time, after the caller has given up, too.
 * - `weak`: it is applied, and the majority does not confirm it in time.
 * - `partial`: some of its operations fail, each with an error of its own.
 */
export const FAULTS = [
  "unsent",
  "refused",
  "stepped",
  "eaten",
  "dropped",
  "late",
  "resent",
  "hangs",
  "weak",
  "partial",
] as const;

/** One of {@linkcode FAULTS}. */
export type Fault = typeof FAULTS[number];

/** What goes wrong with reads, too. */
const READ_FAULTS: ReadonlySet<Fault> = new Set(["unsent", "stepped", "eaten", "hangs"]);

/** How the network behaves. Times in milliseconds. */
export interface Weather {
  /** How long a message travels, at least and at most. */
  readonly latency: readonly [least: number, most: number];
  /** The probability that a message takes up to `slowest` instead. */
  readonly slow: number;
  readonly slowest: number;
  /** The probability of each fault, for each command. */
  readonly faults: Readonly<Partial<Record<Fault, number>>>;
  /** Whether reads fail, too. */
  readonly isDeaf: boolean;
  /** How long a command may be late that is applied after its failure. */
  readonly latest: number;
}

/**
 * How long after its caller was told that it failed a command may still be carried out: it may have left at the last moment, it
 * travels, it may be late, and it takes as long as one more message to be done.
 */
export function latestOf({ latency: [, most], slow, slowest, latest }: Weather): number {
  return latest + 2 * (slow > 0 ? Math.max(most, slowest) : most);
}

/** A network on which nothing goes wrong. */
export const CALM: Weather = {
  latency: [1, 2],
  slow: 0,
  slowest: 0,
  faults: {},
  isDeaf: false,
  latest: 0,
};

interface Command<T> {
  readonly name: string;
  readonly operations: readonly Operation[];
  readonly isWrite: boolean;
  readonly options: Fields;
  readonly answer: (counts: Counts) => T;
}

/** What came of a command that was applied. */
interface Applied {
  readonly counts: Counts;
  readonly errors: readonly (readonly [place: number, code: number])[];
  /** How much had been written when its last operation had its turn. */
  readonly written: number;
  /** Another primary has taken over before it was done. */
  readonly isCut: boolean;
}

const UNAUTHORIZED = 13;
const WRITE_CONCERN_TIMEOUT = 64;
const INVALID = 121;
const WRITE_CONFLICT = 112;
const NOT_PRIMARY = 10_107;

const WRITE_CONCERN = '{"w":"majority","j":true}';
const TIME_QUERY =
  '[{"$match":{"_id":null}},{"$facet":{"none":[{"$limit":1}]}},{"$project":{"now":"$$NOW"}}]';

const BSON_OPTIONS = [
  "raw",
  "promoteValues",
  "promoteBuffers",
  "promoteLongs",
  "useBigInt64",
  "enableUtf8Validation",
];
const READ_OPTIONS = new Set([
  ...BSON_OPTIONS,
  "projection",
  "batchSize",
  "sort",
  "limit",
  "collation",
  "signal",
]);
const WRITE_OPTIONS = new Set([
  ...BSON_OPTIONS,
  "comment",
  "signal",
  "collation",
  "ordered",
  "upsert",
]);

/** A driver's collection on a fake server, with a network between them that loses, delays and reorders. */
export class FakeCollection implements SessionCollection {
  readonly collectionName = "sessions";
  weather: Weather;
  readonly #server: FakeServer;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #trace: ((line: string) => void) | undefined;

  constructor(
    server: FakeServer,
    scheduler: Scheduler,
    random: Random,
    weather: Weather,
    trace?: (line: string) => void,
  ) {
    this.#server = server;
    this.#scheduler = scheduler;
    this.#random = random;
    this.weather = weather;
    this.#trace = trace;
  }

  async findOne(filter: object, options?: object): Promise<object | null> {
    const [first] = await this.#read("findOne", filter, options);
    return first ?? null;
  }

  find(filter: object, options?: object): DocumentCursor {
    return { toArray: () => this.#read("find", filter, options) };
  }

  aggregate(pipeline: object[] = [], options?: object): DocumentCursor {
    const text = JSON.stringify(pipeline);
    if (text !== TIME_QUERY) this.#server.note(`the pipeline ${text}`);
    const answer = () => [{ now: new Date(this.#server.time) }];
    return { toArray: () => this.#query("aggregate", fieldsOf(options), answer) };
  }

  insertOne(document: object, options?: object): Promise<unknown> {
    return this.#write("insertOne", [this.#server.insert(document)], options);
  }

  updateOne(filter: object, update: object[], options?: object): Promise<Counts> {
    const isUpsert = fieldsOf(options)["upsert"] === true;
    return this.#write("updateOne", [this.#server.update(filter, update, isUpsert)], options);
  }

  deleteOne(filter: object = {}, options?: object): Promise<Counts> {
    return this.#write("deleteOne", [this.#server.deleteOne(filter)], options);
  }

  deleteMany(filter: object = {}, options?: object): Promise<Counts> {
    return this.#write("deleteMany", this.#server.deleteMany(filter), options);
  }

  bulkWrite(operations: readonly object[], options?: object): Promise<Counts> {
    if (fieldsOf(options)["ordered"] !== false) this.#server.note("an ordered bulk");
    return this.#write("bulkWrite", operations.map((one) => this.#operation(one)), options);
  }

  listIndexes(): DocumentCursor {
    return { toArray: () => Promise.reject(new Error("no indexes here")) };
  }

  createIndex(): Promise<string> {
    return Promise.reject(new Error("no indexes here"));
  }

  #operation(operation: object): Operation {
    const [[name, model] = ["", undefined], ...rest] = Object.entries(operation);
    const { document, filter, update, upsert } = fieldsOf(model);
    if (rest.length === 0 && name === "insertOne") return this.#server.insert(document);
    if (rest.length === 0 && name === "deleteOne") return this.#server.deleteOne(filter);
    if (rest.length > 0 || name !== "updateOne") this.#server.note(`the operation ${name}`);
    return this.#server.update(filter, update, upsert === true);
  }

  #read(name: string, filter: object, options?: object): Promise<object[]> {
    const fields = fieldsOf(options);
    const isDurable = fieldsOf(fields["readConcern"])["level"] === "majority";
    return this.#query(name, fields, () => this.#server.find(filter, fields, isDurable));
  }

  #query(name: string, options: Fields, find: () => object[]): Promise<object[]> {
    const { readPreference, readConcern, ...rest } = options;
    const { level } = fieldsOf(readConcern);
    if (readPreference !== "primary") this.#server.note("a read of another than the primary");
    if (level !== "local" && level !== "majority") this.#server.note("an unknown read concern");
    this.#check(rest, READ_OPTIONS);
    let found: object[] = [];
    const operation: Operation = () => void (found = find());
    return this.#carry({
      name,
      operations: [operation],
      isWrite: false,
      options,
      answer: () => found,
    });
  }

  #write(name: string, operations: readonly Operation[], options?: object): Promise<Counts> {
    const { writeConcern, ...rest } = fieldsOf(options);
    if (JSON.stringify(writeConcern) !== WRITE_CONCERN) this.#server.note("a weak write");
    this.#check(rest, WRITE_OPTIONS);
    const answer = (counts: Counts) => counts;
    return this.#carry({ name, operations, isWrite: true, options: rest, answer });
  }

  #check(options: Fields, known: ReadonlySet<string>): void {
    for (const name of Object.keys(options)) {
      if (!known.has(name)) this.#server.note(`the option ${name}`);
    }
  }

  /** Takes a command to the server and brings the answer back. */
  #carry<T>(command: Command<T>): Promise<T> {
    const { name, operations, isWrite, options } = command;
    const { signal, comment } = options;
    const { latest } = this.weather;
    const fault = this.#fault(isWrite);
    const [there, back] = [this.#travel(), this.#travel()];
    const trace = this.#trace;
    const say = trace && ((what: string) => trace(`  ${name} ×${operations.length}: ${what}`));
    return new Promise<T>((resolve, reject) => {
      if (signal instanceof AbortSignal) {
        if (signal.aborted) return reject(failure("AbortError"));
        signal.addEventListener("abort", () => reject(failure("AbortError")));
      }
      const fail = (error: Error) => {
        say?.(fault ?? "fails");
        this.#scheduler.after(there + back, () => reject(error));
      };
      if (fault === "unsent") return fail(failure("MongoServerSelectionError"));
      for (let times = fault === "resent" ? 2 : 1; times > 0; times--) serialize(comment);
      switch (fault) {
        case "refused":
          return fail(serverError(UNAUTHORIZED));
        case "stepped":
          return fail(serverError(NOT_PRIMARY));
        case "eaten":
          return fail(networkError());
        case "late":
          this.#apply(command, there + back + this.#random.below(latest), fault, () => {});
          return fail(networkError());
        case "resent":
          this.#apply(command, there + this.#random.below(latest), fault, () => {});
          return fail(serverError(UNAUTHORIZED));
        case "hangs":
          if (this.#random.chance(0.5)) {
            this.#apply(command, there + this.#random.below(latest), fault, () => {});
          }
          return say?.("hangs");
        default: {
          const { term } = this.#server;
          this.#apply(command, there, fault, (applied) => {
            this.#scheduler.after(back, () => {
              const isCut = applied.isCut || (isWrite && term !== this.#server.term);
              const error = isCut ? networkError() : errorOf(command, fault, applied);
              say?.(error ? `${isCut ? "cut off" : fault}, ${error.message}` : "answers");
              if (error) reject(error);
              else resolve(command.answer(applied.counts));
              // What the majority has confirmed it keeps, and everything before it.
              if (isWrite && !isCut && fault !== "dropped" && fault !== "weak") {
                this.#server.commit(applied.written);
              }
            });
          });
        }
      }
    });
  }

  /** Applies the operations of a command in so many milliseconds, those of a bulk in any order. */
  #apply(
    { name, operations }: Command<unknown>,
    delay: number,
    fault: Fault | undefined,
    done: (applied: Applied) => void,
  ): void {
    const { term } = this.#server;
    const counts: Counts = { modifiedCount: 0, deletedCount: 0 };
    const errors: (readonly [number, number])[] = [];
    const isTorn = fault !== undefined && fault !== "partial" && name === "bulkWrite" &&
      this.#random.chance(0.3);
    const places = [...operations.entries()];
    const order = name === "bulkWrite" ? this.#random.shuffle(places) : places;
    const isSpread = order.length > 1 && this.#random.chance(0.4);
    const pace = isSpread ? this.#travel() / (order.length - 1) : 0;
    const step = (at: number) => {
      const isCut = term !== this.#server.term;
      for (
        const [place, operation] of isCut ? [] : order.slice(at, isSpread ? at + 1 : undefined)
      ) {
        if (isTorn && this.#random.chance(0.5)) continue;
        const isFailing = fault === "partial" && this.#random.chance(0.5);
        const code = isFailing
          ? this.#random.pick(name === "deleteMany" ? [WRITE_CONFLICT] : [INVALID, WRITE_CONFLICT])
          : operation(counts);
        if (code !== undefined) errors.push([place, code]);
      }
      if (isSpread && !isCut && at + 1 < order.length) {
        this.#scheduler.after(pace, () => step(at + 1));
      } else done({ counts, errors, written: this.#server.written, isCut });
    };
    this.#scheduler.after(delay, () => step(0));
  }

  #fault(isWrite: boolean): Fault | undefined {
    if (!isWrite && !this.weather.isDeaf) return undefined;
    let left = this.#random.unit();
    for (const fault of FAULTS) {
      left -= this.weather.faults[fault] ?? 0;
      if (left < 0) return isWrite || READ_FAULTS.has(fault) ? fault : undefined;
    }
    return undefined;
  }

  #travel(): number {
    const { latency: [least, most], slow, slowest } = this.weather;
    return this.#random.chance(slow)
      ? this.#random.unit() * slowest
      : least + this.#random.unit() * (most - least);
  }
}

/** What the driver says of a command that was applied; nothing where all is well. */
function errorOf(
  { operations, name }: Command<unknown>,
  fault: Fault | undefined,
  { counts, errors }: Applied,
): Error | undefined {
  if (fault === "dropped") return networkError();
  const code = errors[0]?.[1] ?? (fault === "weak" ? WRITE_CONCERN_TIMEOUT : undefined);
  if (code === undefined) return undefined;
  if (name !== "bulkWrite") return serverError(code);
  const writeErrors = errors.map(([index, each]) => ({ index, code: each }));
  return Object.assign(failure("MongoBulkWriteError"), {
    code,
    writeErrors,
    ...counts,
    result: { operations: operations.length },
  });
}

function failure(name: string): Error {
  const error = new Error(`${name} of the simulation`);
  error.name = name;
  return error;
}

function networkError(): Error {
  return Object.assign(failure("MongoNetworkError"), { errorLabels: ["RetryableWriteError"] });
}

function serverError(code: number): Error {
  return Object.assign(failure("MongoServerError"), { code });
}

/** What the driver does with a value just before it sends it. */
function serialize(value: unknown): void {
  if (typeof value === "object" && value !== null && "toBSON" in value) {
    if (typeof value.toBSON === "function") value.toBSON();
  }
}
