/** Rows in columns as wide as their widest cell; those named in `right` are aligned to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly number[] = [],
): string {
  const all = head.length > 0 ? [head, ...rows] : rows;
  const columns = Math.max(0, ...all.map((row) => row.length));
  const widths = Array.from(
    { length: columns },
    (_, i) => Math.max(...all.map((row) => (row[i] ?? "").length)),
  );
  const line = (row: readonly string[]) =>
    widths.map((width, i) =>
      right.includes(i) ? (row[i] ?? "").padStart(width) : (row[i] ?? "").padEnd(width)
    ).join("  ").trimEnd();
  return `${all.map(line).join("\n")}\n`;
}

/** A text of the database as it may be shown: without what would move a terminal's cursor. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\uFFFD");
}
