import {
  codecsFromPairs,
  type CookieKey,
  type CookieSerializer,
  decodeMulti,
  gobString,
  jsonValue,
  rawValue,
  type SecureCookie,
  type SecureCookieOptions,
} from "../codec/securecookie.ts";
import { CorruptRecordError } from "../errors.ts";
import type { LegacyLoader } from "./express-session.ts";
import type { LegacyCall, LegacyCollection, LegacyReader, LegacySession } from "./legacy.ts";
import { OldToken, type OldTokenOptions } from "./old-token.ts";
import { sessionOf } from "./values.ts";

// kidstuff/mongostore, a store of gorilla/sessions. Cookie and data are securecookies under one list of keys, bound to the session's name:
//   cookie: the 24 hex digits of the record's _id, as a gob string (or as JSON, under a serializer of JSON)
//   record: { _id: ObjectId, data: the values, modified: Date }
const SHAPE = /^[A-Za-z0-9_-]+={0,2}$/;
const OBJECT_ID = /^[0-9a-f]{24}$/;
const MAX_TOKEN_LENGTH = 4096;

/** Options of {@linkcode gorillaReader}. */
export interface GorillaOptions extends OldTokenOptions {
  /** The name that the Go service gave to the session. Default: the session's name. */
  readonly cookie?: string;
  /** The key pairs of the Go store, in its order: hash key, block key, hash key and so on. */
  readonly keyPairs: readonly (CookieKey | undefined)[];
  /** The collection of the Go store; or what finds a session by the 24 digits of its id, such as the `load` of `importedSessions`. */
  readonly collection: LegacyCollection | LegacyLoader;
  /** The `maxAge` of the Go store, in seconds: what was last saved longer ago has ended. 0: nothing has. */
  readonly maxAge: number;
  /** The hash of the HMAC. Default `sha256`, as in Go. */
  readonly hash?: "sha256" | "sha512";
  /** The greatest length of cookie and data, in characters. Default 4,096, as in Go. 0: any. */
  readonly maxLength?: number;
  /** Reads the values, where they are not JSON. Default: JSON. */
  readonly deserialize?: (bytes: Uint8Array<ArrayBuffer>) => object;
}

/**
 * Reads the sessions of kidstuff/mongostore, the Go package. Their values have to be JSON, or what `deserialize` reads: by default
 * Go writes a gob map, which gives a `CorruptRecordError` that says so (docs/migrating.md has the Go serializer to switch to).
 *
 * @example
 * ```ts
 * import { CookieToken } from "mongostore";
 * import { gorillaReader } from "mongostore/legacy";
 * import { MongoClient } from "mongodb";
 *
 * const db = new MongoClient("mongodb://localhost").db("test");
 * const reader = gorillaReader({
 *   token: new CookieToken(),
 *   cookie: "session-key",
 *   keyPairs: ["secret-key"],
 *   collection: db.collection("test_session"),
 *   maxAge: 3600,
 * });
 * console.log(reader.name); // gorilla
 * ```
 */
export function gorillaReader(options: GorillaOptions): LegacyReader {
  return new GorillaReader(options);
}

class GorillaReader implements LegacyReader {
  readonly name = "gorilla";
  readonly ambient: boolean;
  readonly #old: OldToken;
  readonly #subject: OldTokenOptions["subject"];
  readonly #collection: LegacyCollection | LegacyLoader;
  readonly #maxAge: number;
  readonly #ids: readonly SecureCookie<string>[];
  readonly #data: readonly SecureCookie<Uint8Array>[];
  readonly #deserialize: (bytes: Uint8Array<ArrayBuffer>) => unknown;

