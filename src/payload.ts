import type { RecordKey } from "./backend/backend.ts";
import { parse, sameValue, serialize } from "./codec/serializer.ts";

/** A message that is shown once. The id tells two equal messages apart when changes are merged. */
export interface Flash {
  readonly key: string;
  readonly id: string;
  readonly value: unknown;
}

/** What a session holds, apart from whose it is. */
export interface Payload {
  readonly values: object;
  readonly flashes: readonly Flash[];
  /** The label that `list` shows. */
  readonly meta: unknown;
  /** The session's own `maxAge` in seconds where it is not the store's. */
  readonly maxAge: number | undefined;
}

/** What a save wants to stand in the record. */
export interface Draft {
  readonly payload: Payload;
  readonly subject: string | undefined;
}

/** A draft with its serialization. */
export interface Written extends Draft {
  readonly text: string;
}

/** A record as it stood at one rev. Times are milliseconds since 1970 on the backend's clock. */
export interface Snapshot extends Omit<Draft, "payload"> {
  readonly key: RecordKey;
  readonly name: string;
  readonly rev: Uint8Array<ArrayBuffer>;
  /** The serialized payload: what a later save is compared with. */
  readonly text: string;
  readonly created: number;
  readonly modified: number;
  readonly expires: number;
  /** True where an older key protects the data. */
  readonly stale: boolean;
}

/** What stands in the record of an id that `regenerate` replaced. */
export interface Successor {
  /** The record that took its place, by its handle. */
  readonly next: string;
  /** Whether requests on the old token may still join it. */
  readonly join: boolean;
}

/**
 * The text of a payload: one JSON object, with the empty parts left out. It says whose session it is as well, so that the
 * subject that stands readable in the record cannot be changed there.
 */
export function encodePayload(payload: Payload, subject?: string): string {
  const { values, flashes, meta, maxAge } = payload;
  if (!isPlain(values)) {
    throw new TypeError("cannot store the session: its values must be a plain object");
  }
  return serialize({
    values,
    ...(flashes.length > 0 ? { flashes: flashes.map((f) => [f.key, f.id, f.value]) } : {}),
    ...(meta === undefined ? {} : { meta }),
    ...(maxAge === undefined ? {} : { maxAge }),
    ...(subject === undefined ? {} : { subject }),
  }, "");
}

/** The text of a successor. */
export function encodeSuccessor(successor: Successor): string {
  return JSON.stringify({ next: successor.next, join: successor.join });
}

/** The payload, with the subject it names, or successor of a text; undefined where the text is neither. */
export function decodePayload(
  text: string,
): Payload & { readonly subject: string | undefined } | Successor | undefined {
  const parsed = parse(text);
  if (!parsed.ok || !isObject(parsed.value)) return undefined;
  const fields = parsed.value;
  if (typeof fields["next"] === "string") {
    return { next: fields["next"], join: fields["join"] === true };
  }
  const { values, meta, maxAge, subject } = fields;
  if (subject !== undefined && typeof subject !== "string") return undefined;
  if (!isPlain(values)) return undefined;
  if (maxAge !== undefined && !(typeof maxAge === "number" && Number.isInteger(maxAge))) {
    return undefined;
  }
  const flashes = decodeFlashes(fields["flashes"]);
  return flashes && { values, flashes, meta, maxAge, subject };
}

/** The payload of a text that {@linkcode encodePayload} wrote. */
export function readPayload(text: string): Payload {
  const payload = decodePayload(text);
  if (!payload || "next" in payload) throw new TypeError("the text is not a payload");
  const { values, flashes, meta, maxAge } = payload;
  return { values, flashes, meta, maxAge };
}

function decodeFlashes(stored: unknown): Flash[] | undefined {
  if (stored === undefined) return [];
  if (!Array.isArray(stored)) return undefined;
  const flashes: Flash[] = [];
  for (const entry of stored) {
    if (!Array.isArray(entry) || typeof entry[0] !== "string" || typeof entry[1] !== "string") {
      return undefined;
    }
    flashes.push({ key: entry[0], id: entry[1], value: entry[2] });
  }
  return flashes;
}

/** One top-level key that two requests changed. A property is absent where the key was. */
export interface MergeConflict {
  readonly key: string;
  /** The value that both began from. */
  readonly base?: unknown;
  /** The value of the save that came later: this one. */
  readonly mine?: unknown;
  /** The value that was saved in between. */
  readonly theirs?: unknown;
}

/** Settles a key that two requests changed: gives the value to keep, or undefined to have the key deleted. */
export type Merge = (conflict: MergeConflict) => unknown;

/**
 * Applies what changed between `base` and `mine` to `theirs`. Top-level keys that I changed or deleted win unless `settle`
 * says otherwise; every other key is theirs. A flash read by either is gone, a flash added by either is there.
 */
export function mergePayloads(
  base: Payload,
  mine: Payload,
  theirs: Payload,
  settle?: Merge,
): Payload {
  return {
    values: mergeValues(base.values, mine.values, theirs.values, settle),
    flashes: mergeFlashes(base.flashes, mine.flashes, theirs.flashes),
    meta: sameValue(base.meta, mine.meta) ? theirs.meta : mine.meta,
    maxAge: base.maxAge === mine.maxAge ? theirs.maxAge : mine.maxAge,
  };
}

function mergeValues(
  base: object,
  mine: object,
  theirs: object,
  settle: Merge | undefined,
): object {
  const [from, own, result] = [entriesOf(base), entriesOf(mine), entriesOf(theirs)];
  for (const key of new Set([...from.keys(), ...own.keys()])) {
    if (sameEntry(from, own, key)) continue;
    if (settle && !sameEntry(from, result, key) && !sameEntry(own, result, key)) {
      const sides = { ...side("base", from, key), ...side("mine", own, key) };
      const value = settle({ key, ...sides, ...side("theirs", result, key) });
      if (value === undefined) result.delete(key);
      else result.set(key, value);
    } else if (own.has(key)) {
      result.set(key, own.get(key));
    } else {
      result.delete(key);
    }
  }
  return Object.fromEntries(result);
}

function mergeFlashes(
  base: readonly Flash[],
  mine: readonly Flash[],
  theirs: readonly Flash[],
): readonly Flash[] {
  if (base.length === 0 && mine.length === 0) return theirs;
  const [from, own] = [new Set(base.map((f) => f.id)), new Set(mine.map((f) => f.id))];
  const kept = theirs.filter((f) => own.has(f.id) || !from.has(f.id));
  const present = new Set(theirs.map((f) => f.id));
  return [...kept, ...mine.filter((f) => !from.has(f.id) && !present.has(f.id))];
}

function entriesOf(values: object): Map<string, unknown> {
  return new Map<string, unknown>(Object.entries(values));
}

function sameEntry(a: Map<string, unknown>, b: Map<string, unknown>, key: string): boolean {
  return a.has(key) === b.has(key) && sameValue(a.get(key), b.get(key));
}

function side(
  name: "base" | "mine" | "theirs",
  entries: Map<string, unknown>,
  key: string,
): object {
  return entries.has(key) ? { [name]: entries.get(key) } : {};
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return Object.prototype.toString.call(value) === "[object Object]";
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
