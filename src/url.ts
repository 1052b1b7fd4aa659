/**
 * The URL in a text, resolved against a base where one is given; undefined where there is none. Not by `URL.canParse`, which
 * on Node 20 is wrong about some texts once it has been called often.
 */
export function parseUrl(text: string, base?: string): URL | undefined {
  try {
    return new URL(text, base);
  } catch {
    return undefined;
  }
}
