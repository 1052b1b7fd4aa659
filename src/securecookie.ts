/** The cookies of gorilla/securecookie, for services that share them with Go. */
export {
  codecsFromPairs,
  decodeMulti,
  encodeMulti,
  gobString,
  jsonValue,
  rawValue,
  securecookie,
} from "./codec/securecookie.ts";
export type {
  CookieKey,
  CookieSerializer,
  DecodedCookie,
  DecodedMulti,
  SecureCookie,
  SecureCookieFlaw,
  SecureCookieOptions,
  SerializedCookieOptions,
} from "./codec/securecookie.ts";
