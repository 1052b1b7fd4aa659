import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Collection, MongoClient } from "mongodb";
import { createMongoStore, generateKey } from "#mongostore";
import type { Answers, ServerAnswers } from "../../src/cli/answers.ts";
import { type Finding, judge } from "../../src/cli/checks.ts";
import type { Stored } from "../backend/mongo.ts";
import { Lair, Mongod } from "../support/mongod-process.ts";
import { type Ended, type Env, run } from "./command-line.ts";

// Each fault is planted for real where a test can: a server that is old, and one whose clock is wrong, are stand-ins.

const KEY = generateKey();
const PASSWORD = "correct-horse-battery";

interface Report {
  readonly healthy: boolean;
  readonly findings: readonly Finding[];
}

async function examine(env: Env, ...args: readonly string[]): Promise<Ended & Report> {
  const ended = await run(["doctor", "--json", "--collection=sessions", ...args], {
    SESSION_KEY: KEY,
    ...env,
  });
  const report: Report = JSON.parse(ended.out);
  assert.equal(ended.code, report.healthy ? 0 : 1);
  assert.ok(!`${ended.out}${ended.err}`.includes(PASSWORD), "the password is on the screen");
  return { ...ended, ...report };
}

/** The only fault that is found; nothing else may be. */
function theFault({ findings }: Report): Finding {
  const faults = findings.filter(({ level }) => level === "fault");
  assert.equal(faults.length, 1, JSON.stringify(faults));
  const [fault] = faults;
  assert.ok(fault?.mend, "it does not say what to do");
  return fault;
}

describe("the doctor, of a standalone server whose TTL monitor is off and whose users sign in", () => {
  let lair: Lair;
  let mongod: Mongod;
  let root: MongoClient;
  const uri = (user: string, query = "") =>
    `mongodb://${user}:${PASSWORD}@${mongod.host}/shop?authSource=admin${query}`;

  before(async () => {
    lair = new Lair();
    mongod = await Mongod.create(lair, ["--setParameter=ttlMonitorEnabled=false", "--auth"]);
    const roles = {
      root: ["root"],
      owner: [
        { role: "readWrite", db: "shop" },
        { role: "dbAdmin", db: "shop" },
        { role: "clusterMonitor", db: "admin" },
      ],
      app: [{ role: "readWrite", db: "shop" }],
      reader: [{ role: "read", db: "shop" }],
    };
    // Until there is a user, the first may be made without one.
    const first = await mongod.connect();
    const pwd = PASSWORD;
    await first.db("admin").command({ createUser: "root", pwd, roles: roles.root });
    await first.close();
    root = await mongod.connect({ auth: { username: "root", password: PASSWORD } });
    for (const user of ["owner", "app", "reader"] as const) {
      await root.db("admin").command({ createUser: user, pwd, roles: roles[user] });
    }
    const store = await createMongoStore(root.db("shop").collection("sessions"), { keys: [KEY] });
    await store.close();
  });
  after(async () => {
    await root?.close();
    await mongod?.kill();
    await lair?.dispose();
  });

  it("finds the TTL monitor off", async () => {
    const fault = theFault(await examine({ MONGODB_URI: uri("owner") }));
    assert.equal(fault.check, "TTL monitor");
    assert.match(fault.mend ?? "", /ttlMonitorEnabled: true/);
  });

  it("finds it off by what lies about, where the user may not ask", async () => {
    const old = new Date(Date.now() - 3_600_000);
    const record = { name: "session", data: "{}", created: old, modified: old, expires: old };
    const rev = new Uint8Array(8);
    const overdue = root.db("shop").collection<Stored>("overdue");
    await overdue.insertOne({ _id: new Uint8Array(20), ...record, rev });
    const quiet = await examine({ MONGODB_URI: uri("app") });
    assert.ok(quiet.healthy, "nothing is overdue there");
    const fault = theFault(await examine({ MONGODB_URI: uri("app") }, "--collection=overdue"));
    assert.equal(fault.check, "TTL monitor");
    await overdue.drop();
  });

  it("warns of a standalone server, and --strict makes that count", async () => {
    const report = await examine({ MONGODB_URI: uri("app") });
    const role = report.findings.find(({ check }) => check === "role");
    assert.equal(role?.level, "warning");
    assert.match(role.what, /standalone/);
    assert.match(role.mend ?? "", /replSet/);
    assert.equal(report.code, 0);
    assert.equal((await run(["doctor", "--strict"], { MONGODB_URI: uri("app") })).code, 1);
  });

  it("finds a missing privilege, and names each", async () => {
    const fault = theFault(await examine({ MONGODB_URI: uri("reader") }));
    assert.equal(fault.check, "privileges");
    assert.match(fault.what, /lacks insert, update, remove, createIndex on shop\.sessions/);
    assert.match(fault.mend ?? "", /role: "readWrite", db: "shop"/);
  });

  it("finds that the password is refused", async () => {
    const wrong = `mongodb://app:not-${PASSWORD}@${mongod.host}/shop?authSource=admin`;
    const fault = theFault(await examine({ MONGODB_URI: wrong }));
    assert.equal(fault.check, "reachable");
    assert.match(fault.what, /refuses this user/);
    assert.match(fault.mend ?? "", /authSource/);
  });

  it("finds that nobody has signed in", async () => {
    const report = await examine({ MONGODB_URI: `mongodb://${mongod.host}/shop` });
    const fault = theFault(report);
    assert.equal(fault.check, "privileges");
    assert.match(fault.what, /without a name and a password/);
  });
});

