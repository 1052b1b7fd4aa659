import type { Session, Store } from "#mongostore";
import type { Client } from "./browser.ts";

/** What came of one request. */
export interface Visit<V extends object> {
  readonly request: Request;
  readonly response: Response;
  readonly session: Session<V>;
}

/** One request of a client: get the session, do something with it, save it, and the client takes the response. */
export async function visit<V extends object>(
  store: Store<V>,
  client: Client,
  act: (session: Session<V>) => unknown = () => undefined,
  name = "session",
): Promise<Visit<V>> {
  const request = client.request();
  const session = await store.get(request, name);
  await act(session);
  const response = await store.save(request, new Response("ok"), session);
  client.receive(response, session);
  return { request, response, session };
}

/** What a new request of the client finds. */
export async function look<V extends object>(
  store: Store<V>,
  client: Client,
  name = "session",
): Promise<Session<V>> {
  return await store.get(client.request(), name);
}

/** A session whose request is under way: loaded and not yet saved. */
export interface Pending<V extends object> {
  readonly session: Session<V>;
  /** Saves it on a response of its own. */
  save(): Promise<Response>;
  /** Saves it on headers that stay at hand where the save fails. */
  saveOn(headers: Headers): Promise<Headers>;
}

/** Begins a request of the client and leaves it under way. */
export async function begin<V extends object>(
  store: Store<V>,
  client: Client,
  name = "session",
): Promise<Pending<V>> {
  const request = client.request();
  const session = await store.get(request, name);
  return {
    session,
    save: () => store.save(request, new Response("ok"), session),
    saveOn: (headers) => store.save(request, headers, session),
  };
}
