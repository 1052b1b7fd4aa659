import { Keyring, SessionError } from "../index.ts";
import type { Answers, ServerAnswers } from "./answers.ts";

/** What one check found. */
export interface Finding {
  readonly check: string;
  /** `fault`: mend it. `warning`: know it. `unknown`: this user may not look, or nothing was given to look at. */
  readonly level: "ok" | "warning" | "fault" | "unknown";
  readonly what: string;
  /** What to do about it. */
  readonly mend?: string;
}

/** Judges what was answered. The findings come in the order in which they are worth reading. */
export async function judge(answers: Answers): Promise<readonly Finding[]> {
  const { server } = answers;
  const early = [await keys(answers), writeConcern(answers)];
  if ("failure" in server) return [...early, unanswered(server.failure)];
  return [
    ...early,
    { check: "reachable", level: "ok", what: "the database answers" },
    version(server),
    role(server),
    clock(server),
    privileges(answers, server),
    indexes(answers, server),
    ttlMonitor(server),
    documents(answers, server),
  ];
}

async function keys({ keys: given }: Answers): Promise<Finding> {
  const check = "keys";
  if (given.length === 0) {
    const mend = "set SESSION_KEY or --keys-file to have the keys looked at";
    return { check, level: "unknown", what: "no key was given", mend };
  }
  try {
    await new Keyring(given).ready();
  } catch (error) {
    if (!(error instanceof SessionError)) throw error;
    const mend = "make one with mongostore keygen, and put it first";
    return { check, level: "fault", what: error.message, mend };
  }
  const typed = given.findIndex((key) => !looksDrawn(key));
  if (typed >= 0) {
    return {
      check,
      level: "warning",
      what: `keys[${typed}] looks typed, not drawn: length alone makes no secret`,
      mend: "make one with mongostore keygen, and rotate",
    };
  }
  const what = given.length === 1 ? "one key, long enough" : `${given.length} keys, long enough`;
  return { check, level: "ok", what };
}

/** Random text of 32 characters has letters and digits, and at least ten different characters. */
function looksDrawn(key: string): boolean {
  const kinds = [/[a-z]/, /[A-Z]/, /[0-9]/].filter((kind) => kind.test(key)).length;
  return kinds >= 2 && new Set(key).size >= 10;
}

function writeConcern({ writeConcern: w }: Answers): Finding {
  const check = "write concern";
  if (w === undefined || w === "majority") {
    return { check, level: "ok", what: w === undefined ? "the server's default" : "majority" };
  }
  if (typeof w === "number" && w >= 2) return { check, level: "ok", what: `w: ${w}` };
  const acknowledges = w === 0 || w === 1 || w === "0" || w === "1";
  return {
    check,
    level: acknowledges ? "fault" : "warning",
    what:
      `the connection string says w: ${w}. Sessions are written with "majority" all the same; ` +
      "what else uses this string loses acknowledged writes in a failover",
    mend: "take w out of the connection string, or set w=majority",
  };
}

function unanswered(
  { kind, message }: { readonly kind: string; readonly message: string },
): Finding {
  const check = "reachable";
  return kind === "refused"
    ? {
      check,
      level: "fault",
      what: `the database refuses this user: ${message}`,
      mend: "check the user's name, the password (percent-encoded) and authSource in MONGODB_URI",
    }
    : {
      check,
      level: "fault",
      what: `the database does not answer: ${message}`,
      mend:
        "check that mongod runs, the host and the port in MONGODB_URI, the firewall, and tls; " +
        "on Deno also --allow-net --allow-env --allow-sys",
    };
}

function version({ version: text }: ServerAnswers): Finding {
  const check = "version";
  const major = Number.parseInt(text, 10);
  if (major >= 5) return { check, level: "ok", what: `MongoDB ${text}` };
  return {
    check,
    level: "fault",
    what: `MongoDB ${text} is too old`,
    mend: "upgrade the server to 5.0 or later, one major version at a time",
  };
}

function role({ topology, members, isWritable }: ServerAnswers): Finding {
  const check = "role";
  if (topology === "sharded cluster") return { check, level: "ok", what: "a sharded cluster" };
  if (topology === "standalone") {
    return {
      check,
      level: "warning",
      what:
        "a standalone server: when it is down, so are all sessions, and store.watch has to poll",
      mend: "run a replica set: start mongod with --replSet rs0 and call rs.initiate() once",
    };
  }
  if (!isWritable) {
    return {
      check,
      level: "fault",
      what: "this member is not the primary and takes no writes",
      mend: "name the whole set in MONGODB_URI: replicaSet=… in place of directConnection=true",
    };
  }
  const what = `the primary of a replica set of ${members}`;
  return {
    check,
    level: "ok",
    what: members < 3 ? `${what}: fewer than three survive no loss` : what,
  };
}

