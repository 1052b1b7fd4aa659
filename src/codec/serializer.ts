import { parse as parseRich, stringify as stringifyRich } from "devalue";
import { UnserializableValueError } from "../errors.ts";

/** What came of reading text. */
export type Parsed =
  | { readonly ok: true; readonly value: Record<string, unknown> }
  | { readonly ok: false };

/**
 * Writes a plain object as text: JSON, which begins with `{`, where JSON keeps every value; else the
 * format of devalue, which begins with `[`. The same value gives the same text.
 *
 * What comes back the same: null, booleans, numbers (NaN, the infinities and -0 too), strings, bigint,
 * undefined inside objects and arrays, arrays, plain and null-prototype objects, Date, Map, Set, Uint8Array, URL and
 * RegExp (its lastIndex begins at 0). An object met in two places comes back as one object.
 * Everything else throws {@linkcode UnserializableValueError}, whose path begins with `root`; entries of maps and sets
 * stand in it by position.
 */
export function serialize(value: Record<string, unknown>, root = ""): string {
  const walk = new Walk(root);
  walk.visit(value, 0);
  return walk.rich ? writeRich(value) : JSON.stringify(value);
}

/** Reads text that {@linkcode serialize} wrote; `ok: false` for any other text. Only the types it names are ever made. */
export function parse(text: string): Parsed {
  try {
    const value: unknown = text.startsWith("{")
      ? JSON.parse(text)
      : text.startsWith("[")
      ? parseRich(text)
      : undefined;
    if (!isRecord(value)) return { ok: false };
    if (!text.startsWith("{")) new Walk("").visit(value, 0);
    else if (!isSound(value, 0)) return { ok: false };
    return { ok: true, value };
  } catch {
    return { ok: false };
  }
}

/** Whether two values are written as the same text: equal types, values and order of keys. Throws as {@linkcode serialize} does. */
export function sameValue(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  return serialize({ value: a }) === serialize({ value: b });
}

/** The same for what `JSON.parse` made, which is a tree of plain objects: only names and depth are left to check. */
function isSound(value: object, depth: number): boolean {
  if (depth >= MAX_DEPTH || Object.hasOwn(value, "__proto__")) return false;
  for (const one of Object.values(value)) {
    if (typeof one === "object" && one !== null && !isSound(one, depth + 1)) return false;
  }
  return true;
}

const MAX_DEPTH = 100;
/** Stands in {@linkcode Walk} for an object whose inside is being visited. */
const OPEN = -1;

/** One pass over a value: refuses what cannot come back, and finds whether JSON is enough. Linear also where objects are shared. */
class Walk {
  /** Whether something was met that JSON does not keep. */
  rich = false;
  readonly #root: string;
  /** The step taken at each depth. */
  readonly #steps: (string | number)[] = [];
  /** How many levels each visited object has. */
  readonly #levels = new Map<object, number>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Visits a value at this depth and gives how many levels it has. */
  visit(value: unknown, depth: number): number {
    switch (typeof value) {
      case "string":
      case "boolean":
        return 0;
      case "number":
        if (!Number.isFinite(value) || Object.is(value, -0)) this.rich = true;
        return 0;
      case "undefined":
      case "bigint":
        this.rich = true;
        return 0;
      case "object":
        return value === null ? 0 : this.#visitObject(value, depth);
      default:
        return this.#refuse(depth, `a ${typeof value}`);
    }
  }

