/** Text that is HTML already. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** Escapes all that is put into it but other markup. Lists are joined; `undefined` and `false` are nothing. */
export function markup(parts: TemplateStringsArray, ...inserts: readonly unknown[]): Markup {
  const texts = inserts.map((insert) => [insert].flat().map(textOf).join(""));
  return new Markup(String.raw({ raw: parts }, ...texts));
}

function textOf(insert: unknown): string {
  if (insert instanceof Markup) return insert.text;
  if (insert === undefined || insert === false) return "";
  const text = typeof insert === "string" ? insert : JSON.stringify(insert) ?? "";
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Nothing from elsewhere, nothing inline, no frame around us. */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "script-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** A page as a response. Its content is one person's, so no cache keeps it. */
export function html(page: Markup, status = 200): Response {
  return new Response(page.text, {
    status,
    headers: {
      "Content-Type": "text/html; charset=utf-8",
      "Content-Security-Policy": POLICY,
      "X-Content-Type-Options": "nosniff",
      "Cache-Control": "no-store",
    },
  });
}

/** 303: the browser asks for the page with GET, and a reload sends nothing twice. */
export function seeOther(location: string): Response {
  return new Response(null, { status: 303, headers: { Location: location } });
}

export function json(value: unknown, status = 200): Response {
  const text = `${JSON.stringify(value)}\n`;
  return new Response(text, { status, headers: { "Content-Type": "application/json" } });
}

/** What a handler switches on: `GET /cart`. */
export function route({ method, url }: Request): string {
  return `${method === "HEAD" ? "GET" : method} ${new URL(url).pathname}`;
}
