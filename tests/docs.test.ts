import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { docstringBlocks, markdownBlocks } from "./docs/blocks.ts";
import type { Block, Runtime } from "./docs/blocks.ts";

const root = fileURLToPath(new URL("../", import.meta.url));
const folder = ".docs-blocks";

const RUNNERS: Record<Runtime, readonly string[]> = {
  node: ["node", "--import", "tsx"],
  bun: ["bun"],
  deno: ["deno", "run", "--no-check", "--allow-net", "--allow-env", "--allow-sys", "--allow-read"],
};

/** Blocks with something wrong at a known line: were they to pass, so would everything. */
const PLANTED = markdownBlocks(
  "planted.md",
  [
    "```ts",
    "const wrong: string = request.method.length;", // line 2
    "```",
    "```ts deno",
    "const wrong: string = Deno.pid;", // line 5
    "throw new Error('planted');", // line 6
    "```",
    "```ts bun",
    "Bun.serve({ port: 80, fetch: () => new Response(null, { status: 500 }) });", // line 9
    "```",
    "```ts run",
    "if (db.databaseName) throw new Error('planted');", // line 12
    "```",
  ].join("\n"),
);

const documents = ["README.md", ...filesOf("docs", ".md")];
const documented = [
  ...documents.flatMap((file) => markdownBlocks(file, read(file))),
  ...filesOf("src", ".ts").flatMap((file) => docstringBlocks(file, read(file))),
].filter(({ language }) => language === "ts" || language === "typescript");

let typeErrors: ReadonlyMap<Block, string>;
let runErrors: ReadonlyMap<Block, string>;

before(async () => {
  assert.ok(process.env["MONGODB_URI"], "MONGODB_URI is not set: npm run test:docs sets it");
  const blocks = [...documented, ...PLANTED];
  writeModules(blocks);
  const checks = Promise.all([typeCheck(blocks), denoCheck(blocks)]);
  const runs = Promise.all([run("node", blocks), run("bun", blocks), run("deno", blocks)]);
  typeErrors = new Map((await checks).flat());
  runErrors = new Map((await runs).flat());
});

describe("a TypeScript block", () => {
  for (const block of documented) {
    it(`${place(block)} type-checks`, () => failOn(typeErrors.get(block)));
    if (block.runtime === undefined) continue;
    it(`${place(block)} runs on ${block.runtime}`, () => failOn(runErrors.get(block)));
  }
});

describe("a command in the documentation exists", () => {
  const { scripts } = JSON.parse(read("package.json"));
  const commands = /\b(?:npm run|bun run|deno task|node(?= scripts\/)) ([\w:./-]*\w)/g;
  for (const file of [...documents, "CONTRIBUTING.md"]) {
    it(`in ${file}`, () => {
      for (const [command, name = ""] of read(file).matchAll(commands)) {
        assert.ok(name in scripts || existsSync(join(root, name)), `${file} has "${command}"`);
      }
    });
  }
});

describe("what is wrong with a block is reported", () => {
  const [types, deno, bun, node] = PLANTED as [Block, Block, Block, Block];

  it("with the line of a type error", () => {
    assert.match(typeErrors.get(types) ?? "", /planted\.md:2: .*TS2322/);
    assert.match(typeErrors.get(deno) ?? "", /planted\.md:5: .*TS2322/);
  });
  it("with the line that threw", () => {
    assert.match(runErrors.get(node) ?? "", /planted[\s\S]*planted\.md:12/);
    assert.match(runErrors.get(deno) ?? "", /planted[\s\S]*planted\.md:6/);
  });
  it("when its server fails", () => {
    assert.match(runErrors.get(bun) ?? "", /its server answers with 500/);
  });
  it("in docstrings too, which run unless they are marked", () => {
    const text =
      "/** A.\n * ```ts\n * a;\n * ```\n */\nconst b = '```';\n  /**\n   * ```ts check\n   * c;\n   * ```\n   */";
    assert.deepEqual(docstringBlocks("a.ts", text), [
      { file: "a.ts", line: 2, language: "ts", runtime: "node", code: "a;" },
      { file: "a.ts", line: 8, language: "ts", runtime: undefined, code: "c;" },
    ]);
  });
});

function failOn(error: string | undefined): void {
  if (error !== undefined) assert.fail(error);
}

