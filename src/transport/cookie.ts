import { addVary, assertB64Token, isToken, maxTokenLength } from "./grammar.ts";
import type { Answer, Presented, RequestLike, SessionOptions, Transport } from "./transport.ts";

/** A client that sends more different values of one name than this is not sorting them out with us. */
const maxValues = 8;

/** RFC 6265bis section 5.5: a user agent keeps no cookie for more than 400 days. */
const maxAgeLimit = 34_560_000;

// RFC 6265bis section 4.1.1: path-value = *av-octet; av-octet = %x20-3A / %x3C-7E. Narrower here: absolute, or browsers
// ignore it; without space, which no URL path holds; without comma, at which some intermediaries split Set-Cookie.
const pathValue = /^\/[!-+\--:<-~]{0,1023}$/;

// RFC 6265bis section 4.1.1: domain-value = <subdomain>, RFC 1034 section 3.5 as enhanced by RFC 1123 section 2.1.
// The leading dot is what older code writes; it is dropped (section 5.6.3).
const domainValue =
  /^\.?[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;

/**
 * Carries the token in a cookie of the session's name (RFC 6265bis). The cookie's attributes are the session's options.
 *
 * A session named `__Host-…` or `__Secure-…` gets the browser's protection for that prefix, and its options are held to
 * the prefix's rules. What a browser would ignore or cut short throws instead: `TypeError` for a name or an option,
 * `RangeError` for a length or a `maxAge`.
 *
 * @example
 * ```ts
 * import { CookieToken, createMemoryStore, generateKey } from "mongostore";
 *
 * const store = createMemoryStore({ keys: [generateKey()], token: new CookieToken() });
 * const request = new Request("https://app.example/");
 * const session = await store.get(request, "__Host-sid");
 * session.values["userId"] = "42";
 * const response = await store.save(request, new Response("ok"), session);
 * console.log(response.headers.getSetCookie().length); // 1
 * ```
 */
export class CookieToken implements Transport {
  /** Browsers send cookies on their own. */
  readonly ambient = true;
  /**
   * The distinct values of the session's cookie, in the request's order; an empty value is none. More than 8 of them, or one
   * of more than 4,096 characters, are refused: no browser sends that.
   */
  read(request: RequestLike, name: string): Presented | undefined {
    const cookies = request.headers.get("cookie") ?? "";
    const tokens: string[] = [];
    for (let start = 0, end = 0; start < cookies.length; start = end + 1) {
      end = cookies.indexOf(";", start);
      if (end < 0) end = cookies.length;
      const value = valueOf(cookies, start, end, name);
      if (!value || tokens.includes(value)) continue;
      if (value.length > maxTokenLength) {
        return { channel: this, refused: "the cookie is too long" };
      }
      if (tokens.push(value) > maxValues) {
        return { channel: this, refused: "too many cookies of one name" };
      }
    }
    const [first, ...others] = tokens;
    return first === undefined ? undefined : { channel: this, tokens: [first, ...others] };
  }

  /** Sets the cookie, in place of any other Set-Cookie of its name. */
  write(headers: Headers, token: string, answer: Answer): void {
    const { name, options, now } = answer;
    this.check(name, options);
    assertB64Token(token);
    assertSize(name, token);
    if (options.maxAge < 0) throw new RangeError(cannotSet(name, "its maxAge is below 0"));
    const age = Math.min(options.maxAge, maxAgeLimit);
    const expires = new Date(now + age * 1000).toUTCString();
    const life = age > 0 ? `; Max-Age=${age}; Expires=${expires}` : "";
    replace(headers, name, `${name}=${token}${life}${attributes(options)}`);
  }

  /** Sets an empty cookie that has expired, in place of any other Set-Cookie of its name. */
  clear(headers: Headers, answer: Answer): void {
    const { name, options } = answer;
    this.check(name, options);
    const life = "; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:01 GMT";
    replace(headers, name, `${name}=${life}${attributes(options)}`);
  }

  /** Adds `Vary: Cookie`. */
  annotate(headers: Headers): void {
    addVary(headers, "Cookie");
  }

  /** Throws where a browser would not keep this cookie as it is meant. */
  check(name: string, options: Readonly<SessionOptions>): void {
    const flaw = flawOf(name, options);
    if (flaw !== undefined) throw new TypeError(cannotSet(name, flaw));
    if (!Number.isInteger(options.maxAge)) {
      throw new RangeError(cannotSet(name, "its maxAge is not a whole number of seconds"));
    }
    assertSize(name, "");
  }
}

/** The value of the pair between `start` and `end` if it has this name: no decoding, no trimming but SP and HTAB. */
function valueOf(cookies: string, start: number, end: number, name: string): string | undefined {
  let from = skipSpace(cookies, start, end);
  if (!cookies.startsWith(name, from)) return undefined;
  from = skipSpace(cookies, from + name.length, end);
  if (from >= end || cookies[from] !== "=") return undefined;
  from = skipSpace(cookies, from + 1, end);
  while (end > from && isSpace(cookies.charCodeAt(end - 1))) end--;
  // RFC 6265bis section 4.1.1: cookie-value = *cookie-octet / ( DQUOTE *cookie-octet DQUOTE )
  const quoted = end - from > 1 && cookies[from] === '"' && cookies[end - 1] === '"';
  return quoted ? cookies.slice(from + 1, end - 1) : cookies.slice(from, end);
}

function skipSpace(text: string, from: number, end: number): number {
  while (from < end && isSpace(text.charCodeAt(from))) from++;
  return from;
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

/** RFC 6265bis section 4.1.1: a response holds one Set-Cookie of a name. The others stay as they are, in order. */
function replace(headers: Headers, name: string, cookie: string): void {
  const present = headers.getSetCookie();
  headers.delete("set-cookie");
  for (const other of present) {
    const end = `${other};`.indexOf(";");
    if (valueOf(other, 0, end, name) === undefined) headers.append("set-cookie", other);
  }
  headers.append("set-cookie", cookie);
}

function attributes(options: Readonly<SessionOptions>): string {
  const { path, domain, secure, httpOnly, sameSite, partitioned, priority } = options;
  return `; Path=${path}` +
    (domain === undefined ? "" : `; Domain=${domain.replace(/^\./, "")}`) +
    (secure ? "; Secure" : "") +
    (httpOnly ? "; HttpOnly" : "") +
    `; SameSite=${capitalized(sameSite)}` +
    (partitioned ? "; Partitioned" : "") +
    (priority === undefined ? "" : `; Priority=${capitalized(priority)}`);
}

function capitalized(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

function flawOf(name: string, options: Readonly<SessionOptions>): string | undefined {
  const { path, domain, secure, sameSite, partitioned, priority } = options;
  // RFC 6265bis section 4.1.3; user agents compare the prefixes without regard to case (section 5.7).
  const host = /^__host-/i.test(name);
  if (!isToken(name)) return "its name is not a token (RFC 9110 section 5.6.2)";
  if (!pathValue.test(path)) {
    return "its path is not an absolute URL path of at most 1,024 characters";
  }
  if (domain !== undefined && (domain.length > 253 || !domainValue.test(domain))) {
    return "its domain is not a host name";
  }
  if (!["strict", "lax", "none"].includes(sameSite)) {
    return "its sameSite is not strict, lax or none";
  }
  if (priority !== undefined && !["low", "medium", "high"].includes(priority)) {
    return "its priority is not low, medium or high";
  }
  if (sameSite === "none" && !secure) return "SameSite=None needs secure";
  if (partitioned && !secure) return "Partitioned needs secure";
  if ((host || /^__secure-/i.test(name)) && !secure) return "the prefix of its name needs secure";
  if (host && path !== "/") return "the prefix of its name needs the path /";
  if (host && domain !== undefined) return "the prefix of its name allows no domain";
  return undefined;
}

/** RFC 6265bis section 5.6: a user agent drops a cookie of more than 4,096 octets of name and value. */
function assertSize(name: string, token: string): void {
  if (name.length + token.length <= 4096) return;
  throw new RangeError(cannotSet(name, "name and value take more than 4,096 bytes"));
}

function cannotSet(name: string, why: string): string {
  return `the cookie ${JSON.stringify(name.slice(0, 64))} cannot be set: ${why}`;
}
