import type { Values } from "./stores.ts";

/** Something to buy. */
export interface Product {
  readonly id: string;
  readonly name: string;
  readonly note: string;
  /** In cents. */
  readonly price: number;
}

export const PRODUCTS: readonly Product[] = [
  { id: "sencha", name: "Sencha", note: "Green, steamed, from Uji", price: 1450 },
  { id: "assam", name: "Assam", note: "Black, malty, second flush", price: 980 },
  { id: "oolong", name: "Oolong", note: "Half oxidised, from Alishan", price: 1890 },
  { id: "rooibos", name: "Rooibos", note: "Red, without caffeine", price: 720 },
];

export interface Line {
  readonly product: Product;
  readonly count: number;
}

/** The lines of a cart in the order of the shelf. What is no longer sold is left out. */
export function linesOf({ cart = {} }: Partial<Values>): Line[] {
  return PRODUCTS.flatMap((product) => {
    const count = cart[product.id];
    return count ? [{ product, count }] : [];
  });
}

// Changes of a cart, for `session.update`: it reads, changes and writes as one step, and runs the change again on fresh
// values where another request came between. So twenty requests at once put twenty items into the cart. Reading
// `session.values.cart` and setting it would lose all but the last.

export function add(values: Partial<Values>, product: Product): void {
  const cart = values.cart ??= {};
  cart[product.id] = (cart[product.id] ?? 0) + 1;
}

export function removeOne(values: Partial<Values>, { id }: Product): void {
  const { cart = {} } = values;
  const count = cart[id] ?? 0;
  if (count > 1) cart[id] = count - 1;
  else delete cart[id];
}

/** Empties the cart and gives what was in it: of two tabs that order at once, one gets the items. */
export function takeAll(values: Partial<Values>): Line[] {
  const lines = linesOf(values);
  delete values.cart;
  return lines;
}

export function productOf(id: unknown): Product | undefined {
  return PRODUCTS.find((product) => product.id === id);
}

export function countOf(lines: readonly Line[]): number {
  return lines.reduce((sum, { count }) => sum + count, 0);
}

export function priceOf(lines: readonly Line[]): string {
  return euros(lines.reduce((sum, { product, count }) => sum + product.price * count, 0));
}

export function euros(cents: number): string {
  return `€ ${(cents / 100).toFixed(2)}`;
}
