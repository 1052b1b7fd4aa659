import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { type Db, MongoClient } from "mongodb";
import { createMongoStore, generateKey } from "#mongostore";
import { rawValue, securecookie } from "#mongostore/securecookie";
import { CLI } from "./command-line.ts";

// Each command of docs/cli.md runs, in the order of the page, and prints what the page shows.

const page = readFileSync(new URL("../../docs/cli.md", import.meta.url), "utf8");
const folder = mkdtempSync(join(tmpdir(), "mongostore-docs-"));
const key = generateKey();
let client: MongoClient;
let db: Db;

interface Example {
  readonly line: number;
  readonly command: string;
  readonly output: string;
}

before(async () => {
  const server = process.env["MONGODB_URI"] ?? "";
  client = await MongoClient.connect(server);
  db = client.db(`shop_${crypto.randomUUID().slice(0, 8)}`);
  const store = await createMongoStore(db.collection("sessions"), { keys: [key] });
  for (const [subject, device] of [["ann", "laptop"], ["ann", "phone"], ["bob", "phone"]]) {
    const request = new Request("https://shop.example/");
    const session = await store.get(request);
    Object.assign(session, { subject, meta: { device } });
    session.values["text"] = "x".repeat(300);
    await store.save(request, new Headers(), session);
  }
  await store.close();
  const old = db.collection<{ _id: string; session: string }>("express_sessions");
  await old.insertMany(Array.from({ length: 40 }, (_, i) => ({
    _id: `id${i}`,
    session: JSON.stringify({ cookie: {}, userId: i }),
  })));
  const raw = securecookie("secret-key", undefined, { serializer: rawValue });
  const data = await raw.encode("session-key", new TextEncoder().encode("{}"));
  await db.collection("test_session").insertMany(
    Array.from({ length: 5 }, () => ({ data, modified: new Date() })),
  );
  // What the page calls npx is what was built.
  writeFileSync(
    join(folder, "npx"),
    `#!/bin/sh\nshift\nexec "${process.execPath}" "${CLI}" "$@"\n`,
    {
      mode: 0o755,
    },
  );
});
after(async () => {
  await db?.dropDatabase();
  await client?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe("docs/cli.md shows what is printed", () => {
  let exports = "";
  for (const { line, command, output } of examplesOf(page)) {
    it(`line ${line}: ${command}`, () => {
      if (command.startsWith("export ")) exports += `${command}\n`;
      const server = new URL(process.env["MONGODB_URI"] ?? "");
      server.pathname = `/${db.databaseName}`;
      const { stdout, stderr, status } = spawnSync("sh", ["-c", `${exports}${command}`], {
        cwd: folder,
        encoding: "utf8",
        env: {
          PATH: `${folder}${delimiter}${process.env["PATH"]}`,
          MONGODB_URI: server.href,
          SESSION_KEY: key,
        },
      });
      assert.ok(status === 0 || status === 1, stderr);
      assert.equal(outline(stdout), outline(output), stderr);
    });
  }

  it("has a section for each command", () => {
    for (const name of ["keygen", "doctor", "stats", "list", "revoke", "rekey", "import"]) {
      assert.match(page, new RegExp(`^## ${name}$`, "m"));
    }
  });
});

/** The commands of the page's console blocks, each with the lines that follow it. */
function examplesOf(text: string): Example[] {
  const examples: { line: number; command: string; output: string }[] = [];
  let inside = false;
  for (const [i, row] of text.split("\n").entries()) {
    if (row.startsWith("```")) inside = row === "```console";
    else if (inside && row.startsWith("$ ")) {
      examples.push({ line: i + 1, command: row.slice(2), output: "" });
    } else if (inside) {
      const example = examples.at(-1);
      if (example) example.output += `${row}\n`;
    }
  }
  assert.ok(examples.length > 10);
  return examples;
}

/** A text without what is different each time: keys, handles, numbers, and the widths that follow from them. */
function outline(text: string): string {
  return text
    .replaceAll(/shop_\w+/g, "shop")
    .replaceAll(/\b[\w-]{43}(?=\n)/g, "KEY")
    .replaceAll(/(?<![\w-])[\w-]{27}(?![\w-])/g, "HANDLE")
    .replaceAll(/\d[\d,.]*/g, "0")
    .replaceAll(/█+/g, "█")
    .replaceAll(/ +/g, " ");
}
