import { CorruptRecordError } from "../errors.ts";
import type { LegacySession } from "./legacy.ts";

/** A session's text nests 100 levels, and two of them are its own. */
const MAX_DEPTH = 98;

/** The values of an older session: plain data of its own, which any store can keep. */
export type LegacyValues = Record<string, unknown>;

/**
 * Copies what an older system held into plain data. Dates, bytes, maps and sets stay what they are; anything else that is no plain
 * object becomes what JSON makes of it (an ObjectId its 24 digits); what JSON has not is left out, and so is a key named
 * `__proto__`. Gives `undefined` for what is no object; throws `CorruptRecordError` where it is nested deeper than a store keeps.
 */
function plainValues(held: unknown): LegacyValues | undefined {
  if (typeof held !== "object" || held === null) return undefined;
  const values = plain(held, 0);
  return isRecord(values) ? values : undefined;
}

/** The session of these values, without the key `omit`. */
export function sessionOf(
  held: unknown,
  subjectOf: ((values: LegacyValues) => string | undefined) | undefined,
  { omit, ...rest }: { omit?: string } & Partial<Omit<LegacySession, "values">> = {},
): LegacySession | undefined {
  const values = plainValues(held);
  if (!values) return undefined;
  if (omit !== undefined) delete values[omit];
  return { ...rest, values, subject: subjectOf ? subjectOf(values) : rest.subject };
}

function plain(value: unknown, depth: number): unknown {
  if (typeof value === "function" || typeof value === "symbol") return undefined;
  if (typeof value !== "object" || value === null) return value;
  if (depth > MAX_DEPTH) {
    throw new CorruptRecordError("the older session is nested too deep to be stored");
  }
  if (Array.isArray(value)) return Array.from(value, (item) => plain(item, depth + 1) ?? null);
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? undefined : new Date(value);
  if (value instanceof Uint8Array) return new Uint8Array(value);
  if (value instanceof Map) {
    return new Map(
      [...value].map(([key, item]) => [plain(key, depth + 1), plain(item, depth + 1)]),
    );
  }
  if (value instanceof Set) return new Set([...value].map((item) => plain(item, depth + 1)));
  if ("toJSON" in value && typeof value.toJSON === "function") {
    const json: unknown = value.toJSON();
    return plain(json, depth + 1);
  }
  // A Long of BSON that no number can hold has no JSON.
  if ("toBigInt" in value && typeof value.toBigInt === "function") {
    const integer: unknown = value.toBigInt();
    return typeof integer === "bigint" ? integer : undefined;
  }
  return plainFields(value, depth);
}

function plainFields(value: object, depth: number): LegacyValues {
  const fields: LegacyValues = {};
  for (const [key, field] of Object.entries(value)) {
    const copy = plain(field, depth + 1);
    if (key !== "__proto__" && copy !== undefined) fields[key] = copy;
  }
  return fields;
}

function isRecord(value: unknown): value is LegacyValues {
  return typeof value === "object" && value !== null &&
    Object.getPrototypeOf(value) === Object.prototype;
}
