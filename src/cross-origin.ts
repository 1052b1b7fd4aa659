import type { RequestLike } from "./transport/transport.ts";
import { parseUrl } from "./url.ts";

const SAFE = new Set(["GET", "HEAD", "OPTIONS", "TRACE"]);

/**
 * Whether a browser sent this request for a page of another origin, with a method that changes things (RFC 9110 section
 * 9.2.1). Browsers say so in `Sec-Fetch-Site` (Fetch Metadata) or, older ones, in `Origin` (RFC 6454); a request with
 * neither comes from no browser that would add cookies on its own. Origins that are trusted count as one's own.
 */
export function isCrossOrigin(request: RequestLike, trusted: ReadonlySet<string>): boolean {
  if (request.method !== undefined && SAFE.has(request.method)) return false;
  const origin = request.headers.get("origin");
  if (origin !== null && trusted.has(origin)) return false;
  const site = request.headers.get("sec-fetch-site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  return origin !== null && hostOf(origin) !== (request.headers.get("host") ?? hostOf(request.url));
}

/** The host and port. The scheme is left out: behind a proxy that ends TLS the server sees another one. */
function hostOf(url: string): string | undefined {
  return parseUrl(url)?.host;
}
