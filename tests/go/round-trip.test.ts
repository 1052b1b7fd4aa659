import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import process from "node:process";
import test from "node:test";
import {
  gobString,
  rawValue,
  type SecureCookie,
  securecookie,
  type SecureCookieOptions,
} from "../../src/codec/securecookie.ts";

// scripts/go.mjs (npm run test:go) builds main.go and says where it is.
const program = process.env["GO_SECURECOOKIE"];

interface Job {
  readonly name: string;
  readonly hash: "sha256" | "sha512";
  readonly hashKey: string;
  readonly blockKey: string;
  readonly serializer: "json" | "nop" | "gob-string" | "json-session" | "gob-session";
  readonly value?: unknown;
  readonly text?: string;
}
interface Result {
  readonly value: unknown;
  readonly text: string;
  readonly error: string;
}

function go(asked: readonly Job[]): Result[] {
  const { stdout, stderr, status } = spawnSync(program ?? "", [], {
    input: JSON.stringify(asked),
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout);
}

function hex(length: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(length))).toString("hex");
}

const TEXT = 'βeta <&> 😀 \u2028\u2029 \u0000\u001f"\\/';
const values = {
  "json": [null, true, 0, -1.5, 1e21, 1e-7, 2 ** 53, TEXT, [], {}, { a: [1, { b: TEXT }] }],
  "nop": ["00", "7c7c7c", hex(200)],
  "gob-string": ["", "d5621744765448bbfb14fd31", TEXT, "x".repeat(127), "x".repeat(1000)],
} as const;

/** Every combination of keys, hashes and values. */
function jobs(): Job[] {
  const made: Job[] = [];
  for (const serializer of ["json", "nop", "gob-string"] as const) {
    for (const value of values[serializer]) {
      for (const hash of ["sha256", "sha512"] as const) {
        for (const block of [0, 16, 24, 32]) {
          for (const length of [1, 10, 32, 64, 129]) {
            const keys = { hashKey: hex(length), blockKey: hex(block) };
            made.push({ name: `name-${length}`, hash, ...keys, serializer, value });
          }
        }
      }
    }
  }
  return made;
}

/** The codec of a job, with values as the job spells them. */
function codecOf(job: Job): SecureCookie<unknown> {
  const hashKey = Buffer.from(job.hashKey, "hex");
  const blockKey = job.blockKey === "" ? undefined : Buffer.from(job.blockKey, "hex");
  const options: SecureCookieOptions = { hash: job.hash };
  if (job.serializer === "json") return securecookie(hashKey, blockKey, options);
  const serializer = job.serializer === "nop" ? hexBytes : anyText;
  return securecookie(hashKey, blockKey, { ...options, serializer });
}

const hexBytes = {
  serialize: (value: unknown) => rawValue.serialize(Buffer.from(String(value), "hex")),
  deserialize: (bytes: Uint8Array): unknown => Buffer.from(bytes).toString("hex"),
};
const anyText = {
  serialize: (value: unknown) => gobString.serialize(String(value)),
  deserialize: (bytes: Uint8Array<ArrayBuffer>): unknown => gobString.deserialize(bytes),
};

const options = { skip: program ? false : "npm run test:go runs this" };

test("what Go writes opens here", options, async () => {
  const asked = jobs();
  for (const [i, { text, error }] of go(asked).entries()) {
    const job = asked[i];
    assert.ok(job);
    assert.equal(error, "");
    const opened = await codecOf(job).decode(job.name, text);
    assert.deepEqual(opened, { ok: true, value: job.value });
    assert.equal((await codecOf(job).decode("other", text)).ok, false);
  }
});

test("what is written here opens in Go", options, async () => {
  const asked = await Promise.all(
    jobs().map(async (job) => ({ ...job, text: await codecOf(job).encode(job.name, job.value) })),
  );
  for (const [i, { value, error }] of go(asked).entries()) {
    assert.equal(error, "");
    assert.deepEqual(value, asked[i]?.value);
  }
  const altered = asked.map((job) => ({ ...job, name: "other" }));
  for (const { error } of go(altered)) assert.equal(error, "securecookie: the value is not valid");
});

test("both sides write the same bytes where nothing is random", options, async () => {
  const asked = jobs().filter((job) => job.blockKey === "");
  for (const [i, { text }] of go(asked).entries()) {
    const job = asked[i];
    assert.ok(job);
    const issued = Number(Buffer.from(text, "base64url").toString("latin1").split("|")[0]);
    assert.equal(await codecOf(job).encode(job.name, job.value, issued * 1000), text);
  }
});

test(
  "the Go serializer of docs/migrating.md writes JSON and still reads gobs",
  options,
  async () => {
    const shared = {
      name: "session-key",
      hash: "sha256",
      hashKey: hex(32),
      blockKey: hex(32),
    } as const;
    const value = { user: "ann", count: 3, name: TEXT };
    const [session, id, gob] = go([
      { ...shared, serializer: "json-session", value },
      { ...shared, serializer: "json-session", value: "d5621744765448bbfb14fd31" },
      { ...shared, serializer: "gob-session", value },
    ]);
    assert.ok(session && id && gob);
    const here = codecOf({ ...shared, serializer: "json" });
    assert.deepEqual(await here.decode("session-key", session.text), { ok: true, value });
    assert.deepEqual(await here.decode("session-key", id.text), {
      ok: true,
      value: "d5621744765448bbfb14fd31",
    });
    const [read] = go([{ ...shared, serializer: "json-session", text: gob.text }]);
    assert.deepEqual(read, { value, text: "", error: "" });
  },
);
