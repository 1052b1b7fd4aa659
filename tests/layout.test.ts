import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, sep } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const PORTS = ["transport/transport.ts", "codec/codec.ts", "backend/backend.ts"];

/** What the core and the implementations share; it implements no port. */
const SHARED = [
  "deadline.ts",
  "codec/bind.ts",
  "codec/id.ts",
  "codec/nodecrypto.ts",
  "codec/provider.ts",
  "codec/serializer.ts",
  "codec/sha256.ts",
  "backend/record.ts",
  "transport/grammar.ts",
];

/** From the bottom to the top: a file imports what stands in the rows before its own. */
const ORDER: readonly (readonly string[])[] = [
  ["errors.ts", "clock.ts", "base64url.ts", "url.ts"],
  ["events.ts"],
  PORTS,
  SHARED,
  ["transport/", "codec/", "backend/"], // implementations: every other file of these folders
  ["legacy/"],
  ["payload.ts", "schema.ts"],
  ["lanes.ts", "registry.ts", "response.ts", "cross-origin.ts", "authenticate.ts"],
  ["session.ts"],
  ["lookup.ts"], // reads records
  ["imported.ts"], // copies of older systems' sessions
  ["repository.ts"], // writes records
  ["keeper.ts"], // keeps sessions and records in step
  ["sid-sessions.ts"], // keeps the sessions of express-session
  ["save-all.ts", "rekey.ts", "watch.ts"],
  ["options.ts"], // resolves what the user chose into ports
  ["store.ts"],
  ["create.ts"],
  ["adapters/"],
  ["index.ts", "legacy.ts", "securecookie.ts"],
  ["cli/"], // uses the package as any program does: nothing of the library can import it
  ["cli.ts"],
];
/** What the package exports; nothing but re-exports. */
const INDEXES = ["index.ts", "legacy.ts", "securecookie.ts"];
const IMPLEMENTATIONS = 4;

/** Only these choose between implementations; everything else above them knows the ports. */
const CHOOSERS = [
  "adapters/express-session.ts",
  "legacy/gorilla.ts",
  "imported.ts",
  "options.ts",
  "create.ts",
  "index.ts",
  "legacy.ts",
  "securecookie.ts",
];

const PACKAGES = Object.keys(
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")).dependencies,
);

/** Packages of the user's that one adapter cannot do without. */
const PEERS: Readonly<Record<string, string>> = { "@opentelemetry/api": "adapters/otel.ts" };

type Sources = Readonly<Record<string, string>>;

/** A little tree with nothing wrong, for the tests of the rules to plant something in. */
const SOUND: Sources = {
  "errors.ts":
    "/** An error.\n * @example\n * ```ts\n * import a from 'mongodb';\n */\nexport class E {}",
  "codec/codec.ts": `import type { E } from "../errors.ts";\nexport interface Codec { e: E }`,
  "codec/signed.ts": `import type { Codec } from "./codec.ts";\nexport const a: Codec = 1;`,
  "codec/sealed.ts": `import { a } from "./signed.ts";\nimport { b } from "@oslojs/crypto/sha2";`,
  "backend/memory.ts": `import type { Codec } from "../codec/codec.ts";`,
  "options.ts": `import { a } from "./codec/sealed.ts";`,
  "store.ts": `import type { Codec } from "./codec/codec.ts";\nexport class Store {}`,
  "index.ts":
    `/** All of it. */\nexport { Store } from "./store.ts";\nexport type {\n  Codec,\n} from "./codec/codec.ts";\n`,
};

/** What is planted into the sound tree, and what the rules have to say of it. */
const PLANTED: readonly (readonly [what: string, files: Sources, violation: RegExp])[] = [
  [
    "an import upwards",
    { "errors.ts": `import { Store } from "./store.ts";` },
    /errors\.ts imports store\.ts, which stands above it/,
  ],
  [
    "an import upwards of a type",
    { "codec/codec.ts": `import type { Store } from "../store.ts";` },
    /codec\/codec\.ts imports store\.ts/,
  ],
  [
    "an import over several lines",
    { "errors.ts": `import {\n  Store,\n} from "./store.ts";` },
    /errors\.ts imports store\.ts/,
  ],
  ["a cycle within a folder", {
    "codec/sealed.ts": `import { a } from "./signed.ts";`,
    "codec/signed.ts": `import type { b } from "./sealed.ts";`,
  }, /cycle: codec\/signed\.ts → codec\/sealed\.ts → codec\/signed\.ts/],
  ["an implementation that knows another folder's", {
    "backend/memory.ts": `import { a } from "../codec/sealed.ts";`,
  }, /backend\/memory\.ts imports codec\/sealed\.ts/],
  [
    "a store that knows an implementation",
    { "store.ts": `import { a } from "./codec/sealed.ts";` },
    /store\.ts imports the implementation codec\/sealed\.ts/,
  ],
  ["a port that runs", { "codec/codec.ts": `export const a = 1;` }, /codec\/codec\.ts is a port/],
  [
    "the driver",
    { "backend/memory.ts": `import type { Collection } from "mongodb";` },
    /backend\/memory\.ts imports "mongodb"/,
  ],
  [
    "a module of Node",
    { "errors.ts": `const a = await import("node:fs");` },
    /errors\.ts imports "node:fs"/,
  ],
  [
    "a store that knows the command line",
    { "store.ts": `import { a } from "./cli/main.ts";`, "cli/main.ts": `import "node:process";` },
    /^store\.ts imports cli\/main\.ts, which stands above it$/,
  ],
  [
    "a path without its extension",
    { "store.ts": `import { a } from "./errors";` },
    /store\.ts imports "\.\/errors", which is no \.ts file of src/,
  ],
  [
    "a default export",
    { "errors.ts": `export default class {}` },
    /errors\.ts has a default export/,
  ],
  ["a drawer for leftovers", { "codec/helpers.ts": "" }, /codec\/helpers\.ts is a drawer/],
  ["a file without a place", { "extra.ts": "" }, /extra\.ts has no place in ORDER/],
  [
    "an index that re-exports everything",
    { "index.ts": `export * from "./errors.ts";` },
    /index\.ts has more than named re-exports/,
  ],
  [
    "an index with code of its own",
    { "index.ts": `export const a = 1;` },
    /index\.ts has more than named re-exports/,
  ],
];

