import { Buffer } from "node:buffer";

/** What must not be found, by what it is. Text counts as its UTF-8 bytes. */
export type Secrets = Readonly<Record<string, string | Uint8Array>>;

/** A piece of a secret as long as this is a trace of it. */
const PIECE = 8;

/**
 * The names of the secrets of which any eight bytes in a row stand in the text: as they are, as hex, or inside base64 or base64url,
 * wherever in its groups of three they begin. Bytes are searched as their latin1 text.
 */
export function tracesIn(text: string, secrets: Secrets): string[] {
  const lower = text.toLowerCase();
  return Object.entries(secrets).filter(([what, secret]) => {
    const bytes = Buffer.from(secret);
    if (bytes.length < PIECE) throw new RangeError(`the ${what} is too short to be looked for`);
    return piecesOf(bytes).some((piece) =>
      lower.includes(piece.toString("hex")) || formsOf(piece).some((form) => text.includes(form))
    );
  }).map(([what]) => what);
}

/** Bytes in the forms in which a dump, a log or a console may show them. */
export function shownForms(bytes: Uint8Array): string {
  const buffer = Buffer.from(bytes);
  return [buffer.toString("latin1"), buffer.toString("utf8"), buffer.toString("base64")].join("\n");
}

function piecesOf(bytes: Buffer): Buffer[] {
  const count = bytes.length - PIECE + 1;
  return Array.from({ length: count }, (_, at) => bytes.subarray(at, at + PIECE));
}

function formsOf(piece: Buffer): string[] {
  const aligned = [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), piece]).toString("base64").replace(/=+$/, "");
    // The characters that hold bits of the neighbours are cut off: two or three before, one after.
    const from = Math.ceil(before * 8 / 6);
    const to = Math.floor((before + piece.length) * 8 / 6);
    return [text.slice(from, to), text.slice(from, to).replaceAll("+", "-").replaceAll("/", "_")];
  });
  return [
    piece.toString("latin1"),
    // Cut through a character, UTF-8 shows replacement characters, which any bytes may show.
    ...(piece.toString("utf8").includes("\ufffd") ? [] : [piece.toString("utf8")]),
    piece.join(","),
    piece.join(", "),
    ...aligned,
  ];
}
