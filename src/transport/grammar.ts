/** The longest text that is taken for a token. A longer one is refused before anything looks at it. */
export const maxTokenLength = 4096;

// RFC 9110 section 5.6.2: token = 1*tchar
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

// RFC 6750 section 2.1: b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="
const b64token = /^[A-Za-z0-9\-._~+/]+=*$/;

/** Whether the text can be the name of a header, a cookie or a scheme. */
export function isToken(text: string): boolean {
  return token.test(text);
}

/** Whether the text can be a token that every channel carries as it is. */
export function isB64Token(text: string): boolean {
  return text.length <= maxTokenLength && b64token.test(text);
}

/** Throws `TypeError` for a token that would not arrive as it was sent; the message does not quote it. */
export function assertB64Token(text: string): void {
  if (isB64Token(text)) return;
  throw new TypeError(
    `the token cannot be written: it is not 1 to ${maxTokenLength} characters of RFC 6750's b64token`,
  );
}

/** Adds `Vary` for one request header, once. A `Vary: *` says more already and stays. */
export function addVary(headers: Headers, field: string): void {
  if (!members(headers, "vary").includes("*")) addMember(headers, "vary", field);
}

/** Adds a name to a header that lists names without regard to case (RFC 9110 section 5.6.1), once. */
export function addMember(headers: Headers, list: string, member: string): void {
  const present = members(headers, list);
  if (present.some((other) => other.toLowerCase() === member.toLowerCase())) return;
  headers.set(list, [...present, member].join(", "));
}

function members(headers: Headers, list: string): string[] {
  return (headers.get(list) ?? "").split(",").map((text) => text.trim()).filter(Boolean);
}
