import assert from "node:assert/strict";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { after, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Collection, type Db, MongoClient } from "mongodb";
import { createMongoStore, generateKey } from "#mongostore";
import { main } from "../../src/cli/main.ts";
import type { Terminal } from "../../src/cli/terminal.ts";
import { CLI, type Ended, type Env, run as start } from "./command-line.ts";

const COMMANDS = ["keygen", "doctor", "stats", "list", "revoke", "rekey", "import"];
const key = generateKey();

const folder = mkdtempSync(join(tmpdir(), "mongostore-cli-"));
let client: MongoClient;
let db: Db;
let collection: Collection;
before(async () => {
  client = await MongoClient.connect(process.env["MONGODB_URI"] ?? "");
  db = client.db(`test_${crypto.randomUUID().replaceAll("-", "")}`);
});
after(async () => {
  await db?.dropDatabase();
  await client?.close();
  rmSync(folder, { recursive: true, force: true });
});

function run(args: readonly string[], env: Env = {}): Promise<Ended> {
  const place = ["--db", db.databaseName, "--collection", collection.collectionName];
  const uri = { MONGODB_URI: process.env["MONGODB_URI"] ?? "" };
  return start([...args, ...place], { ...uri, SESSION_KEY: key, ...env });
}

/** Saves a session of this user and gives its handle. */
async function save(subject: string, text = "", keys: readonly string[] = [key]): Promise<string> {
  const store = await createMongoStore<{ text: string }>(collection, { keys });
  const request = new Request("https://shop.example/");
  const session = await store.get(request);
  Object.assign(session, { subject, meta: { device: `${subject}'s phone` } });
  session.values.text = text;
  await store.save(request, new Headers(), session);
  await store.close();
  return store.handleOf(session) ?? "";
}

let next = 0;
beforeEach(() => {
  collection = db.collection(`sessions${next++}`);
});

describe("keygen", () => {
  it("makes a key that a store takes, another one each time", async () => {
    const keys = await Promise.all([start(["keygen"]), start(["keygen"])]);
    for (const { code, out, err } of keys) {
      assert.deepEqual([code, err], [0, ""]);
      assert.match(out, /^[\w-]{43}\n$/);
    }
    assert.notEqual(keys[0]?.out, keys[1]?.out);
    const { out } = await start(["keygen", "--json"]);
    assert.match(JSON.parse(out).key, /^[\w-]{43}$/);
  });

  it("writes a file that only its owner reads, never over another, and shows nothing", async () => {
    const file = join(folder, "session.key");
    const { code, out, err } = await start(["keygen", "--out", file]);
    assert.equal(code, 0);
    const made = readFileSync(file, "utf8");
    assert.match(made, /^[\w-]{43}\n$/);
    assert.ok(!`${out}${err}`.includes(made.trim()));
    if (process.platform !== "win32") assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal((await start(["keygen", "--out", file])).code, 2);
    assert.equal(readFileSync(file, "utf8"), made);
  });
});

describe("stats", () => {
  it("counts what lives and what has expired, by age, size and name", async () => {
    for (const [i, text] of ["", "", "x".repeat(2_000), "x".repeat(20_000)].entries()) {
      await save(`user${i}`, text);
    }
    const [first, second] = await collection.find().toArray();
    const [day, hour] = [86_400_000, 3_600_000];
    const created = new Date(Date.now() - 3 * day);
    await collection.updateOne({ _id: first?._id ?? {} }, { $set: { created, name: "other" } });
    // The monitor removes what has expired within a second: this one stands out by what it lacks.
    await collection.dropIndex("expires_1");
    const expires = new Date(Date.now() - hour);
    await collection.updateOne({ _id: second?._id ?? {} }, { $set: { expires } });
    await collection.insertOne({ not: "a session" });

    const { code, out } = await run(["stats", "--json"], { SESSION_KEY: "" });
    assert.equal(code, 0);
    const stats = JSON.parse(out);
    const counts = (groups: readonly { count: number }[]) => groups.map((group) => group.count);
    assert.deepEqual(counts([stats.live, stats.expired, stats.other]), [3, 1, 1]);
    assert.deepEqual(counts(stats.byAge), [2, 0, 1, 0, 0]);
    assert.deepEqual(counts(stats.bySize), [0, 1, 1, 0, 1, 0]);
    assert.deepEqual(
      stats.byName.map(({ name, count }: { name: string; count: number }) => [name, count]),
      [["session", 2], ["other", 1]],
    );
    const [{ size = 0 } = {}] = await collection.aggregate([
      { $match: { name: { $exists: true }, expires: { $gt: new Date() } } },
      { $group: { _id: null, size: { $sum: { $bsonSize: "$$ROOT" } } } },
    ]).toArray();
    assert.equal(stats.live.bytes, size);

    const shown = (await run(["stats"])).out;
    assert.match(shown, /^living +3 +\d+\.\d KiB$/m);
    assert.match(shown, /^expired +1 /m);
    assert.match(shown, /^no sessions +1 /m);
    assert.match(shown, /^under 1 hour +2 .*█{30}$/m);
    assert.match(shown, /^1 to 7 days +1 .*[^█]█{15}$/m);
  });

  it("shows an empty collection as such", async () => {
    const { code, out } = await run(["stats"]);
    assert.equal(code, 0);
    assert.match(out, /^living +0 +0 B$/m);
  });
});

