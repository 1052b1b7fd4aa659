import type { Outcome, RecordKey, Write } from "./backend/backend.ts";
import { batched } from "./backend/batch.ts";
import { mongodbBackend } from "./backend/mongodb.ts";
import type { SessionCollection } from "./backend/mongodb.ts";
import { recordKey } from "./backend/record.ts";
import { systemClock, systemRandom } from "./clock.ts";
import type { Clock, RandomBytes } from "./clock.ts";
import { recordKeyBytes } from "./codec/id.ts";
import { Keyring } from "./codec/keyring.ts";
import { sealedData } from "./codec/sealed.ts";
import { SessionError, SessionTooLargeError } from "./errors.ts";
import type { LegacyLoader } from "./legacy/express-session.ts";
import type { LegacySession } from "./legacy/legacy.ts";
import { Lookup } from "./lookup.ts";
import { encodePayload } from "./payload.ts";
import { isToken } from "./transport/grammar.ts";

/** Options of {@linkcode importedSessions}. */
export interface ImportedOptions {
  /** The store's own `keys`: the imported sessions are sealed with the first, and `rekey` reaches them. */
  readonly keys: readonly (string | Uint8Array)[];
  /** Names the older system, for example `connect-mongo`. Ids of two systems never meet. */
  readonly from: string;
  /** Seconds until a session ends for which the older system knows no end. Default 1,209,600 (14 days). */
  readonly maxAge?: number;
  /** The largest serialized session, in bytes. Default 262,144. */
  readonly maxBytes?: number;
  /** How long one call may take, in milliseconds. Default 30,000; the store's own `timeoutMS` ends a `load` before. */
  readonly timeoutMS?: number;
  /** The clock, for tests. */
  readonly clock?: Clock;
  /** The random source, for tests. */
  readonly random?: RandomBytes;
}

/** A session of an older system, under the id that its client presents. */
export interface OldSession {
  readonly id: string;
  readonly session: LegacySession;
}

/** What became of one session that was to be imported. */
export type ImportOutcome =
  /** It is stored. */
  | { readonly status: "added" }
  /** It was stored before; what stands there was left as it is. */
  | { readonly status: "present" }
  /** Its time was over. */
  | { readonly status: "ended" }
  /** It cannot be stored; the error says why. */
  | { readonly status: "refused"; readonly error: SessionError };

/** Sessions of an older system that were copied into a collection of ours. */
export interface ImportedSessions {
  /**
   * Copies sessions, and gives what became of each, in their order. A session that was copied before is left alone, so whatever was
   * interrupted can be done again. Rejects with `StoreUnavailableError` in an outage; some may be stored by then.
   */
  add(sessions: readonly OldSession[]): Promise<readonly ImportOutcome[]>;
  /** Finds the copy by the older system's id: the option `load` of `expressSessionReader` and `gorillaReader`. */
  readonly load: LegacyLoader;
}

/**
 * Copies the sessions of an older system into the collection of a store, once, so that the older system can be switched off and
 * its clients stay signed in: whoever presents the old cookie is taken over from the copy. A copy is an ordinary record, sealed, under
 * a key that is a hash of the old id; it expires when the old session would have, and where it has a `subject`, `store.list` shows it and
 * `store.revokeAll` ends it. Throws `WeakKeyError`, and `TypeError` where `from` is no token of RFC 9110.
 *
 * @example
 * ```ts
 * import { CookieToken, createMongoStore, generateKey } from "mongostore";
 * import { expressSessionReader, importedSessions } from "mongostore/legacy";
 * import { MongoClient } from "mongodb";
 *
 * const client = new MongoClient(process.env["MONGODB_URI"] ?? "mongodb://127.0.0.1:27017");
 * const sessions = client.db("shop").collection("sessions_imported");
 * const keys = [process.env["SESSION_KEY"] ?? generateKey()];
 * const imported = importedSessions(sessions, { keys, from: "redis" });
 * const [outcome] = await imported.add([{ id: "q3Zl8xHv", session: { values: { userId: "42" } } }]);
 * console.log(outcome); // { status: "added" }, and { status: "present" } from then on
 *
 * const store = await createMongoStore(sessions, {
 *   keys,
 *   legacy: [expressSessionReader({
 *     token: new CookieToken(),
 *     secrets: ["keyboard cat"],
 *     load: imported.load,
 *   })],
 * });
 * await store.close();
 * await client.close();
 * ```
 */
