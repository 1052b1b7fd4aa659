// A great number of forged tokens against a whole store: see forgeries.test.ts and scripts/forge.mjs.
import { Buffer } from "node:buffer";
import { createMemoryStore, generateKey, memoryBackend, Store } from "#mongostore";
import { Counter } from "../support/backends.ts";
import { Browser } from "../support/browser.ts";
import { visit } from "../support/visit.ts";

/** What became of forged tokens. */
export interface Forged {
  /** How many were presented. */
  readonly count: number;
  /** How many of each kind. */
  readonly kinds: ReadonlyMap<string, number>;
  /** How many were taken for a session or for none presented. None may be. */
  readonly accepted: number;
  /** How often the database was asked. It may not be. */
  readonly loads: number;
  /** How often the store told of a rejected token. */
  readonly rejects: number;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/** Characters that a cookie may hold beside those of base64url. */
const OTHERS = "=+/.~!|:%*";
const CHARACTERS = `${ALPHABET}${OTHERS}`.split("");
const VICTIMS = 16;

/** Presents so many forged tokens to a store that has living sessions. The same seed forges the same way. */
export async function presentForgeries(
  count: number,
  seed: number,
  progress: (done: number) => void = () => undefined,
): Promise<Forged> {
  let rejects = 0;
  const [key, counter] = [generateKey(), new Counter()];
  const store = new Store({
    keys: [key],
    backend: counter.around(memoryBackend()),
    onEvent: (event) => rejects += event.type === "reject" ? 1 : 0,
  });
  const good = await tokensOf(store, "session");
  const foreign = [
    ...await tokensOf(store, "other"),
    ...await tokensOf(createMemoryStore({ keys: [generateKey()] }), "session"),
  ];
  const forger = new Forger(seed, good, foreign);
  const kinds = new Map<string, number>();
  let accepted = 0;
  counter.loads = 0;
  for (let done = 0; done < count; done++) {
    const [kind, token] = forger.next();
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    const cookie = `session=${token}`;
    const session = await store.get({
      url: "https://app.example/",
      headers: { get: (name) => name === "cookie" ? cookie : null },
    });
    if (!session.isNew || session.error?.code !== "INVALID_TOKEN") accepted++;
    if (done % 100_000 === 99_999) progress(done + 1);
  }
  return { count, kinds, accepted, loads: counter.loads, rejects };
}

async function tokensOf(store: Store, name: string): Promise<string[]> {
  return await Promise.all(Array.from({ length: VICTIMS }, async () => {
    const { session } = await visit(store, new Browser(name), (made) => made.addFlash("x"), name);
    return session.token ?? "";
  }));
}

/** Forges tokens of every kind in turn, from a seed. */
class Forger {
  readonly #good: readonly string[];
  readonly #known: ReadonlySet<string>;
  readonly #kinds: readonly (readonly [string, () => string])[];
  #state: number;
  #turn = 0;

  constructor(seed: number, good: readonly string[], foreign: readonly string[]) {
    this.#state = seed;
    this.#good = good;
    this.#known = new Set(good);
    this.#kinds = [
      ["bits of a good token flipped", () => this.#altered(() => this.#flip())],
      ["a part of a good token in place of another's", () => this.#altered(() => this.#splice())],
      ["another id under a good token's seal", () => this.#altered(() => this.#reuse())],
      ["a random id and seal under the right key", () => this.#sealedAtRandom()],
      ["66 random bytes", () => this.#bytes(66).toString("base64url")],
      ["characters of a good token changed", () => this.#altered(() => this.#respell())],
      ["a good token cut short or made longer", () => this.#altered(() => this.#resize())],
      ["random text of any length", () => this.#text(1 + this.#below(200))],
      ["a genuine token of another name or store", () => this.#one(foreign)],
    ];
  }

  next(): readonly [kind: string, token: string] {
    const kind = this.#kinds[this.#turn++ % this.#kinds.length];
    if (!kind) throw new RangeError("there is no kind of forgery");
    return [kind[0], kind[1]()];
  }

  /** What `make` gives, unless it came out as a good token. */
  #altered(make: () => string): string {
    for (;;) {
      const token = make();
      if (token !== "" && !this.#known.has(token)) return token;
    }
  }

  #flip(): string {
    const bytes = this.#goodBytes();
    for (let flips = 1 + this.#below(3); flips > 0; flips--) {
      const at = this.#below(bytes.length);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << this.#below(8));
    }
    return bytes.toString("base64url");
  }

  #splice(): string {
    const [one, other] = [this.#goodBytes(), this.#goodBytes()];
    const from = this.#below(one.length);
    other.copy(one, from, from, from + 1 + this.#below(one.length - from));
    return one.toString("base64url");
  }

  #reuse(): string {
    const bytes = this.#goodBytes();
    this.#bytes(24).copy(bytes, 10);
    return bytes.toString("base64url");
  }

  /** The version, key id and time of a good token: nothing but the seal is wrong. */
  #sealedAtRandom(): string {
    const bytes = this.#goodBytes();
    this.#bytes(56).copy(bytes, 10);
    return bytes.toString("base64url");
  }

  #respell(): string {
    const characters = this.#one(this.#good).split("");
    for (let changes = 1 + this.#below(3); changes > 0; changes--) {
      const at = this.#below(characters.length);
      characters[at] = this.#one(CHARACTERS);
    }
    return characters.join("");
  }

  #resize(): string {
    const token = this.#one(this.#good);
    const at = this.#below(token.length);
    switch (this.#below(4)) {
      case 0:
        return token.slice(0, at);
      case 1:
        return token.slice(at + 1);
      case 2:
        return token.slice(0, at) + this.#text(1 + this.#below(4)) + token.slice(at);
      default:
        return token + this.#one(["=", "==", "A", "AAAA", ".", token]);
    }
  }

  #text(length: number): string {
    return Array.from({ length }, () => this.#one(CHARACTERS)).join("");
  }

  #goodBytes(): Buffer {
    return Buffer.from(this.#one(this.#good), "base64url");
  }

  #bytes(length: number): Buffer {
    return Buffer.from(Uint8Array.from({ length }, () => this.#below(256)));
  }

  #one<T>(items: readonly T[]): T {
    const item = items[this.#below(items.length)];
    if (item === undefined) throw new RangeError("there is nothing to choose from");
    return item;
  }

  #below(bound: number): number {
    // Mulberry32: quick, and good enough to choose with.
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }
}
