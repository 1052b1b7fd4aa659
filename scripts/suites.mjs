// Which test files there are, by how they have to be run.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../", import.meta.url));

/** These have steps or scripts of their own. */
const APART =
  /^tests\/(browser\/|cli\/|faults\/|go\/|mutants\/|package\/|published\/|docs\.test\.ts$)/;

/** Every suite that runs on every runtime. */
export function suites() {
  return testFiles("tests").filter((file) => !APART.test(file));
}

/** Suites of what the package exports: all they know of src is the name "#mongostore". */
export function publicSuites() {
  return suites().filter((file) => {
    const imports = importsOf(file);
    return imports.has("#mongostore") && ![...imports].some((path) => path.startsWith("src/"));
  });
}

export function faultSuites() {
  return testFiles("tests/faults");
}

/** Suites of the command line, which start it as a process. */
export function cliSuites() {
  return testFiles("tests/cli");
}

/** Suites that look at the demo in a real browser. */
export function browserSuites() {
  return testFiles("tests/browser");
}

/** Suites that break the source on purpose, to see the others go red. */
export function mutantSuites() {
  return testFiles("tests/mutants");
}

function testFiles(folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `${folder}/${name.split(sep).join("/")}`)
    .toSorted();
}

/** What a file imports, itself and by way of other test files: paths from the root, other names as they are. */
function importsOf(file, found = new Set()) {
  const text = readFileSync(join(root, file), "utf8");
  for (const [, name] of text.matchAll(/^(?:import|export)\b[\w\s{},*$]*?"([^"]+)"/gm)) {
    const path = name.startsWith(".") ? join(dirname(file), name).split(sep).join("/") : name;
    if (found.has(path)) continue;
    found.add(path);
    if (path.startsWith("tests/")) importsOf(path, found);
  }
  return found;
}