export function importedSessions(
  collection: SessionCollection,
  options: ImportedOptions,
): ImportedSessions {
  const { keys, from, maxAge = 1_209_600, maxBytes = 262_144, timeoutMS = 30_000 } = options;
  const { clock = systemClock, random = systemRandom } = options;
  if (!isToken(from)) {
    throw new TypeError("cannot use the option from: it must be a token of RFC 9110");
  }
  const backend = mongodbBackend(collection, { clock });
  const data = sealedData(new Keyring(keys), { clock, random });
  // Where many clients come back at once, their copies are found together.
  const lookup = new Lookup(batched(backend, { clock }), data, Infinity);

  return {
    async add(sessions) {
      const call = { deadline: clock.monotonic() + timeoutMS };
      const now = Math.floor(await backend.now(call));

      // 1. Leave out what stands there already, and what stands twice in the list.
      const byKey = new Map<string, OldSession>();
      for (const old of sessions) {
        const { text } = keyOf(from, old.id);
        if (!byKey.has(text)) byKey.set(text, old);
      }
      const distinct = [...byKey.values()].map((old) => ({ old, key: keyOf(from, old.id) }));
      const loaded = distinct.length > 0
        ? await backend.load(distinct.map(({ key }) => key), call)
        : [];
      const outcomes = new Map<OldSession, ImportOutcome>();
      const writes: Write[] = [];
      const written: OldSession[] = [];
      for (const [i, { old, key }] of distinct.entries()) {
        if (loaded[i]?.status !== "absent") continue;

        // 2. Protect the rest.
        const write = await insertOf(key, old.session, now);
        if ("kind" in write) {
          writes.push(write);
          written.push(old);
        } else outcomes.set(old, write);
      }

      // 3. Write it. Where someone was faster, theirs is the same session.
      const done = writes.length > 0 ? await backend.write(writes, call) : [];
      for (const [i, old] of written.entries()) outcomes.set(old, importOutcome(done[i]));
      return sessions.map((old) => outcomes.get(old) ?? { status: "present" });
    },

    load: async (id, { signal }) => {
      const call = { deadline: clock.monotonic() + timeoutMS, signal };
      const found = await lookup.read(from, keyOf(from, id), call);
      if (found.status === "found") {
        const { payload: { values }, snapshot: { subject, expires } } = found;
        return { values, subject, expires };
      }
      if (found.status === "missing" && found.error.code === "CORRUPT_RECORD") throw found.error;
      return undefined;
    },
  };

  async function insertOf(
    key: RecordKey,
    { values, subject, meta, expires: end }: LegacySession,
    created: number,
  ): Promise<Write | ImportOutcome> {
    const expires = end ?? created + maxAge * 1000;
    if (!(expires > created)) return { status: "ended" };
    let text: string;
    try {
      text = encodePayload({ values, flashes: [], meta, maxAge: undefined }, subject);
    } catch (error) {
      if (error instanceof SessionError) return { status: "refused", error };
      throw error;
    }
    const bytes = encoder.encode(text).length;
    if (bytes > maxBytes) {
      return { status: "refused", error: new SessionTooLargeError(bytes, maxBytes) };
    }
    return {
      kind: "insert",
      key,
      name: from,
      data: await data.protect(text, { name: from, key: key.bytes, created }),
      rev: random(8),
      created,
      modified: created,
      expiry: { idle: expires - created, until: expires },
      subject,
    };
  }
}

const encoder = new TextEncoder();

/**
 * The key of a copy is that of a session whose id is four zero bytes and the old id: a session of ours has the time in their place,
 * and so never the same key.
 */
function keyOf(from: string, id: string): RecordKey {
  const old = encoder.encode(id);
  const bytes = new Uint8Array(4 + old.length);
  bytes.set(old, 4);
  return recordKey(recordKeyBytes(from, bytes));
}

function importOutcome(outcome: Outcome | undefined): ImportOutcome {
  if (outcome?.status === "failed") throw outcome.error;
  return { status: outcome?.status === "done" ? "added" : "present" };
}
