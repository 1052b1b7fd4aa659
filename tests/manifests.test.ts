import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

const root = new URL("../", import.meta.url);
const npm = JSON.parse(read("package.json"));
const jsr = JSON.parse(read("deno.json"));

describe("package.json and deno.json agree on", () => {
  it("the version", () => {
    assert.match(npm.version, /^\d+\.\d+\.\d+(-[\w.]+)?$/);
    assert.equal(jsr.version, npm.version);
  });

  it("the license, and LICENSE has its text", () => {
    assert.equal(npm.license, "BSD-3-Clause");
    assert.equal(jsr.license, npm.license);
    assert.match(read("LICENSE"), /^BSD 3-Clause License\n\nCopyright .* The mongostore authors\n/);
  });

  it("the exports: each is one file of src, and what was built from it", () => {
    const { "./package.json": manifest, ...exports } = npm.exports;
    assert.equal(manifest, "./package.json");
    const built = Object.entries<string>(jsr.exports).map(([name, source]) => {
      const path = source.replace(/^\.\/src\/(.+)\.ts$/, "./dist/$1");
      return [name, { types: `${path}.d.ts`, default: `${path}.js` }];
    });
    assert.deepEqual(exports, Object.fromEntries(built));
  });

  it("the runtime dependencies, and the peer that an adapter imports", () => {
    const { "@opentelemetry/api": api } = npm.peerDependencies;
    const imports = Object.entries<string>({ ...npm.dependencies, "@opentelemetry/api": api })
      .map(([name, range]) => [name, `npm:${name}@${range}`]);
    assert.deepEqual(jsr.imports, Object.fromEntries(imports));
  });

  it("the scripts: deno task knows each", () => {
    const { prepublishOnly: _, ...scripts } = npm.scripts;
    assert.deepEqual(jsr.tasks, scripts);
  });

  it("the compiler's options, as far as Deno has them", () => {
    const { compilerOptions } = JSON.parse(read("tsconfig.json"));
    for (const [option, value] of Object.entries(jsr.compilerOptions)) {
      assert.equal(compilerOptions[option], value, option);
    }
  });
});

describe("the exports", () => {
  it("are index.ts, the two ways in from elsewhere, and every adapter", () => {
    const adapters = existsSync(new URL("src/adapters/", root))
      ? readdirSync(new URL("src/adapters/", root)).map((file) => `./src/adapters/${file}`)
      : [];
    assert.deepEqual(
      Object.values<string>(jsr.exports).toSorted(),
      [...adapters, "./src/index.ts", "./src/legacy.ts", "./src/securecookie.ts"].toSorted(),
    );
  });

  it("are what tsup builds", () => {
    const entry = /\bentry: (\[[^\]]*\])/.exec(read("tsup.config.ts"))?.[1];
    assert.deepEqual(JSON.parse(entry?.replace(/,\s*\]/, "]") ?? "null"), [
      "src/index.ts",
      "src/legacy.ts",
      "src/securecookie.ts",
      "src/adapters/*.ts",
      "src/cli.ts",
    ]);
  });

  it("have a #name that tests import, from dist or from source", () => {
    for (const [name, source] of Object.entries<string>(jsr.exports)) {
      assert.deepEqual(npm.imports[name.replace(/^\.(\/|$)/, "#mongostore$1")], {
        dist: npm.exports[name].default,
        default: source,
      });
    }
  });
});

describe("package.json", () => {
  it("has the command line, which npm has and JSR has not", () => {
    assert.equal(npm.bin, "./dist/cli.js");
    assert.ok(existsSync(new URL("src/cli.ts", root)));
    assert.deepEqual(jsr.publish.exclude, ["src/cli", "src/cli.ts"]);
  });

  it("pins what we develop with: there is no lockfile", () => {
    for (const [name, version] of Object.entries<string>(npm.devDependencies)) {
      assert.match(version, /^(npm:[\w-]+@)?\d+\.\d+\.\d+$/, name);
    }
  });

  it("leaves the driver and the frameworks to the user", () => {
    assert.ok(npm.peerDependencies.mongodb);
    for (const name of Object.keys(npm.peerDependencies)) {
      assert.equal(npm.dependencies[name], undefined, name);
      assert.deepEqual(npm.peerDependenciesMeta[name], { optional: true }, name);
    }
  });
});

function read(path: string): string {
  return readFileSync(new URL(path, root), "utf8");
}
