import { SessionGoneError } from "./errors.ts";
import { askedBy, markAnswered } from "./registry.ts";
import { writable } from "./response.ts";
import type { RequestLike } from "./transport/transport.ts";

/** A session that could not be saved. */
interface Failure {
  readonly name: string;
  readonly error: unknown;
}

/**
 * Saves every session that was asked for during the request, whichever store it came from. Goes on past a failure, then
 * rejects with one `AggregateError` that names each session it could not save.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey, saveAll } from "mongostore";
 *
 * const store = createMemoryStore<{ theme: string }>({ keys: [generateKey()] });
 * const request = new Request("https://shop.example/");
 * (await store.get(request, "session")).values.theme = "dark";
 * (await store.get(request, "campaign")).values.theme = "autumn";
 * const response = await saveAll(request, new Response("hello"));
 * console.log(response.headers.getSetCookie().length); // 2
 * ```
 */
export async function saveAll<R extends Response | Headers>(
  request: RequestLike,
  response: R,
): Promise<R>;
export async function saveAll(
  request: RequestLike,
  response: Response | Headers,
): Promise<Response | Headers> {
  const answer = response instanceof Headers ? response : writable(response);
  const failures = answer instanceof Headers
    ? await saveEach(request, answer, undefined)
    : await saveEach(request, answer.headers, answer.status);
  if (failures.length > 0) throw combine(failures);
  return answer;
}

/**
 * Ends a request: saves its sessions onto the headers that are about to leave. For one that has ended meanwhile the client's
 * token is cleared, which is no failure. Rejects with the failure, or with one `AggregateError` for several.
 */
export async function settle(
  request: RequestLike,
  headers: Headers,
  status: number | undefined,
): Promise<void> {
  markAnswered(request, true);
  const failures = await saveEach(request, headers, status);
  const serious = failures.filter(({ error }) => !(error instanceof SessionGoneError));
  if (serious.length === 0) return;
  markAnswered(request, false); // another response will take this one's place
  throw serious.length === 1 ? serious[0]?.error : combine(serious);
}

/** Ends a request with this response: the same one, or a copy where its headers are immutable. */
export async function settleResponse(request: RequestLike, response: Response): Promise<Response> {
  if (askedBy(request).length === 0) return response;
  // An upgrade's response is the runtime's own and carries nothing; its sessions are saved all the same.
  const answer = response.status === 101 ? undefined : writable(response);
  await settle(request, answer?.headers ?? new Headers(), response.status);
  return answer ?? response;
}

/** Saves every session of the request; gives the failures. */
async function saveEach(
  request: RequestLike,
  headers: Headers,
  status: number | undefined,
): Promise<readonly Failure[]> {
  const saving = askedBy(request).map(async (asked) => {
    try {
      await asked.save(request, headers, status);
      return [];
    } catch (error) {
      return [{ name: asked.name, error }];
    }
  });
  return (await Promise.all(saving)).flat();
}

/** One error for all failures. */
function combine(failures: readonly Failure[]): AggregateError {
  const names = failures.map(({ name, error }) =>
    `${name} (${error instanceof Error ? error.name : typeof error})`
  );
  return new AggregateError(
    failures.map(({ error }) => error),
    `could not save the sessions: ${names.join(", ")}`,
  );
}
