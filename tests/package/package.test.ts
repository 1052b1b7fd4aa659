import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));
const { devDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const project = mkdtempSync(join(tmpdir(), "mongostore-package-"));
const tsc = join(project, "node_modules", ".bin", "tsc");

const STRICT = {
  module: "NodeNext",
  target: "ES2022",
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: false,
};

describe("the packed package", () => {
  let files: string[];

  before(() => {
    const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", project], {
      cwd: root,
    });
    const [{ filename, files: entries }] = JSON.parse(packed.toString());
    files = entries.map(({ path }: { path: string }) => path);
    writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
    const peers = ["mongodb", "typescript", "@types/node"].map((name) =>
      `${name}@${devDependencies[name]}`
    );
    const options = ["--prefer-offline", "--no-audit", "--no-fund", "--no-package-lock"];
    execFileSync("npm", ["install", ...options, `./${filename}`, ...peers], { cwd: project });
    cpSync(new URL("consumer/", import.meta.url), project, { recursive: true });
  });
  after(() => rmSync(project, { recursive: true, force: true }));

  it("has what was built, its source and its license, and nothing else", () => {
    for (const file of ["dist/index.js", "dist/index.d.ts", "src/index.ts", "LICENSE"]) {
      assert.ok(files.includes(file), file);
    }
    const others = files.filter((file) =>
      !/^(dist|src)\/|^(LICENSE|README\.md|package\.json)$/.test(file)
    );
    assert.deepEqual(others, []);
  });

  it("brings the command line", () => {
    const command = join(project, "node_modules", ".bin", "mongostore");
    assert.match(succeed([command, "keygen"]), /^[\w-]{43}\n$/);
    assert.match(succeed([command, "--help"]), /^mongostore: /);
  });

  it("type-checks in a project that has the types of Node only", () => {
    typeCheck("node", {
      compilerOptions: { ...STRICT, lib: ["ES2023"], types: ["node"] },
      files: ["types.ts", "program.ts"],
    });
  });

  it("type-checks in a project that has the DOM library only", () => {
    typeCheck("dom", {
      compilerOptions: {
        ...STRICT,
        lib: ["ES2023", "DOM", "DOM.Iterable"],
        types: [],
        noEmit: true,
      },
      files: ["types.ts"],
    });
  });

  for (
    const [runtime, ...command] of [
      ["Node", "node"],
      ["Bun", "bun"],
      ["Deno", "deno", "run", "--no-check", "--allow-net", "--allow-env", "--allow-sys"],
    ]
  ) {
    it(`keeps sessions on ${runtime}, in memory and in MongoDB`, () => {
      assert.match(succeed([...command, "program.js"]), /both stores work/);
    });
  }
});

/** Type-checks; the JavaScript it writes is what the runtimes run. */
function typeCheck(name: string, config: object): void {
  const path = `tsconfig.${name}.json`;
  writeFileSync(join(project, path), JSON.stringify(config));
  succeed([tsc, "-p", path]);
}

function succeed([command = "", ...args]: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: project,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
  if (status !== 0) assert.fail(`${command} exited with ${status}\n${stdout}${stderr}`);
  return stdout;
}
