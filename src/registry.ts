/**
 * The sessions that requests asked a store for: one a request and a name, however often and however concurrently it is
 * asked for. Holds no request longer than its owner does.
 */
export class Registry<T> {
  readonly #requests = new WeakMap<object, Map<string, Promise<T>>>();

  /** The registered session, or the one that `load` gives, registered. A failed load is forgotten. */
  get(request: object, name: string, load: () => Promise<T>): Promise<T> {
    let sessions = this.#requests.get(request);
    if (!sessions) this.#requests.set(request, sessions = new Map<string, Promise<T>>());
    const known = sessions.get(name);
    if (known) return known;
    const loading = load();
    sessions.set(name, loading);
    loading.catch(() => sessions.delete(name));
    return loading;
  }

  /** The sessions that were asked for during the request, in the order of asking. */
  of(request: object): readonly (readonly [name: string, session: Promise<T>])[] {
    return [...this.#requests.get(request) ?? []];
  }
}