describe("list and revoke", () => {
  it("show the sessions of one user, last used first, as a table and as lines of JSON", async () => {
    const [older, newer] = [await save("ann"), await save("ann")];
    await save("bob");
    const { code, out } = await run(["list", "ann", "--json"]);
    assert.equal(code, 0);
    const lines = out.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(lines.map(({ handle }) => handle), [newer, older]);
    assert.deepEqual(lines[0].meta, { device: "ann's phone" });
    const table = (await run(["list", "ann"])).out;
    assert.match(
      table,
      new RegExp(`^${newer} +session +[\\d :-]+\\{"device":"ann's phone"\\}$`, "m"),
    );
    assert.equal((await run(["list", "ann", "--limit", "1"])).out.split("\n").length, 3);
    const none = await run(["list", "carol"]);
    assert.deepEqual([none.code, none.out], [0, ""]);
  });

  it("take the end of one session, and only of that user", async () => {
    const [one, other] = [await save("ann"), await save("ann")];
    assert.equal((await run(["revoke", "bob", "--handle", one])).code, 1);
    const { code, out } = await run(["revoke", "ann", "--handle", one, "--json"]);
    assert.deepEqual([code, JSON.parse(out)], [0, { revoked: 1 }]);
    assert.equal((await run(["revoke", "ann", "--handle", one])).code, 1);
    assert.match((await run(["list", "ann"])).out, new RegExp(other));
  });

  it("take the end of all, or of all but one, without any key", async () => {
    const kept = await save("ann");
    await save("ann");
    await save("bob");
    const none = { SESSION_KEY: "" };
    const first = await run(["revoke", "ann", "--all", "--except", kept, "--json"], none);
    assert.deepEqual(JSON.parse(first.out), { revoked: 1 });
    const second = await run(["revoke", "ann", "--all"], none);
    assert.equal(second.out, "1 session ended\n");
    assert.equal(await collection.countDocuments({ subject: "bob" }), 1);
  });

  it("end nothing without being told which", async () => {
    await save("ann");
    for (const args of [[], ["--all", "--handle", "x"], ["--handle", "x", "--except", "y"]]) {
      assert.equal((await run(["revoke", "ann", ...args])).code, 2);
    }
    assert.equal(await collection.countDocuments(), 1);
  });

  it("keep control characters of what was stored away from the terminal", async () => {
    const handle = await save("ann");
    await collection.updateOne({}, { $set: { name: "\u001B[2Jgone\u0007" } });
    const { out } = await run(["list", "ann"]);
    assert.ok(out.includes(handle));
    assert.ok(!out.includes("\u001B") && !out.includes("\u0007"));
  });
});

