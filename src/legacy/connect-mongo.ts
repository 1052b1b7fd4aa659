import { CorruptRecordError } from "../errors.ts";
import type { LegacyLoader } from "./express-session.ts";
import type { LegacyCollection } from "./legacy.ts";
import { sessionOf } from "./values.ts";

/** Options of {@linkcode connectMongoLoader}. */
export interface ConnectMongoOptions {
  /** connect-mongo's `transformId`. Default: the id as it is. */
  readonly transformId?: (id: string) => string;
  /** Opens sessions that were written with connect-mongo's `crypto` or `cryptoAdapter`: pass the adapter's `decrypt`. */
  readonly decrypt?: (ciphertext: string) => Promise<string> | string;
}

/**
 * Loads the sessions that connect-mongo (3 to 6) wrote, with `stringify` on or off, for {@linkcode expressSessionReader}.
 * What is past its `expires` counts as ended, whether or not the database has removed it.
 *
 * @example
 * ```ts
 * import { CookieToken } from "mongostore";
 * import { connectMongoLoader, expressSessionReader } from "mongostore/legacy";
 * import { MongoClient } from "mongodb";
 *
 * const db = new MongoClient("mongodb://localhost").db("app");
 * const reader = expressSessionReader({
 *   token: new CookieToken(),
 *   secrets: ["keyboard cat"],
 *   load: connectMongoLoader(db.collection("sessions")),
 * });
 * console.log(reader.name); // express-session
 * ```
 */
export function connectMongoLoader(
  collection: LegacyCollection,
  { transformId = (id) => id, decrypt }: ConnectMongoOptions = {},
): LegacyLoader {
  return async (id, { now, signal }) => {
    const filter = { _id: transformId(id) };
    const record = await collection.findOne(filter, {
      signal,
      promoteValues: true,
      promoteBuffers: true,
    });
    if (!record) return undefined;
    const { expires, session } = Object.fromEntries(Object.entries(record));
    if (expires instanceof Date && !(expires.getTime() > now)) return undefined;
    const held = decrypt && typeof session === "string"
      ? await decrypted(session, decrypt)
      : session;
    const found = sessionOf(typeof held === "string" ? parsed(held) : held, undefined, {
      omit: "cookie",
      expires: expires instanceof Date ? expires.getTime() : undefined,
    });
    if (!found) {
      throw new CorruptRecordError("the older session is neither an object nor JSON of one");
    }
    return found;
  };
}

async function decrypted(
  ciphertext: string,
  decrypt: NonNullable<ConnectMongoOptions["decrypt"]>,
): Promise<unknown> {
  try {
    const text = await decrypt(ciphertext);
    // Where connect-mongo's crypto adapter had text to encrypt, that was JSON already.
    const held = parsed(text);
    return typeof held === "string" ? parsed(held) : held;
  } catch {
    throw new CorruptRecordError("the older session does not decrypt");
  }
}

/** The value of JSON; `undefined` where it is none. The parser's error would quote it. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
