/** What each method of text is counted as: the units that it has to look at. */
const COUNTED: Readonly<
  Record<string, (text: string, args: readonly unknown[], result: unknown) => number>
> = {
  at: () => 1,
  charAt: () => 1,
  charCodeAt: () => 1,
  codePointAt: () => 1,
  startsWith: (_, [part]) => String(part).length,
  endsWith: (_, [part]) => String(part).length,
  slice: (_, _args, result) => String(result).length,
  substring: (_, _args, result) => String(result).length,
  indexOf: (text, [part, from], at) => {
    const end = typeof at === "number" && at >= 0 ? at + String(part).length : text.length;
    return Math.max(1, end - Number(from ?? 0));
  },
  lastIndexOf: (text) => text.length,
  includes: (text) => text.length,
  replace: (text) => text.length,
  replaceAll: (text) => text.length,
  split: (text) => text.length,
  trim: (text) => text.length,
  toLowerCase: (text) => text.length,
  toUpperCase: (text) => text.length,
};

/** How many units of text the work looks at by way of the methods of strings. The work does not wait. */
export function unitsOf(work: () => unknown): number {
  let units = 0;
  const restore: (() => void)[] = [];
  for (const [name, cost] of Object.entries(COUNTED)) {
    const own = Reflect.getOwnPropertyDescriptor(String.prototype, name);
    const method: unknown = own?.value;
    if (!own || typeof method !== "function") continue;
    Reflect.defineProperty(String.prototype, name, {
      ...own,
      value(this: unknown, ...args: unknown[]): unknown {
        const result: unknown = Reflect.apply(method, this, args);
        units += typeof this === "string" ? cost(this, args, result) : 0;
        return result;
      },
    });
    restore.push(() => Reflect.defineProperty(String.prototype, name, own));
  }
  try {
    work();
  } finally {
    for (const undo of restore) undo();
  }
  return units;
}