function clock({ clock: { ahead, error } }: ServerAnswers): Finding {
  const check = "clock";
  const off = Math.max(0, Math.abs(ahead) - error);
  if (off < 1_000) return { check, level: "ok", what: "agrees with the database's" };
  return {
    check,
    level: off > 30_000 ? "fault" : "warning",
    what:
      `the database is ${Math.round(off / 1_000)} s ${ahead > 0 ? "ahead of" : "behind"} this ` +
      "machine. Sessions go by the database's clock and hold; logs, certificates and Expires of cookies do not",
    mend: "keep both machines on one time: chronyc tracking, or timedatectl timesync-status",
  };
}

/** Actions by what they are needed for. */
const NEEDED = ["find", "insert", "update", "remove"] as const;
const FOR_INDEXES = ["listIndexes", "createIndex"] as const;

function privileges(
  { db, collection }: Answers,
  { actions: told, foreign }: ServerAnswers,
): Finding {
  const check = "privileges";
  if (told === "untold") return { check, level: "unknown", what: "the server does not tell" };
  const actions = told.is;
  if (actions === undefined && foreign === "untold") {
    return {
      check,
      level: "fault",
      what: "the database lets nobody in without a name and a password",
      mend: "put them into MONGODB_URI: mongodb://user:password@host/db?authSource=admin",
    };
  }
  if (actions === undefined) {
    return { check, level: "ok", what: "nobody has to sign in: fine on your own machine only" };
  }
  const missing = [...NEEDED, ...FOR_INDEXES].filter((action) => !actions.includes(action));
  if (missing.length === 0) {
    const what = actions.includes("collMod")
      ? "all that a store needs"
      : "all that a store needs, but for collMod, which only mends an index";
    return { check, level: "ok", what };
  }
  const onlyIndexes = NEEDED.every((action) => actions.includes(action));
  return {
    check,
    level: "fault",
    what: `the database user lacks ${missing.join(", ")} on ${db}.${collection}`,
    mend: `db.grantRolesToUser(user, [{ role: "readWrite", db: "${db}" }])` +
      (onlyIndexes ? ", or make the indexes by hand and set ensureTTL: false" : ""),
  };
}

function indexes({ collection }: Answers, { indexes: told }: ServerAnswers): Finding {
  const check = "indexes";
  if (told === "untold") return { check, level: "unknown", what: "this user may not look at them" };
  const { missing, wrong, conflict } = told.is;
  const coll = `db.getCollection(${JSON.stringify(collection)})`;
  if (conflict !== undefined) {
    return { check, level: "fault", what: conflict, mend: `${coll}.dropIndex("…") with its name` };
  }
  const [name] = wrong;
  if (name !== undefined) {
    return {
      check,
      level: "fault",
      what: `the index ${name} does not remove sessions when they expire`,
      mend: `db.runCommand({ collMod: ${JSON.stringify(collection)}, ` +
        `index: { name: ${JSON.stringify(name)}, expireAfterSeconds: 0 } }), ` +
        "or start a store whose user has collMod",
    };
  }
  if (missing.length > 0) {
    return {
      check,
      level: "warning",
      what: `not there yet: ${missing.join(" and ")}`,
      mend: "start a store (ensureTTL makes them), or make them as docs/deploying.md shows",
    };
  }
  return { check, level: "ok", what: "as a store needs them" };
}

const TTL_MEND =
  "db.adminCommand({ setParameter: 1, ttlMonitorEnabled: true }), and out of mongod's configuration";

function ttlMonitor({ ttlMonitor: told, hasOverdue, topology }: ServerAnswers): Finding {
  const check = "TTL monitor";
  if (told !== "untold") {
    return told.is ? { check, level: "ok", what: "runs" } : {
      check,
      level: "fault",
      what: "is off: expired sessions are never removed",
      mend: TTL_MEND,
    };
  }
  if (hasOverdue !== "untold" && hasOverdue.is) {
    return {
      check,
      level: "fault",
      what: "is off, or finds no index: sessions that expired more than ten minutes ago are there",
      mend: TTL_MEND,
    };
  }
  const who = topology === "sharded cluster" ? "a router does not tell" : "this user may not ask";
  return { check, level: "unknown", what: `${who}; nothing overdue lies about` };
}

function documents({ collection }: Answers, { foreign: told }: ServerAnswers): Finding {
  const check = "documents";
  if (told === "untold") return { check, level: "unknown", what: "this user may not look at them" };
  const { count, lookedAt } = told.is;
  if (count === 0) {
    return { check, level: "ok", what: `${lookedAt} looked at, all of them sessions` };
  }
  return {
    check,
    level: "fault",
    what: `${count} of ${lookedAt} that were looked at are no sessions of ours`,
    mend: `something else writes to "${collection}": give the sessions a collection of their own ` +
      "(--collection); mongostore import copies those of connect-mongo and kidstuff",
  };
}