  #visitObject(value: object, depth: number): number {
    let levels = this.#levels.get(value);
    if (levels === undefined) {
      if (depth >= MAX_DEPTH) return this.#refuse(depth, TOO_DEEP);
      this.#levels.set(value, OPEN);
      levels = 1 + this.#visitInside(value, depth);
      this.#levels.set(value, levels);
      return levels;
    }
    if (levels === OPEN) return this.#refuse(depth, "it contains itself");
    if (depth + levels > MAX_DEPTH) return this.#refuse(depth, TOO_DEEP);
    this.rich = true;
    return levels;
  }

  #visitInside(value: object, depth: number): number {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype === Object.prototype) return this.#visitFields(value, depth);
    if (Array.isArray(value) && Array.isArray(prototype)) return this.#visitItems(value, depth);
    if (isPlainPrototype(prototype)) {
      this.rich ||= prototype === null;
      return this.#visitFields(value, depth);
    }
    this.rich = true;
    const inside = insideOf(value, prototype);
    if (typeof inside === "string") return this.#refuse(depth, inside);
    return this.#visitItems(inside, depth);
  }

  #visitFields(value: object, depth: number): number {
    let levels = 0;
    for (const key of Reflect.ownKeys(value)) {
      if (typeof key === "symbol") return this.#refuse(depth, "it has a symbol as a key");
      this.#steps[depth] = key;
      if (key === "__proto__") return this.#refuse(depth + 1, "a key of this name");
      const field = Object.getOwnPropertyDescriptor(value, key);
      // Getters never run: JSON would read them a second time.
      if (!field?.enumerable || field.get || field.set) {
        return this.#refuse(depth + 1, "a getter or a hidden field");
      }
      levels = Math.max(levels, this.visit(field.value, depth + 1));
    }
    return levels;
  }

  #visitItems(items: readonly unknown[], depth: number): number {
    if (Object.keys(items).length !== items.length) return this.#refuse(depth, SPARSE);
    let levels = 0;
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (item === undefined && !Object.hasOwn(items, i)) return this.#refuse(depth, SPARSE);
      this.#steps[depth] = i;
      levels = Math.max(levels, this.visit(item, depth + 1));
    }
    return levels;
  }

  #refuse(depth: number, what: string): never {
    let path = this.#root;
    for (const step of this.#steps.slice(0, depth)) {
      if (typeof step === "number") path += `[${step}]`;
      else if (!IDENTIFIER.test(step)) path += `[${JSON.stringify(step)}]`;
      else path += path === "" ? step : `.${step}`;
    }
    throw new UnserializableValueError(path, what);
  }
}

const TOO_DEEP = "it is nested more than 100 levels deep";
const SPARSE = "an array with holes or with fields of its own";
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/;

/** Whether objects of this prototype are plain: null-prototype objects, and those of another realm too. */
function isPlainPrototype(prototype: unknown): boolean {
  return prototype === null || typeof prototype === "object" &&
      Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, "isPrototypeOf");
}

/** What an instance of a built-in type holds, as items; or what kind of thing cannot be stored. */
function insideOf(value: object, prototype: unknown): readonly unknown[] | string {
  try {
    if (Object.keys(value).length > 0 && !(value instanceof Uint8Array)) return kindOf(prototype);
    // Each reads an internal slot, and so throws for an object that only has the prototype.
    if (value instanceof Date && prototype === Date.prototype) {
      return Number.isNaN(value.getTime()) ? "an invalid Date" : [];
    }
    if (value instanceof Map && prototype === Map.prototype) return [...value];
    if (value instanceof Set && prototype === Set.prototype) return [...value];
    if (value instanceof Uint8Array && prototype === Uint8Array.prototype) return [value.length];
    if (value instanceof URL && prototype === URL.prototype) return [value.href];
    if (value instanceof RegExp && prototype === RegExp.prototype) return [value.source];
    return kindOf(prototype);
  } catch {
    return kindOf(prototype);
  }
}

function kindOf(prototype: unknown): string {
  if (typeof prototype !== "object" || prototype === null) return "an object of no known kind";
  const constructor: unknown = Reflect.get(prototype, "constructor");
  const name = typeof constructor === "function" ? constructor.name : "";
  if (name === "Buffer") return "a Buffer; a Uint8Array can be";
  return name ? `an instance of ${name}` : "an object of no known kind";
}

/** Bytes are copied out of their buffer: what stands around them there is not part of the value. */
const OPERATIONS = {
  viewInfo(view: ArrayBufferView) {
    const { length, buffer } = new Uint8Array(bytesOf(view));
    return { buffer, byteOffset: 0, byteLength: length, length, bufferByteLength: length };
  },
};

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function writeRich(value: unknown): string {
  // devalue leaves lone surrogates as they are, and UTF-8 has none: they are escaped as JSON does.
  return stringifyRich(value, undefined, { operations: OPERATIONS })
    .replace(/\p{Surrogate}/gu, (unit) => `\\u${unit.charCodeAt(0).toString(16)}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null &&
    isPlainPrototype(Object.getPrototypeOf(value));
}
