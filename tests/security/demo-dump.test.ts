// SECURITY.md section 1, reading the database: what a dump holds after a walk through the demo as it is started for people.
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { BSON, MongoClient } from "mongodb";
import { generateKey } from "#mongostore";
import { RUNTIME } from "../support/runtime.ts";
import { shownForms, tracesIn } from "./traces.ts";

const DEMO = fileURLToPath(new URL("../../examples/demo.ts", import.meta.url));
const DEVICE = "a browser that nobody else has";

/** Starts the demo on a free port; gives its address. */
async function start(key: string) {
  const child = spawn(process.execPath, ["--import", "tsx", DEMO], {
    env: { ...process.env, SESSION_KEY: key, PORT: "0" },
    stdio: ["ignore", "pipe", "inherit"],
  });
  let said = "";
  for await (const chunk of child.stdout) {
    said += String(chunk);
    const address = /^http:\S+/.exec(said)?.[0];
    if (address !== undefined && said.includes("\n")) return { address, child };
  }
  throw new Error(`the demo did not start: ${said}`);
}

const skip = RUNTIME === "node"
  ? false
  : "it starts a program, which one runtime's run is enough for";

it("a dump after the demo's whole walk holds none of its tokens, ids, messages, labels or keys", {
  skip,
}, async () => {
  const client = await MongoClient.connect(process.env["MONGODB_URI"] ?? "");
  const collection = client.db("demo").collection("sessions");
  await client.db("demo").dropDatabase();
  const key = generateKey();
  const { address, child } = await start(key);
  const secrets = new Map<string, string | Uint8Array>([["key", key], ["device", DEVICE]]);
  const dumps: string[] = [];
  let cookie = "";
  let token = "";

  const note = (what: string, presented: string) => {
    const bytes = Buffer.from(presented, "base64url");
    secrets.set(`token, ${what}`, presented);
    secrets.set(`id, ${what}`, bytes.subarray(14, 34)); // behind the version, key id, times: the random part
    secrets.set(`seal, ${what}`, bytes.subarray(34));
  };
  const call = async (method: string, path: string, body?: string | URLSearchParams) => {
    const headers = new Headers({ "user-agent": DEVICE });
    if (cookie) headers.set("cookie", `page=${cookie}`);
    if (token) headers.set("authorization", `Bearer ${token}`);
    const init = body === undefined ? { method, headers } : { method, headers, body };
    const response = await fetch(new URL(path, address), { ...init, redirect: "manual" });
    const set = response.headers.getSetCookie().map((one) => /^page=([^;]*)/.exec(one)?.[1]);
    for (const one of set) {
      if (one) note(`cookie at ${method} ${path}`, one);
      cookie = one ?? cookie;
    }
    const issued = response.headers.get("x-session-token");
    if (issued) note(`header at ${method} ${path}`, issued);
    token = issued ?? token;
    const link = new URL(response.headers.get("location") ?? "/", address).searchParams.get("link");
    if (link) note("link", link);
    for (const document of await collection.find().toArray()) {
      dumps.push(BSON.EJSON.stringify(document), shownForms(BSON.serialize(document)));
    }
    return {
      status: response.status,
      text: await response.text(),
      location: response.headers.get("location"),
    };
  };

  try {
    assert.match((await call("GET", "/")).text, /Visits in this session: <b>1</);
    await call("POST", "/flash");
    secrets.set("message", "This message is shown once.");
    assert.equal((await call("POST", "/login", new URLSearchParams({ user: "ann" }))).status, 303);
    secrets.set("welcome", "Your session has a new id.");
    assert.match((await call("GET", "/")).text, /Your session has a new id/);
    assert.equal((await call("POST", "/api/login", JSON.stringify({ user: "ben" }))).status, 200);
    assert.match((await call("GET", "/api/me")).text, /"user":"ben"/);
    const { location } = await call("POST", "/link");
    assert.ok(location);
    assert.match((await call("GET", location)).text, /opened <b>1</);
    await call("POST", "/api/logout");
    await call("POST", "/logout");
    assert.equal((await call("GET", "/api/me")).status, 401);
    assert.equal([...secrets.keys()].filter((what) => what.startsWith("token")).length >= 4, true);
    assert.ok(dumps.length > 10, `${dumps.length}`);
    assert.deepEqual(tracesIn(dumps.join("\n"), Object.fromEntries(secrets)), []);
  } finally {
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    await exited;
    await client.db("demo").dropDatabase();
    await client.close();
  }
});
