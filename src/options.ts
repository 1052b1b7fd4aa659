import type { Backend } from "./backend/backend.ts";
import type { Clock, RandomBytes } from "./clock.ts";
import { systemClock, systemRandom } from "./clock.ts";
import type { DataCodec, TokenCodec } from "./codec/codec.ts";
import { Keyring } from "./codec/keyring.ts";
import { plainData } from "./codec/plain.ts";
import { sealedData } from "./codec/sealed.ts";
import { signedData, signedToken } from "./codec/signed.ts";
import type { EventHandler } from "./events.ts";
import type { LegacyReader } from "./legacy/legacy.ts";
import type { Merge } from "./payload.ts";
import type { StandardSchema } from "./schema.ts";
import { CookieToken } from "./transport/cookie.ts";
import type { SessionOptions, Transport } from "./transport/transport.ts";
import { parseUrl } from "./url.ts";

/** How a store keeps sessions. Only `keys` is required. Times are in seconds unless a name says otherwise. */
export interface StoreOptions<V extends object = Record<string, unknown>> {
  /**
   * The secrets, newest first: the first protects, all of them open. Each at least 32 bytes; text counts as its UTF-8 bytes.
   * Make one with `generateKey()`.
   */
  keys: readonly (string | Uint8Array)[];
  /** The name of the session that `store.handle` gives where the handler names none. Default `session`. */
  name?: string;
  /** Seconds since the last save until a session ends. Default 86,400 (a day). 0: only `lifetime` ends it. */
  maxAge?: number;
  /** Seconds since its creation after which a session ends however active it is. Default 30 days, or `maxAge` if that is longer. */
  lifetime?: number;
  /** Seconds since the last write before a save of an unchanged session moves its expiry. Default a tenth of `maxAge`. 0: always. */
  touchAfter?: number;
  /** The cookie's attributes. By default Path=/, Secure, HttpOnly, SameSite=Lax. */
  cookie?: Partial<Omit<SessionOptions, "maxAge">>;
  /**
   * Origins (`https://app.example`) whose pages may send unsafe requests with this store's cookies through `store.handle`, beside
   * the server's own. Default none. Requests that carry the token in a header are not concerned.
   */
  trustedOrigins?: readonly string[];
  /** Where the token travels. Default `new CookieToken()`. */
  token?: Transport;
  /**
   * How values are kept: `sealed` (AES-256-GCM, the default), `signed` (authentic and readable), `plain` (readable JSON,
   * protected by nothing), or a codec of your own.
   */
  data?: "sealed" | "signed" | "plain" | DataCodec;
  /** The largest serialized session, in bytes. Default 262,144. */
  maxBytes?: number;
  /** Store new sessions in which nothing was set. Default false: a visitor that sets nothing costs nothing. */
  saveEmpty?: boolean;
  /** Seconds in which requests on a token that `regenerate` replaced still join the session. Default 0: they find it gone. */
  grace?: number;
  /** Settles a top-level key that two requests changed. Default: the later save wins it. */
  merge?: Merge;
  /** A Standard Schema validator: gives the values their type, and checks them at load and at save. It must accept what it gives out. */
  schema?: StandardSchema<V>;
  /** How long `get` and `save` may take, in milliseconds. Default 5,000. */
  timeoutMS?: number;
  /**
   * How often `store.watch` looks at the watched sessions where the database tells of no changes (a standalone server), in
   * milliseconds, from 100 to 60,000. Default 1,000.
   */
  watchIntervalMS?: number;
  /** Readers of the sessions of older systems, asked in order where no token of ours was presented. Default none. */
  legacy?: readonly LegacyReader[];
  /** Receives what happens, without any secret. */
  onEvent?: EventHandler;
  /** The clock, for tests. */
  clock?: Clock;
  /** The random source, for tests. */
  random?: RandomBytes;
}

