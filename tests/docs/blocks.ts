/** A code block of the documentation: of a Markdown file, or of an example in a docstring of src. */
export interface Block {
  /** The file that has it, as a path from the root of the project. */
  readonly file: string;
  /** The line of its opening fence. */
  readonly line: number;
  /** The first word after the fence: "ts", "sh" … */
  readonly language: string;
  /**
   * The second word, which says where it has to run: "bun", "deno" or "node"; "run" means node.
   * Undefined for what is only type-checked.
   */
  readonly runtime: Runtime | undefined;
  readonly code: string;
}

export type Runtime = "bun" | "deno" | "node";

/** The fenced blocks of a Markdown file. They run where their second word says so. */
export function markdownBlocks(file: string, text: string): Block[] {
  return blocksOf(file, text.split("\n"));
}

/** The fenced blocks of a source file's docstrings. They run, unless their second word is "check". */
export function docstringBlocks(file: string, text: string): Block[] {
  const lines = text.split("\n");
  const starts = lines.map((line) => /^\s*\/\*\*/.test(line));
  let inside = false;
  const docs = lines.map((line, index) => {
    inside ||= starts[index] === true;
    const doc = inside ? line.replace(/^\s*(\/\*\*|\*\/|\* ?)/, "") : "";
    if (line.includes("*/")) inside = false;
    return doc;
  });
  return blocksOf(file, docs, "run");
}

function blocksOf(file: string, lines: readonly string[], fallback?: string): Block[] {
  const blocks: Block[] = [];
  let open: { indent: string; fence: string; line: number; info: string[] } | undefined;
  for (const [index, text] of lines.entries()) {
    const [, indent = "", fence, info = ""] = /^(\s*)(`{3,})(.*)$/.exec(text) ?? [];
    if (fence === undefined) continue;
    if (open === undefined) {
      open = { indent, fence, line: index + 1, info: info.trim().split(/\s+/) };
    } else if (fence.length >= open.fence.length && info.trim() === "") {
      const { indent: outer, line, info: [language = "", mode = fallback] } = open;
      const body = lines.slice(line, index).map((row) => row.replace(outer, ""));
      blocks.push({ file, line, language, runtime: runtimeOf(mode), code: body.join("\n") });
      open = undefined;
    }
  }
  return blocks;
}

function runtimeOf(mode: string | undefined): Runtime | undefined {
  if (mode === "run") return "node";
  return mode === "bun" || mode === "deno" || mode === "node" ? mode : undefined;
}
