import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
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

/** Each has an example of its own; beside it, what an application installs for its types. */
const FRAMEWORKS: readonly (readonly [name: string, runtime: "node" | "bun", types?: string])[] = [
  ["express", "node", "@types/express"],
  ["fastify", "node"],
  ["koa", "node", "@types/koa"],
  ["hono", "node"],
  ["react-router", "node"],
  ["elysia", "bun"],
];

describe("the packed package", () => {
  let files: string[];

  before(() => {
    const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", project], {
      cwd: root,
    });
    const [{ filename, files: entries }] = JSON.parse(packed.toString());
    files = entries.map(({ path }: { path: string }) => path);
    writeFileSync(join(project, "package.json"), JSON.stringify({ type: "module", private: true }));
    const frameworks = FRAMEWORKS.flatMap(([name, _runtime, types]) => [name, types ?? []].flat());
    const peers = ["mongodb", "typescript", "@types/node", ...frameworks].map((name) =>
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

  it("type-checks with its adapters where no framework's types are looked at", () => {
    typeCheck("adapters", {
      compilerOptions: { ...STRICT, lib: ["ES2023"], types: ["node"], noEmit: true },
      files: ["adapters.ts"],
    });
  });

  for (const [name, runtime] of FRAMEWORKS) {
    it(`keeps the sessions of ${name}: type-checked, started and spoken to`, async () => {
      for (const file of [`${name}.ts`, "serve.ts"]) {
        const text = readFileSync(join(root, "examples", file), "utf8");
        writeFileSync(join(project, file), text.replaceAll('"#mongostore', '"mongostore'));
      }
      typeCheck(name, {
        // The frameworks' own declarations ask for more than an application has.
        compilerOptions: {
          ...STRICT,
          skipLibCheck: true,
          rewriteRelativeImportExtensions: true,
          lib: ["ES2023", ...(runtime === "bun" ? ["DOM", "DOM.Iterable"] : [])],
          types: ["node"],
        },
        files: [`${name}.ts`],
      });
      assert.deepEqual(await speakTo([runtime, `${name}.js`]), ["visits: 1\n", "visits: 2\n"]);
    });
  }

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

/** Starts a server that prints its address, and sends two requests of one client. */
async function speakTo([command = "", ...args]: readonly string[]): Promise<string[]> {
  const env = { ...process.env, SESSION_KEY: "a-secret-that-has-at-least-32-bytes" };
  const server = spawn(command, args, { cwd: project, env, stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(server, "exit");
  try {
    const lines = createInterface({ input: server.stdout });
    const [url] = await Promise.race([once(lines, "line"), exited]);
    assert.match(String(url), /^http:/, "it did not start");
    const first = await fetch(url);
    const cookie = first.headers.get("set-cookie")?.split(";", 1)[0] ?? "";
    const second = await fetch(url, { headers: { cookie } });
    return [await first.text(), await second.text()];
  } finally {
    server.kill();
    await exited;
  }
}

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