describe("rekey", () => {
  it("protects everything with the first key, tells how far it is, and takes keys from a file", async () => {
    for (let i = 0; i < 20; i++) await save("ann");
    const newest = generateKey();
    const file = join(folder, "keys.txt");
    writeFileSync(file, `${newest}\n${key}\n`);
    const { code, out, err } = await run(["rekey", "--keys-file", file, "--batch", "2", "--json"]);
    assert.equal(code, 0);
    const { last, ...counts } = JSON.parse(out);
    assert.deepEqual(counts, { seen: 20, resealed: 20, unopened: 0, overtaken: 0 });
    assert.equal(last.length, 27);
    assert.match(err, /50% {2}10 of 20 looked at, \d+ a second\n/);
    for (const secret of [key, newest]) assert.ok(!`${out}${err}`.includes(secret));
    assert.match((await run(["list", "ann"], { SESSION_KEY: newest })).out, /ann's phone/);
  });

  it("finds what opens with none of the keys, and leaves it", async () => {
    await save("ann");
    const stored = await collection.find().toArray();
    const { code, out } = await run(["rekey"], { SESSION_KEY: generateKey() });
    assert.equal(code, 1);
    assert.match(out, /1 open with none of these keys/);
    assert.deepEqual(await collection.find().toArray(), stored);
  });

  it("needs keys, and good ones", async () => {
    const none = await run(["rekey", "--json"], { SESSION_KEY: "" });
    assert.equal(none.code, 2);
    assert.equal(JSON.parse(none.out).error.code, "USAGE");
    const weak = await run(["rekey", "--json"], { SESSION_KEY: "short" });
    assert.equal(weak.code, 1);
    assert.equal(JSON.parse(weak.out).error.code, "WEAK_KEY");
  });
});

describe("the command line", () => {
  it("teaches: each command's help has its options, and examples", async () => {
    const overview = await start(["--help"]);
    assert.equal(overview.code, 0);
    for (const name of COMMANDS) {
      assert.match(overview.out, new RegExp(`^ {2}${name} `, "m"));
      const { code, out } = await start([name, "--help"]);
      assert.equal(code, 0);
      assert.match(out, new RegExp(`^mongostore ${name}`));
      assert.match(out, /^Examples:\n\n {2}/m);
      assert.match(out, /--json/);
      assert.equal((await start(["help", name])).out, out);
    }
  });

  it("has the version of the package", async () => {
    const { version } = JSON.parse(
      readFileSync(new URL("../../package.json", import.meta.url), "utf8"),
    );
    assert.equal((await start(["--version"])).out, `${version}\n`);
  });

  it("answers misuse with 2 and a word on what is wrong", async () => {
    const cases: readonly (readonly [args: readonly string[], says: RegExp, env?: Env])[] = [
      [["frobnicate"], /no such command/],
      [["stats", "--frobnicate"], /no option --frobnicate/],
      [["stats", "more"], /more on the line/],
      [["list"], /it needs <subject>/],
      [["stats"], /MONGODB_URI/, { MONGODB_URI: "" }],
      [["stats"], /begins with mongodb:/, { MONGODB_URI: "localhost" }],
      [["stats", "--uri-file", join(folder, "absent")], /--uri-file cannot be read/],
      [["stats", "--timeout", "soon"], /--timeout takes a whole number/],
      [["list", "ann", "--data", "rot13"], /--data takes sealed or signed or plain/],
      [["import", "redis"], /connect-mongo or kidstuff/],
    ];
    for (const [args, says, env = {}] of cases) {
      const { MONGODB_URI = "mongodb://127.0.0.1:1/x" } = env;
      const { code, err } = await start([...args], { MONGODB_URI, SESSION_KEY: key });
      assert.equal(code, 2, args.join(" "));
      assert.match(err, says);
    }
  });

  it("answers an outage with 1, and shows neither password nor key", async () => {
    const password = "p%40ssw0rd-of-ours";
    const file = join(folder, "uri.txt");
    const uri = `mongodb://app:${password}@127.0.0.1:1/shop`;
    writeFileSync(file, `${uri}\n`);
    for (
      const [args, env] of [
        [["stats"], { MONGODB_URI: uri }],
        [["stats", "--json"], { MONGODB_URI: uri }],
        [["stats", "--uri-file", file], {}],
        [["rekey", "--json", `--uri-file=${file}`], {}],
        [["doctor"], { MONGODB_URI: uri }],
      ] as const
    ) {
      const { code, out, err } = await start([...args, "--timeout", "200"], {
        SESSION_KEY: key,
        ...env,
      });
      assert.equal(code, 1);
      assert.match(out + err, /ECONNREFUSED/);
      for (const secret of [password, decodeURIComponent(password), key]) {
        assert.ok(!(out + err).includes(secret), args.join(" "));
      }
    }
  });

  it("keeps a secret that is typed where none belongs off the screen", async () => {
    const typed = "mongodb://app:hunter2-of-ours@db.example/shop";
    for (
      const args of [["stats", typed], ["stats", `--uri=${typed}`], [typed], [
        "stats",
        "--json",
        typed,
      ]]
    ) {
      const { code, out, err } = await start(args);
      assert.equal(code, 2);
      assert.ok(!(out + err).includes("hunter2-of-ours"));
    }
  });

  it("says what to do where the driver is not installed", async () => {
    const root = fileURLToPath(new URL("../../", import.meta.url));
    const alone = join(folder, "node_modules", "mongostore");
    mkdirSync(alone, { recursive: true });
    cpSync(dirname(CLI), join(alone, "dist"), { recursive: true });
    for (const name of ["@oslojs", "devalue"]) {
      cpSync(join(root, "node_modules", name), join(folder, "node_modules", name), {
        recursive: true,
      });
    }
    cpSync(join(root, "package.json"), join(alone, "package.json"));
    const { spawnSync } = await import("node:child_process");
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(alone, "dist", "cli.js"), "stats"],
      { cwd: folder, encoding: "utf8", env: { MONGODB_URI: "mongodb://127.0.0.1:1/x" } },
    );
    assert.equal(status, 2);
    assert.match(stderr, /driver is not installed.*\n {2}npm install mongodb/);
    // In a project that has one, that one is taken.
    const { status: found, stderr: said } = spawnSync(
      process.execPath,
      [join(alone, "dist", "cli.js"), "stats", "--timeout=200"],
      { cwd: root, encoding: "utf8", env: { MONGODB_URI: "mongodb://127.0.0.1:1/x" } },
    );
    assert.equal(found, 1);
    assert.match(said, /ECONNREFUSED/);
  });

  it("moves a bar where somebody watches", async () => {
    for (let i = 0; i < 5; i++) await save("ann");
    let err = "";
    const terminal: Terminal = {
      env: { MONGODB_URI: process.env["MONGODB_URI"] ?? "", SESSION_KEY: key },
      isWatched: true,
      out: () => {},
      err: (text) => void (err += text),
    };
    const place = [`--db=${db.databaseName}`, `--collection=${collection.collectionName}`];
    assert.equal(await main(["rekey", ...place], terminal, "0.0.0"), 0);
    assert.match(err, /^\r[█░]{24} 100% {2}5 of 5 looked at, \d+ a second/);
    assert.match(err, /\n$/);
  });
});

