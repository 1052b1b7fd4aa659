const BROWSERS: readonly [RegExp, string][] = [
  [/\bEdg/, "Edge"],
  [/\bFirefox\//, "Firefox"],
  [/Chrom(e|ium)\//, "Chrome"],
  [/\bSafari\//, "Safari"],
  [/^curl\//, "curl"],
];

const SYSTEMS: readonly [RegExp, string][] = [
  [/\biPhone\b/, "iPhone"],
  [/\biPad\b/, "iPad"],
  [/\bAndroid\b/, "Android"],
  [/\bMac OS X\b/, "macOS"],
  [/\bWindows\b/, "Windows"],
  [/\bLinux\b/, "Linux"],
];

/** What to call the device of a request until its user calls it something else: `Firefox on Linux`. */
export function deviceOf(request: Request): string {
  const agent = request.headers.get("user-agent") ?? "";
  const nameIn = (names: readonly [RegExp, string][]) =>
    names.find(([pattern]) => pattern.test(agent))?.[1];
  const [browser, system] = [nameIn(BROWSERS), nameIn(SYSTEMS)];
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? (agent.slice(0, 40) || "Unknown device");
}

/** The device in a session's `meta`, which may come from an older version of this program. */
export function labelOf(meta: unknown): string {
  return typeof meta === "object" && meta && "device" in meta && typeof meta.device === "string"
    ? meta.device
    : "Unknown device";
}