describe("the doctor, of a replica set", () => {
  let lair: Lair;
  let mongod: Mongod;
  let client: MongoClient;
  const keys = [KEY];
  const uri = (query = "") => `mongodb://${mongod.host}/shop?replicaSet=rs0${query}`;
  const collection = (name: string): Collection => client.db("shop").collection(name);

  before(async () => {
    lair = new Lair();
    mongod = await Mongod.create(lair, ["--replSet=rs0"]);
    const direct = await mongod.connect();
    await direct.db("admin").command({
      replSetInitiate: { _id: "rs0", members: [{ _id: 0, host: mongod.host }] },
    });
    await direct.close();
    client = await mongod.connect({ directConnection: false, replicaSet: "rs0" });
    const store = await createMongoStore(collection("sessions"), { keys });
    const request = new Request("https://shop.example/");
    const session = await store.get(request);
    session.values["userId"] = "42";
    await store.save(request, new Headers(), session);
    await store.close();
  });
  after(async () => {
    await client?.close();
    await mongod?.kill();
    await lair?.dispose();
  });

  it("finds nothing where nothing is wrong, not even a warning", async () => {
    const { findings, healthy } = await examine({ MONGODB_URI: uri() });
    assert.ok(healthy);
    assert.deepEqual(findings.filter(({ level }) => level !== "ok"), []);
    assert.equal(findings.length, 10);
    const { out, code } = await run(["doctor", "--strict"], {
      MONGODB_URI: uri(),
      SESSION_KEY: KEY,
    });
    assert.equal(code, 0);
    assert.match(out, /nothing is wrong\n$/);
  });

  it("finds w: 1 in the connection string", async () => {
    const fault = theFault(await examine({ MONGODB_URI: uri("&w=1") }));
    assert.equal(fault.check, "write concern");
    assert.match(fault.what, /w: 1/);
    assert.match(fault.mend ?? "", /w=majority/);
    assert.ok((await examine({ MONGODB_URI: uri("&w=majority") })).healthy);
  });

  it("finds a TTL index that keeps what has expired, and its mend works", async () => {
    await collection("late").createIndex({ expires: 1 }, { expireAfterSeconds: 3600 });
    await collection("late").createIndex({ subject: 1, modified: -1 });
    const fault = theFault(await examine({ MONGODB_URI: uri() }, "--collection=late"));
    assert.equal(fault.check, "indexes");
    assert.match(fault.what, /expires_1/);
    assert.match(fault.mend ?? "", /collMod: "late", .*expireAfterSeconds: 0/);
    await client.db("shop").command({
      collMod: "late",
      index: { name: "expires_1", expireAfterSeconds: 0 },
    });
    assert.ok((await examine({ MONGODB_URI: uri() }, "--collection=late")).healthy);
  });

  it("finds a TTL index by another field, which would end sessions early", async () => {
    await collection("early").createIndex({ modified: 1 }, { expireAfterSeconds: 60 });
    const fault = theFault(await examine({ MONGODB_URI: uri() }, "--collection=early"));
    assert.equal(fault.check, "indexes");
    assert.match(fault.what, /modified_1.*would end sessions early/);
    assert.match(fault.mend ?? "", /dropIndex/);
  });

  it("finds documents that are no sessions, and changes none", async () => {
    const mixed = collection("mixed");
    const store = await createMongoStore(mixed, { keys });
    await store.close();
    await mixed.insertOne({ session: "{}", expires: new Date(Date.now() + 60_000) });
    const [foreign] = await mixed.find().toArray();
    const fault = theFault(await examine({ MONGODB_URI: uri() }, "--collection=mixed"));
    assert.equal(fault.check, "documents");
    assert.match(fault.what, /^1 of 1 /);
    assert.match(fault.mend ?? "", /collection of their own/);
    assert.deepEqual(await mixed.find().toArray(), [foreign]);
  });

  it("makes no index and no collection", async () => {
    const { findings } = await examine({ MONGODB_URI: uri() }, "--collection=absent");
    assert.equal(findings.find(({ check }) => check === "indexes")?.level, "warning");
    assert.deepEqual(await client.db("shop").listCollections({ name: "absent" }).toArray(), []);
  });

  it("finds a weak key, of any place in the list, and never shows it", async () => {
    for (
      const [key, what] of [
        ["a-short-one", /keys\[0\] has 11 bytes/],
        [`${KEY},${"x".repeat(40)}`, /keys\[1\] is one repeated byte/],
        [`${KEY},${KEY}`, /keys\[1\] is the same as keys\[0\]/],
      ] as const
    ) {
      const report = await examine({ MONGODB_URI: uri(), SESSION_KEY: key });
      const fault = theFault(report);
      assert.equal(fault.check, "keys");
      assert.match(fault.what, what);
      assert.match(fault.mend ?? "", /mongostore keygen/);
      for (const secret of key.split(",")) assert.ok(!report.out.includes(secret));
    }
    const typed = "please change this secret before production";
    const { findings } = await examine({ MONGODB_URI: uri(), SESSION_KEY: typed });
    assert.equal(findings[0]?.level, "warning");
  });

  it("finds a database that does not answer", async () => {
    const env = { MONGODB_URI: `mongodb://app:${PASSWORD}@127.0.0.1:1/shop` };
    const fault = theFault(await examine(env, "--timeout=300"));
    assert.equal(fault.check, "reachable");
    assert.match(fault.what, /does not answer/);
    assert.match(fault.mend ?? "", /mongod runs/);
  });
});