describe("on the other runtimes the command line works the same", () => {
  for (const [name, ...runtime] of [["Bun", "bun"], ["Deno", "deno", "run", "-A"]]) {
    it(`on ${name}`, async () => {
      const handle = await save("ann");
      const env = { MONGODB_URI: process.env["MONGODB_URI"] ?? "", SESSION_KEY: key };
      const place = [`--db=${db.databaseName}`, `--collection=${collection.collectionName}`];
      const on = (...args: readonly string[]) => start([...args, ...place], env, runtime);
      assert.match((await start(["keygen"], {}, runtime)).out, /^[\w-]{43}\n$/);
      const examined = await on("doctor", "--json");
      assert.equal(JSON.parse(examined.out).healthy, true, examined.err);
      assert.equal(JSON.parse((await on("stats", "--json")).out).live.count, 1);
      assert.equal(JSON.parse((await on("list", "ann", "--json")).out).handle, handle);
      assert.equal(JSON.parse((await on("rekey", "--json")).out).seen, 1);
      const source = db.collection<{ _id: string; session: string }>(`old_${name}`);
      await source.insertOne({ _id: "old-id", session: '{"n":1}' });
      const copied = await on(
        "import",
        "connect-mongo",
        `--source-collection=old_${name}`,
        "--json",
      );
      assert.equal(copied.code, 0);
      assert.equal(JSON.parse(copied.out).added, 1);
      assert.equal((await on("revoke", "ann", "--all")).code, 0);
      assert.equal((await on("revoke", "ann")).code, 2);
    });
  }
});
