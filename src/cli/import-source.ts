import { CookieToken, SessionError } from "../index.ts";
import { connectMongoLoader, gorillaReader } from "../legacy.ts";
import type { LegacySession, OldSession } from "../legacy.ts";
import { codecsFromPairs, gobString } from "../securecookie.ts";
import type { CookieKey } from "../securecookie.ts";

/** What a document of an older system holds. */
type Reading = OldSession | "ended" | { readonly reason: string };

/** An older system whose documents are read one by one. */
export interface Source {
  /** Its name in the records: the option `from` of `importedSessions`. */
  readonly system: string;
  /** Understands a document. Never rejects for what stands in it. */
  read(document: object): Promise<Reading>;
}

/** The documents of connect-mongo. The subject is read from the values at this path. */
export function connectMongoSource(subject: readonly string[] | undefined): Source {
  return {
    system: "connect-mongo",
    read(document) {
      const id = idOf(document);
      if (typeof id !== "string") return Promise.resolve({ reason: "its _id is no text" });
      // 0: whether it has ended is for the clock of the database to say, when it is added.
      const call = { sessionName: "session", now: 0, signal: NEVER };
      const load = connectMongoLoader({ findOne: () => Promise.resolve(document) });
      return reading(id, subject, () => load(id, call));
    },
  };
}

/** The documents of kidstuff/mongostore. `maxAge` is the Go store's, in seconds. */
export function kidstuffSource({ keyPairs, cookie, maxAge, subject }: {
  readonly keyPairs: readonly (CookieKey | undefined)[];
  readonly cookie: string;
  readonly maxAge: number;
  readonly subject: readonly string[] | undefined;
}): Source {
  const [codec] = codecsFromPairs(keyPairs, { serializer: gobString });
  let held: object | null = null;
  const reader = gorillaReader({
    token: new CookieToken(),
    cookie,
    keyPairs,
    collection: { findOne: () => Promise.resolve(held) },
    maxAge,
    maxLength: 0, // the store may have set a longer one than is the default
  });
  return {
    system: "kidstuff",
    async read(document) {
      const id = String(idOf(document));
      if (!/^[0-9a-f]{24}$/.test(id)) return { reason: "its _id is no ObjectId" };
      // The reader opens what a client presents. Here we are the client of each session in turn.
      const now = Date.now();
      const token = await codec?.encode(cookie, id, now);
      const call = { sessionName: cookie, now, signal: NEVER };
      held = document;
      return await reading(
        id,
        subject,
        async () => token === undefined ? undefined : await reader.open(token, call),
      );
    },
  };
}

const NEVER: AbortSignal = new AbortController().signal;

async function reading(
  id: string,
  subject: readonly string[] | undefined,
  open: () => Promise<LegacySession | undefined>,
): Promise<Reading> {
  try {
    const session = await open();
    if (!session) return "ended";
    return { id, session: { ...session, subject: subject && subjectIn(session.values, subject) } };
  } catch (error) {
    if (error instanceof SessionError) return { reason: error.message };
    return { reason: "it cannot be read" };
  }
}

/** The text or the number at a path of the values. */
function subjectIn(values: object, path: readonly string[]): string | undefined {
  let at: unknown = values;
  for (const step of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, step)) return undefined;
    at = Reflect.get(at, step);
  }
  return typeof at === "string" || typeof at === "number" ? String(at) : undefined;
}

function idOf(document: object): unknown {
  return "_id" in document ? document._id : undefined;
}