/** The options with every choice made. */
export interface ResolvedOptions<V extends object> {
  readonly backend: Backend;
  readonly transport: Transport;
  readonly codecs: readonly [TokenCodec, ...TokenCodec[]];
  readonly data: DataCodec;
  /** Settles when the keys are ready, rejects with `WeakKeyError`. */
  readonly ready: () => Promise<void>;
  readonly trustedOrigins: ReadonlySet<string>;
  readonly session: SessionOptions;
  readonly name: string;
  /** In milliseconds, as all times from here on. */
  readonly lifetime: number;
  readonly touchAfter: number | undefined;
  readonly maxBytes: number;
  readonly saveEmpty: boolean;
  readonly grace: number;
  readonly merge: Merge | undefined;
  readonly schema: StandardSchema<V> | undefined;
  readonly timeoutMS: number;
  readonly watchIntervalMS: number;
  readonly legacy: readonly LegacyReader[];
  readonly onEvent: EventHandler | undefined;
  readonly clock: Clock;
  readonly random: RandomBytes;
}

const DAY = 86_400;

/** Checks the options and turns every choice into the thing chosen. Throws `WeakKeyError`, `RangeError` or `TypeError`. */
export function resolveOptions<V extends object>(
  backend: Backend,
  options: StoreOptions<V>,
): ResolvedOptions<V> {
  const { clock = systemClock, random = systemRandom, maxAge = DAY } = options;
  const keyring = new Keyring(options.keys);
  const lifetime = seconds("lifetime", options.lifetime ?? Math.max(30 * DAY, maxAge));
  const token = signedToken(keyring);
  token.maxAge(lifetime);
  return {
    backend,
    transport: options.token ?? new CookieToken(),
    codecs: [token],
    data: dataCodec(options.data ?? "sealed", keyring, clock, random),
    ready: () => keyring.ready(),
    trustedOrigins: new Set(options.trustedOrigins?.map(origin)),
    session: sessionOptions(options.cookie, wholeSeconds("maxAge", maxAge)),
    name: options.name ?? "session",
    lifetime: lifetime > 0 ? lifetime * 1000 : outOfRange("lifetime", "more than 0 seconds"),
    touchAfter: options.touchAfter === undefined
      ? undefined
      : seconds("touchAfter", options.touchAfter) * 1000,
    maxBytes: seconds("maxBytes", options.maxBytes ?? 262_144),
    saveEmpty: options.saveEmpty ?? false,
    grace: seconds("grace", options.grace ?? 0) * 1000,
    merge: options.merge,
    schema: options.schema,
    timeoutMS: seconds("timeoutMS", options.timeoutMS ?? 5_000),
    watchIntervalMS: watchInterval(options.watchIntervalMS ?? 1_000),
    legacy: options.legacy ?? [],
    onEvent: options.onEvent,
    clock,
    random,
  };
}

/** An attribute that is given as undefined means the default, not none. */
function sessionOptions(cookie: StoreOptions["cookie"] = {}, maxAge: number): SessionOptions {
  const { path = "/", secure = true, httpOnly = true, sameSite = "lax" } = cookie;
  const { domain, partitioned = false, priority } = cookie;
  return { path, domain, maxAge, secure, httpOnly, sameSite, partitioned, priority };
}

function origin(text: string): string {
  if (parseUrl(text)?.origin === text) return text;
  throw new TypeError(
    "cannot use the option trustedOrigins: each must be an origin, as https://app.example",
  );
}

/** Gives the number back if it is whole and not negative. */
export function wholeSeconds(option: string, value: number): number {
  return Number.isInteger(value) && value >= 0
    ? value
    : outOfRange(option, "a whole number, 0 or more");
}

/** Gives the number back if it is finite and not negative. */
export function seconds(option: string, value: number): number {
  return Number.isFinite(value) && value >= 0
    ? value
    : outOfRange(option, "a finite number, 0 or more");
}

function watchInterval(value: number): number {
  return value >= 100 && value <= 60_000
    ? value
    : outOfRange("watchIntervalMS", "from 100 to 60,000");
}

function outOfRange(option: string, wanted: string): never {
  throw new RangeError(`cannot use the option ${option}: it must be ${wanted}`);
}

function dataCodec(
  kind: "sealed" | "signed" | "plain" | DataCodec,
  keyring: Keyring,
  clock: Clock,
  random: RandomBytes,
): DataCodec {
  if (typeof kind === "object") return kind;
  switch (kind) {
    case "sealed":
      return sealedData(keyring, { clock, random });
    case "signed":
      return signedData(keyring);
    case "plain":
      return plainData();
    default:
      return outOfRange("data", '"sealed", "signed" or "plain"');
  }
}
