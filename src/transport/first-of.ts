import type { Presented, Transport } from "./transport.ts";

/** What {@linkcode firstOf} does where a request uses several channels. */
export interface FirstOfOptions {
  /** `first`: the first channel that presents something counts, whatever the others hold. Default: two different tokens are refused. */
  prefer?: "first" | undefined;
}

/**
 * Joins channels: reads them in order, and answers on the one that the request used. A new session goes out on the first.
 *
 * A request that presents different tokens on two channels is refused, for a client must not use more than one method (RFC 6750
 * section 2) and no guess is safe; so is one that breaks the rules of any channel. The same token on both is accepted, as the
 * first channel's. With `prefer: "first"` the first channel that presents something decides alone.
 *
 * @example
 * ```ts
 * import { CookieToken, createMemoryStore, firstOf, generateKey, HeaderToken } from "mongostore";
 *
 * // Browsers use the cookie, the app sends a header.
 * const token = firstOf(new CookieToken(), new HeaderToken());
 * const store = createMemoryStore({ keys: [generateKey()], token });
 * const session = await store.get(new Request("https://app.example/"), "sid");
 * console.log(session.isNew); // true
 * ```
 */
export function firstOf(
  ...args: [Transport, ...Transport[]] | [Transport, ...Transport[], FirstOfOptions]
): Transport {
  const [first] = args;
  const channels: Transport[] = [];
  let prefer: "first" | undefined;
  for (const arg of args) {
    if ("read" in arg) channels.push(arg);
    else prefer = arg.prefer;
  }
  return {
    ambient: channels.some((channel) => channel.ambient),
    read(request, name) {
      const tokens = new Set<string>();
      let leading: Presented | undefined;
      for (const channel of channels) {
        const presented = channel.read(request, name);
        if (!presented) continue;
        if (prefer === "first" || "refused" in presented) return presented;
        for (const token of presented.tokens) tokens.add(token);
        leading ??= presented;
        if (leading !== presented && tokens.size > 1) {
          return { channel: leading.channel, refused: "two channels present different tokens" };
        }
      }
      return leading;
    },
    write: (headers, token, answer) => first.write(headers, token, answer),
    clear: (headers, answer) => first.clear(headers, answer),
    annotate(headers) {
      for (const channel of channels) channel.annotate(headers);
    },
    check(name, options) {
      for (const channel of channels) channel.check(name, options);
    },
  };
}
