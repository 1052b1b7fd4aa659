// docs/threat-model.md names the tests that prove each row. They have to be there.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { it } from "node:test";
import { fileURLToPath } from "node:url";

const THREATS = 16;
const LESSONS = 18;

interface Row {
  readonly section: string;
  readonly title: string;
  readonly proofs: readonly { readonly file: string; readonly title: string }[];
}

function read(path: string): string | undefined {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  return existsSync(file) ? readFileSync(file, "utf8") : undefined;
}

/** The rows of a threat model: the headings of level 3, with the tests listed under each. */
function rowsOf(document: string): Row[] {
  return document.split(/^## /m).slice(1).flatMap((part) => {
    const [section = ""] = part.split("\n");
    return part.split(/^### /m).slice(1).map((text) => {
      const [title = ""] = text.split("\n");
      // A list item may go on in the next line.
      const items = text.split(/^- /m).slice(1).map((item) => item.replaceAll(/\s+/g, " ").trim());
      const proofs = items.map((item) => {
        const [, file = "", ticks = "", name = ""] = /^`([^`]+)`: (`+)(.+)\2$/.exec(item) ?? [];
        return { file, title: ticks.length > 1 ? name.trim() : name };
      });
      return { section, title, proofs };
    });
  });
}

/** The titles that a test file gives to tests and suites, as they stand in its text. */
function titlesOf(source: string): string[] {
  const calls = /\b(?:it|test|describe)(?:\.\w+)?\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1/g;
  return [...source.matchAll(calls)].map(([, , title = ""]) => title);
}

/** What is wrong with the rows. */
function flawsOf(rows: readonly Row[], source: (path: string) => string | undefined): string[] {
  return rows.flatMap(({ title: row, proofs }) => {
    if (proofs.length === 0) return [`${row}: no test`];
    return proofs.flatMap(({ file, title }) => {
      const text = file.startsWith("tests/") ? source(file) : undefined;
      if (text === undefined) return [`${row}: there is no ${file}`];
      return titlesOf(text).includes(title) ? [] : [`${row}: ${file} has no test "${title}"`];
    });
  });
}

const document = read("docs/threat-model.md") ?? "";

it("every threat and every lesson names tests, and each is in its file under exactly that title", () => {
  const rows = rowsOf(document);
  assert.equal(rows.filter(({ section }) => section === "Threats").length, THREATS);
  assert.equal(rows.filter(({ section }) => section.startsWith("Lessons")).length, LESSONS);
  assert.deepEqual(flawsOf(rows, read), []);
});

it("a row without a test, a file that is missing and a title that is not exact are found", () => {
  const source =
    'it("is so", () => {});\ntest(`of ${name}`, async () => {});\n  describe(\n  "a suite", f);';
  const check = (proofs: string) =>
    flawsOf(
      rowsOf(`## Threats\n\n### planted\n\nText.\n\n${proofs}`),
      (path) => path === "tests/a.test.ts" ? source : undefined,
    );
  for (
    const sound of [
      "- `tests/a.test.ts`: `is so`",
      "- `tests/a.test.ts`: `of ${name}`",
      "- `tests/a.test.ts`:\n  `a suite`\n- `tests/a.test.ts`: `is so`",
    ]
  ) assert.deepEqual(check(sound), []);
  for (
    const bad of [
      "",
      "- is so",
      "- `tests/a.test.ts`: `is`",
      "- `tests/a.test.ts`: `is so.`",
      "- `tests/b.test.ts`: `is so`",
      "- `src/a.test.ts`: `is so`",
      "- `tests/a.test.ts`: `is so`\n- `tests/a.test.ts`: `is not so`",
    ]
  ) assert.equal(check(bad).length, 1, bad);
});

it("it says what is not defended", () => {
  const [, section = ""] = document.split("## What is not defended");
  for (
    const word of [
      "old document",
      "stale primary",
      "stolen device",
      "until",
      "readable at rest",
      "QueryToken",
      "Login forgery",
    ]
  ) assert.ok(section.toLowerCase().includes(word.toLowerCase()), word);
});
