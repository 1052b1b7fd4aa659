import * as fc from "fast-check";

/** One change of a sequence of units: the bytes of bytes, the UTF-16 units of text. Positions count around the end. */
interface Edit {
  readonly kind: "flip" | "set" | "insert" | "remove" | "repeat" | "swap" | "cut" | "drop";
  readonly at: number;
  readonly length: number;
  readonly unit: number;
}

const SPECIAL = "AaZz09-_+/=.|,;:%\"'\\ \t\r\n\0~*{}[]é\u00a0\u2028\ufffd\ud83d\ude00";

const edit: fc.Arbitrary<Edit> = fc.record({
  kind: fc.constantFrom("flip", "set", "insert", "remove", "repeat", "swap", "cut", "drop"),
  at: fc.nat({ max: 5000 }),
  length: fc.integer({ min: 1, max: 9 }),
  unit: fc.oneof(
    fc.nat({ max: 0xff }),
    fc.nat({ max: 7 }).map((bit) => 1 << bit),
    fc.constantFrom(...SPECIAL.split("")).map((character) => character.charCodeAt(0)),
    fc.nat({ max: 0xffff }),
  ),
});

const someEdits = fc.array(edit, { minLength: 1, maxLength: 3 });

/** Mostly the first; else what is wrong. */
export function mostly<T>(fine: fc.Arbitrary<T>, wrong: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ weight: 9, arbitrary: fine }, { weight: 1, arbitrary: wrong });
}

/** A few changes, or none. */
export const edits: fc.Arbitrary<readonly Edit[]> = fc.oneof(fc.constant([]), someEdits);

/** None, or rarely a few changes. */
export const rareEdits: fc.Arbitrary<readonly Edit[]> = mostly<readonly Edit[]>(
  fc.constant([]),
  someEdits,
);

/** Changes that leave the length as it is. */
export const overwrites: fc.Arbitrary<readonly Edit[]> = someEdits.map((list) =>
  list.filter(({ kind }) => kind === "flip" || kind === "set" || kind === "swap")
);

/** The text after these changes. */
export function editText(text: string, changes: readonly Edit[]): string {
  const units = Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));
  return changes.reduce(apply, units).map((unit) => String.fromCharCode(unit)).join("");
}

/** The bytes after these changes. */
export function editBytes(bytes: Uint8Array, changes: readonly Edit[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(changes.reduce(apply, [...bytes]));
}

function apply(units: readonly number[], { kind, at, length, unit }: Edit): number[] {
  const from = units.length === 0 ? 0 : at % units.length;
  const [before, some] = [units.slice(0, from), units.slice(from, from + length)];
  const after = units.slice(from + length);
  switch (kind) {
    case "flip":
      return units.map((other, i) => i === from ? other ^ unit : other);
    case "set":
      return [...before, unit, ...units.slice(from + 1)];
    case "insert":
      return [...before, unit, ...some, ...after];
    case "remove":
      return [...before, ...after];
    case "repeat":
      return [...before, ...some, ...some, ...after];
    case "swap":
      return [...before, ...some.toReversed(), ...after];
    case "cut":
      return before;
    default:
      return [...some, ...after];
  }
}
