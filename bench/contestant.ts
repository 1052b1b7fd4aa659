import type { Collection } from "mongodb";

/** A session library that is measured. One file each; a new one is a line more in `index.ts`. */
export interface Contestant {
  /** The heading of its column. */
  readonly name: string;
  /** Its sessions in an empty collection, set up as its documents say. */
  open(collection: Collection): Promise<Sessions>;
}

/** A library whose tokens and data are measured without a database. */
export interface CodecContestant {
  /** The heading of its column. */
  readonly name: string;
  /** What it does, by the names in {@linkcode CODEC_CASES}; what it does not do is left out. */
  codecs(): Promise<Readonly<Record<string, Operation>>>;
}

/** One thing that is done over and over. */
export type Operation = () => unknown;

/** What a server does with sessions. A token is whatever the client would send. */
export interface Sessions {
  /** A new visitor: makes a session that holds the text, saves it, and gives its token. */
  create(text: string): Promise<string>;
  /** Loads a session; gives the text that it holds. */
  load(token: string): Promise<string>;
  /** Loads a session, puts another text into it and saves it. */
  change(token: string, text: string): Promise<void>;
  /** Loads a session and saves it with nothing changed. */
  keep(token: string): Promise<void>;
  close(): Promise<void>;
}

/** The sizes of serialized sessions in the cases without a database, in bytes. */
export const SIZES: Readonly<Record<string, number>> = {
  "100 B": 100,
  "256 B": 256,
  "1 KB": 1024,
  "16 KB": 16_384,
};

/** The names of the cases without a database. */
export const CODEC_CASES: readonly string[] = [
  "token encode",
  "token decode",
  ...Object.keys(SIZES).flatMap((size) => [`data encode ${size}`, `data decode ${size}`]),
];

/** Text of this length in which nothing repeats for long. */
export function textOf(length: number): string {
  let text = "";
  for (let i = 0; text.length < length; i++) text += `item-${i * 7919 % 10_007} `;
  return text.slice(0, length);
}
