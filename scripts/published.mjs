// node scripts/published.mjs
// Vectors and cases that others published, against our codecs and transports, on every runtime. They are fetched by the hash
// of what they were when this was written, and none of them is part of this project:
//
//   WYCHEPROOF  the folder of C2SP/wycheproof, a Go module; left out with a word where there is no Go
//   HTTP_STATE  the cases of the IETF's http-state group, in an early release of tough-cookie
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { install } from "./install.mjs";
import { run } from "./run.mjs";

const WYCHEPROOF = {
  module: "github.com/C2SP/wycheproof@v0.0.0-20250901140545-b51abcfb8daf",
  sum: "h1:5BKKVVVj676FUWirLcouEEL6GCYR9X0opkMlEUck8FY=",
};

const HTTP_STATE = {
  package: "tough-cookie@2.0.0",
  file: "tough-cookie-2.0.0.tgz",
  sha512:
    "qYeH1zA+4+36nVi2waxBoFcbL54iInWYs6NuMQztwijcfhPZqeCm/fjRkDrnEtkYzOIh19SkKrjs5A+VDx+5sA==",
  cases: "package/test/ietf_data/parser.json",
};

const RUNTIMES = [
  ["node", "--import", "tsx", "--test"],
  ["bun", "test"],
  ["deno", "test", "--no-check", "--allow-env", "--allow-sys", "--allow-read"],
];

install();
const folder = mkdtempSync(join(tmpdir(), "mongostore-published-"));
try {
  const files = ["./tests/published/http-state.test.ts"];
  const env = { HTTP_STATE: httpState(folder) };
  const wycheproof = wycheproofOf(folder);
  if (wycheproof === undefined) {
    console.log("skipped: Go, which fetches Wycheproof, is not installed here (https://go.dev/dl)");
  } else {
    files.push("./tests/published/wycheproof.test.ts");
    env.WYCHEPROOF = wycheproof;
  }
  for (const command of RUNTIMES) {
    const code = await run([...command, ...files], env);
    if (code !== 0) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true });
}

/** The path of the cases. */
function httpState(cwd) {
  output("npm", ["pack", "--silent", HTTP_STATE.package], cwd);
  const found = createHash("sha512").update(readFileSync(join(cwd, HTTP_STATE.file)));
  expectHash(HTTP_STATE.package, found.digest("base64"), HTTP_STATE.sha512);
  output("tar", ["-xzf", HTTP_STATE.file, HTTP_STATE.cases], cwd);
  return join(cwd, HTTP_STATE.cases);
}

/** The folder of the module; undefined without Go. */
function wycheproofOf(cwd) {
  if (spawnSync("go", ["version"]).status !== 0) return undefined;
  const { Dir, Sum } = JSON.parse(
    output("go", ["mod", "download", "-json", WYCHEPROOF.module], cwd),
  );
  expectHash(WYCHEPROOF.module, Sum, WYCHEPROOF.sum);
  return Dir;
}

function expectHash(what, found, expected) {
  if (found !== expected) throw new Error(`${what} has the hash ${found}, not ${expected}`);
}

function output(command, args, cwd) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    shell: process.platform === "win32", // npm is a .cmd file there
  });
  if (status === 0) return stdout;
  throw new Error(`${command} ${args[0]} failed: ${error?.message ?? (stderr || stdout).trim()}`);
}
