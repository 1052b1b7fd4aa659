// Installs what is missing. Versions in devDependencies are exact, so "missing" is a comparison with
// what node_modules holds; the ranges of our runtime dependencies only have to be there.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

const root = new URL("../", import.meta.url);

export function install() {
  const { dependencies, devDependencies } = readManifest("package.json");
  const missing = Object.entries({ ...dependencies, ...devDependencies })
    .filter(([name, wanted]) => !isInstalled(name, wanted))
    .map(([name]) => name);
  if (missing.length === 0) return;

  console.error(`installing ${missing.join(", ")}`);
  const { status, error } = spawnSync("npm", ["install", "--no-audit", "--no-fund"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32", // npm is a .cmd file there
  });
  if (status !== 0) {
    throw new Error(
      `npm install failed (${error?.message ?? `exit code ${status}`}): see its own message above`,
    );
  }
}

/** `wanted` is "1.2.3", "^1.2.3" or "npm:other-name@1.2.3". */
function isInstalled(name, wanted) {
  const version = wanted.slice(wanted.lastIndexOf("@") + 1);
  try {
    const installed = readManifest(`node_modules/${name}/package.json`).version;
    return installed === version || !/^\d/.test(version);
  } catch {
    return false;
  }
}

function readManifest(path) {
  return JSON.parse(readFileSync(new URL(path, root), "utf8"));
}