describe("the doctor, by a stand-in of the answers", () => {
  const server: ServerAnswers = {
    version: "7.0.14",
    topology: "replica set",
    members: 3,
    isWritable: true,
    clock: { ahead: 3, error: 2 },
    ttlMonitor: { is: true },
    hasOverdue: { is: false },
    indexes: { is: { missing: [], wrong: [], conflict: undefined } },
    actions: { is: ["find", "insert", "update", "remove", "listIndexes", "createIndex"] },
    foreign: { is: { count: 0, lookedAt: 10 } },
  };
  const answers = (change: Partial<ServerAnswers>): Answers => ({
    keys: [KEY],
    writeConcern: undefined,
    server: { ...server, ...change },
    db: "shop",
    collection: "sessions",
  });
  const levelsOf = async (change: Partial<ServerAnswers>) =>
    (await judge(answers(change))).filter(({ level }) => level !== "ok")
      .map(({ check, level }) => `${check}: ${level}`);

  it("finds nothing in sound answers", async () => {
    assert.deepEqual(await levelsOf({}), []);
  });

  it("finds a clock that is wrong, either way, and names the mend", async () => {
    for (const ahead of [300_000, -300_000]) {
      const [finding] = (await judge(answers({ clock: { ahead, error: 20 } })))
        .filter(({ level }) => level === "fault");
      assert.equal(finding?.check, "clock");
      assert.match(finding.what, ahead > 0 ? /300 s ahead of/ : /300 s behind/);
      assert.match(finding.mend ?? "", /chronyc/);
    }
    assert.deepEqual(await levelsOf({ clock: { ahead: 5_000, error: 20 } }), ["clock: warning"]);
    assert.deepEqual(await levelsOf({ clock: { ahead: 5_000, error: 4_900 } }), []);
  });

  it("finds an old server, and names the mend", async () => {
    for (const version of ["4.4.29", "3.6.0"]) {
      const [finding] = (await judge(answers({ version })))
        .filter(({ level }) => level === "fault");
      assert.equal(finding?.check, "version");
      assert.match(finding.mend ?? "", /5\.0 or later/);
    }
    assert.deepEqual(await levelsOf({ version: "5.0.0" }), []);
    assert.deepEqual(await levelsOf({ version: "10.0.0" }), []);
  });

  it("finds a member that is not the primary", async () => {
    assert.deepEqual(await levelsOf({ isWritable: false }), ["role: fault"]);
  });

  it("says what it could not look at, and counts that as no fault", async () => {
    assert.deepEqual(
      await levelsOf({
        ttlMonitor: "untold",
        hasOverdue: "untold",
        indexes: "untold",
        actions: "untold",
        foreign: "untold",
      }),
      ["privileges: unknown", "indexes: unknown", "TTL monitor: unknown", "documents: unknown"],
    );
  });
});
