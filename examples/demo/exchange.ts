/** A call of the API as it went over the wire, for people to read. */
export interface Exchange {
  readonly sent: string;
  readonly received: string;
  /** A new token that came with the answer; empty where the client is to forget its own, undefined where it keeps it. */
  readonly token: string | undefined;
}

/** What a client of the API does: sends a request, with a token where it has one, and looks for a new one in the answer. */
export async function exchange(
  handler: (request: Request) => Promise<Response>,
  url: URL,
  method: string,
  options: { token?: string; body?: unknown; userAgent: string },
): Promise<Exchange> {
  const headers = new Headers({ "User-Agent": options.userAgent });
  if (options.token !== undefined) headers.set("Authorization", `Bearer ${options.token}`);
  if (options.body !== undefined) headers.set("Content-Type", "application/json");
  const body = options.body === undefined ? null : JSON.stringify(options.body);
  const response = await handler(new Request(url.href, { method, headers, body }));
  return {
    sent: [`${method} ${url.pathname}`, ...linesOf(headers), "", body ?? ""].join("\n").trim(),
    received: [`${response.status}`, ...linesOf(response.headers), "", await response.text()]
      .join("\n").trim(),
    token: response.headers.get("x-session-token") ?? undefined,
  };
}

function linesOf(headers: Headers): string[] {
  return [...headers].map(([name, value]) => `${name}: ${value}`);
}