  constructor(options: GorillaOptions) {
    const { cookie, keyPairs, hash = "sha256", maxAge, maxLength = 4096 } = options;
    this.#old = new OldToken(cookie, options, isSecureCookie);
    this.ambient = this.#old.ambient;
    this.#subject = options.subject;
    this.#collection = options.collection;
    this.#maxAge = maxAge * 1000;
    if (keyPairs.length === 0) throw new TypeError("cannot use the option keyPairs: it is empty");
    const limits: SecureCookieOptions = { hash, maxAge, maxLength };
    this.#ids = codecsFromPairs(keyPairs, { ...limits, serializer: recordId });
    this.#data = codecsFromPairs(keyPairs, { ...limits, serializer: rawValue });
    this.#deserialize = options.deserialize ?? jsonObject;
  }

  read(...[request, sessionName]: Parameters<LegacyReader["read"]>): readonly string[] {
    return this.#old.presentedIn(request, sessionName);
  }

  async open(token: string, call: LegacyCall): Promise<LegacySession | undefined> {
    const { sessionName, now, signal } = call;
    if (!this.#old.countsAt(now) || !this.#old.isShaped(token)) return undefined;
    const name = this.#old.nameIn(sessionName);
    const id = await decodeMulti(name, token, this.#ids, now);
    if (!id.ok) return undefined;
    if (typeof this.#collection === "function") {
      const found = await this.#collection(id.value, call);
      return found && sessionOf(found.values, this.#subject, found);
    }
    // The server makes the ObjectId, so that none of the driver's own is needed here.
    const filter = { $expr: { $eq: ["$_id", { $toObjectId: id.value }] } };
    const record = await this.#collection.findOne(filter, { signal, promoteValues: true });
    if (!record) return undefined;
    const { data, modified } = Object.fromEntries(Object.entries(record));
    const expires = modified instanceof Date && this.#maxAge > 0
      ? modified.getTime() + this.#maxAge
      : undefined;
    if (expires !== undefined && !(expires > now)) return undefined;
    return await this.#sessionOf(name, data, now, expires);
  }

  clear(...[headers, answer, ended]: Parameters<LegacyReader["clear"]>): void {
    this.#old.clear(headers, answer, ended);
  }

  async #sessionOf(
    name: string,
    data: unknown,
    now: number,
    expires: number | undefined,
  ): Promise<LegacySession | undefined> {
    if (typeof data !== "string") throw new CorruptRecordError("the older session has no data");
    const opened = await decodeMulti(name, data, this.#data, now);
    if (!opened.ok) {
      if (opened.reasons.includes("expired")) return undefined;
      throw new CorruptRecordError(`the older session's data does not open: ${opened.reasons[0]}`);
    }
    let values: unknown;
    try {
      values = this.#deserialize(new Uint8Array(opened.value));
    } catch (error) {
      if (error instanceof CorruptRecordError) throw error;
      throw new CorruptRecordError("the older session's values cannot be read");
    }
    const session = sessionOf(values, this.#subject, { expires });
    if (!session) throw new CorruptRecordError("the older session's values are no object");
    return session;
  }
}

function isSecureCookie(token: string): boolean {
  return token.length <= MAX_TOKEN_LENGTH && token.length % 4 === 0 && SHAPE.test(token);
}

/** An id as any serializer of the Go store writes it. */
const recordId: CookieSerializer<string> = {
  serialize: (id) => gobString.serialize(id),
  deserialize(bytes) {
    const id: unknown = bytes[0] === QUOTE
      ? jsonValue.deserialize(bytes)
      : gobString.deserialize(bytes);
    if (typeof id === "string" && OBJECT_ID.test(id)) return id;
    throw new TypeError("not the hex digits of an ObjectId");
  },
};
const QUOTE = 0x22;
const BRACE = 0x7b;

function jsonObject(bytes: Uint8Array<ArrayBuffer>): unknown {
  if (bytes[0] !== BRACE) {
    throw new CorruptRecordError(
      "the older session's values are not JSON: a gob map of Go is not read (see docs/migrating.md)",
    );
  }
  return jsonValue.deserialize(bytes);
}