describe("the layout of src", () => {
  it("has no violation", () => {
    assert.deepEqual(violations(readSources()), []);
  });
});

describe("the layout test notices", () => {
  it("nothing in a sound tree", () => {
    assert.deepEqual(violations(SOUND), []);
  });
  for (const [what, files, violation] of PLANTED) {
    it(what, () => assert.match(violations({ ...SOUND, ...files }).join("\n"), violation));
  }
});

function readSources(): Sources {
  const root = fileURLToPath(new URL("../src/", import.meta.url));
  const files = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts"));
  return Object.fromEntries(
    files.map((file) => [file.split(sep).join("/"), readFileSync(join(root, file), "utf8")]),
  );
}

/** What is wrong with these files of src, one line each. */
function violations(sources: Sources): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [file, text] of Object.entries(sources)) {
    const code = withoutComments(text);
    found.push(...violationsWithin(file, code));
    const targets: string[] = [];
    for (const name of importsOf(code)) {
      const target = name.startsWith(".")
        ? join(dirname(file), name).replaceAll(sep, "/")
        : undefined;
      if (target !== undefined && target in sources) {
        targets.push(target);
        found.push(...violationsBetween(file, target));
      } else if (target !== undefined) {
        found.push(`${file} imports "${name}", which is no .ts file of src`);
      } else if (!isAllowed(file, name)) {
        found.push(`${file} imports "${name}", which is no dependency of ours`);
      }
    }
    graph.set(file, targets);
  }
  return [...found, ...cycles(graph)];
}

function violationsWithin(file: string, code: string): string[] {
  const found: string[] = [];
  if (/(^|\/)(utils?|helpers?|common)\.ts$/.test(file)) found.push(`${file} is a drawer`);
  else if (rankOf(file) === -1) found.push(`${file} has no place in ORDER of layout.test.ts`);
  if (/^export default\b|\bas default\b/m.test(code)) found.push(`${file} has a default export`);
  if (PORTS.includes(file) && /^export (?!type\b|interface\b)/m.test(code)) {
    found.push(`${file} is a port and exports more than types`);
  }
  const rest = code.replaceAll(/^export (type )?\{[^}]*\} from "[^"]+";$/gm, "");
  if (INDEXES.includes(file) && rest.trim() !== "") {
    found.push(`${file} has more than named re-exports`);
  }
  return found;
}

/** The command line is a program: it runs on what Node has, and brings the driver. */
function isAllowed(file: string, name: string): boolean {
  const ofPrograms = name.startsWith("node:") || name === "mongodb";
  if (ofPrograms) return file === "cli.ts" || dirname(file) === "cli";
  if (PEERS[name] === file) return true;
  return PACKAGES.some((known) => name === known || name.startsWith(`${known}/`));
}

function violationsBetween(file: string, target: string): string[] {
  const [from, to] = [rankOf(file), rankOf(target)];
  const neighbours = from === to && dirname(file) === dirname(target) && dirname(file) !== ".";
  if (to > from || (to === from && !neighbours)) {
    return [`${file} imports ${target}, which stands ${to > from ? "above" : "beside"} it`];
  }
  if (to === IMPLEMENTATIONS && from > to && !CHOOSERS.includes(file)) {
    return [`${file} imports the implementation ${target}`];
  }
  return [];
}

/** The row of ORDER that has the file, or else its folder. */
function rankOf(file: string): number {
  const row = ORDER.findIndex((names) => names.includes(file));
  return row === -1 ? ORDER.findIndex((names) => names.includes(`${dirname(file)}/`)) : row;
}

function cycles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): void => {
    if (path.includes(file)) {
      found.push(`cycle: ${[...path.slice(path.indexOf(file)), file].join(" → ")}`);
    } else if (!done.has(file)) {
      for (const target of graph.get(file) ?? []) visit(target, [...path, file]);
      done.add(file);
    }
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

function importsOf(code: string): string[] {
  const statements = /^(?:import|export)\b[\w\s{},*$]*?(?:from\s*)?"([^"]+)"/gm;
  const expressions = /\bimport\(\s*"([^"]+)"/g;
  return [...code.matchAll(statements), ...code.matchAll(expressions)]
    .flatMap(([, name]) => name ?? []);
}

/** Without the comments that begin a line: the examples in them have imports of their own. */
function withoutComments(text: string): string {
  return text.replaceAll(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*$)/gm, "");
}
