import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import type { Arguments } from "./arguments.ts";
import { UsageError } from "./arguments.ts";
import type { Terminal } from "./terminal.ts";

/** The keys of the environment or of a file, newest first; empty where there are none. They are not checked here. */
export function keysOf(args: Arguments, { env }: Terminal): string[] {
  const file = args.text("keys-file");
  if (file !== undefined) return listed(read("keys-file", file), "\n");
  return listed(env["SESSION_KEYS"] ?? env["SESSION_KEY"] ?? "", ",");
}

/** The same, for what cannot go on without. */
export function requiredKeys(args: Arguments, terminal: Terminal): string[] {
  const keys = keysOf(args, terminal);
  if (keys.length > 0) return keys;
  throw new UsageError(
    "it needs the keys of the store: set SESSION_KEY, or name a file with --keys-file",
  );
}

/** A connection string: the text of the file that `option` names, or else of the variable. */
export function uriOf(
  args: Arguments,
  { env }: Terminal,
  option: string,
  variable: string,
): string | undefined {
  const file = args.text(option);
  const text = (file === undefined ? env[variable] : read(option, file))?.trim();
  if (text === undefined || text === "") return undefined;
  if (/^mongodb(\+srv)?:\/\//.test(text)) return text;
  const where = file === undefined ? variable : `the file of --${option}`;
  throw new UsageError(`${where} holds no connection string: it begins with mongodb://`);
}

/** A list of texts that may hold any bytes: `base64:` and `hex:` before one say how it is written. An empty one is `undefined`. */
export function keyPairsOf(text: string): (string | Uint8Array | undefined)[] {
  return text.trim().split(/[,\n]/).map((item) => {
    const key = item.trim();
    if (key === "") return undefined;
    const [, encoding, digits = ""] = /^(base64|hex):(.*)$/.exec(key) ?? [];
    if (encoding !== "base64" && encoding !== "hex") return key;
    if (DIGITS[encoding].test(digits)) return Uint8Array.from(Buffer.from(digits, encoding));
    throw new UsageError("a key does not follow what stands before it: base64: or hex:");
  });
}

const DIGITS = { base64: /^[A-Za-z0-9+/]+={0,2}$/, hex: /^([0-9A-Fa-f]{2})+$/ };

/** The text of the file that an option names. */
export function read(option: string, file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new UsageError(`the file of --${option} cannot be read`);
  }
}

/** Takes credentials of connection strings, and these secrets themselves, out of a text that is shown. */
export function redact(text: string, secrets: readonly string[]): string {
  let shown = text.replaceAll(/(mongodb(?:\+srv)?:\/\/)[^\s@]*@/g, "$1***@");
  for (const secret of secrets) {
    if (secret.length >= 4) shown = shown.replaceAll(secret, "***");
  }
  return shown;
}

/** The user's name and password in a connection string, as written there and as meant. */
export function credentialsOf(uri: string): string[] {
  const [, user = "", password = ""] = /^mongodb(?:\+srv)?:\/\/([^:@]*)(?::([^@]*))?@/.exec(uri) ??
    [];
  return [password, decoded(password), ...(password === "" ? [] : [`${user}:${password}`])]
    .filter((text) => text !== "");
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function listed(text: string, separator: string): string[] {
  return text.split(separator).map((item) => item.trim()).filter((item) => item !== "");
}

/** Every secret that a call was given, to keep it off the screen. Files are read again: an error may come before they were. */
export function secretsIn(env: Terminal["env"], argv: readonly string[]): string[] {
  const files = argv.flatMap((arg, i) => {
    const [, inline] = /^--[\w-]+-file=(.*)$/s.exec(arg) ?? [];
    return inline ?? (/^--[\w-]+-file$/.test(arg) ? argv[i + 1] ?? [] : []);
  });
  const texts = [
    ...["SESSION_KEY", "SESSION_KEYS", "OLD_KEYS", "MONGODB_URI", "SOURCE_URI"].map((name) =>
      env[name] ?? ""
    ),
    ...files.map((file) => {
      try {
        return readFileSync(file, "utf8");
      } catch {
        return "";
      }
    }),
  ];
  return texts.flatMap((text) =>
    text.includes("mongodb") ? credentialsOf(text.trim()) : text.split(/[,\n]/)
  ).map((text) => text.trim()).filter((text) => text !== "");
}