/**
 * Each block becomes a module whose lines have the numbers that they have in the document. It takes
 * the package from source, and its first line gives it what prelude.ts provides.
 */
function writeModules(blocks: readonly Block[]): void {
  rmSync(join(root, folder), { recursive: true, force: true });
  mkdirSync(join(root, folder));
  for (const block of blocks) {
    const code = block.code.replaceAll(
      /"(@mongostore\/)?mongostore(\/[\w-]+)?"/g,
      '"#mongostore$2"',
    );
    const padding = "\n".repeat(block.line);
    writeFileSync(
      join(root, modulePath(block)),
      `import "../tests/docs/prelude.ts";${padding}${code}\n`,
    );
  }
  const compilerOptions = {
    noPropertyAccessFromIndexSignature: false, // documentation says process.env.SESSION_KEY
    isolatedDeclarations: false,
    declaration: false,
  };
  writeFileSync(
    join(root, folder, "tsconfig.json"),
    JSON.stringify({
      extends: "../tsconfig.json",
      compilerOptions,
      include: ["*.ts"],
      exclude: ["*.deno.ts"],
    }),
  );
}

/** tsc: "path(line,column): error TS2322: message", and more lines that are indented. */
async function typeCheck(blocks: readonly Block[]): Promise<[Block, string][]> {
  const { output } = await capture(["tsc", "--noEmit", "-p", folder, "--pretty", "false"]);
  return blocks.flatMap((block) => {
    const errors = output.split("\n")
      .flatMap((line) => {
        const [, path, number, error] = /^(.+?)\((\d+),\d+\): error (.*)$/.exec(line) ?? [];
        return path === modulePath(block) ? [`${block.file}:${number}: ${error}`] : [];
      });
    return errors.length > 0 ? [[block, errors.join("\n")]] : [];
  });
}

/** Deno: "TS2322 [ERROR]: message", the code, "at file:///path:line:column", and what it belongs to. */
async function denoCheck(blocks: readonly Block[]): Promise<[Block, string][]> {
  const modules = blocks.filter(({ runtime }) => runtime === "deno").map(modulePath);
  const { output } = await capture(["deno", "check", ...modules]);
  const errors = output.split(/^(?=TS\d+ \[ERROR\])/m);
  return blocks.flatMap((block) => {
    const own = errors.flatMap((error) => {
      const [, path, number] = /^ {4}at file:\/\/(.+):(\d+):\d+$/m.exec(error) ?? [];
      const message = error.split("\n", 1)[0];
      return path?.endsWith(`/${modulePath(block)}`) ? [`${block.file}:${number}: ${message}`] : [];
    });
    return own.length > 0 ? [[block, own.join("\n")]] : [];
  });
}

/** One process for all blocks of a runtime. It ends early when a block ends it. */
async function run(runtime: Runtime, blocks: readonly Block[]): Promise<[Block, string][]> {
  const own = blocks.filter((block) => block.runtime === runtime);
  const command = [...RUNNERS[runtime], "tests/docs/run.ts", ...own.map(modulePath)];
  const { output, code } = await capture(command);
  const results = output.split("\n")
    .filter((line) => line.startsWith('{"module":'))
    .map((line): { module: string; error?: string } => JSON.parse(line));
  return own.flatMap((block) => {
    const result = results.find(({ module }) => module === modulePath(block));
    const ended = `${place(block)} did not run: ${runtime} exited with ${code}\n${output}`;
    const error = result ? result.error?.replaceAll(modulePath(block), block.file) : ended;
    return error === undefined ? [] : [[block, error]];
  });
}

function capture(
  [command = "", ...args]: readonly string[],
): Promise<{ output: string; code: number | null }> {
  const child = spawn(command, args, { cwd: root, env: { ...process.env, NO_COLOR: "1" } });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ output, code }));
  });
}

function modulePath({ file, line, runtime }: Block): string {
  const suffix = runtime === "deno" ? ".deno.ts" : ".ts";
  return `${folder}/${file.replaceAll("/", "-")}-${line}${suffix}`;
}

function place({ file, line }: Block): string {
  return `${file}:${line}`;
}

function filesOf(path: string, extension: string): string[] {
  if (!existsSync(join(root, path))) return [];
  return readdirSync(join(root, path), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(extension))
    .map((file) => `${path}/${file}`)
    .toSorted();
}

function read(path: string): string {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : "";
}
