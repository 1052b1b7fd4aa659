import type { RequestLike } from "./transport/transport.ts";

/** Saves one session, and puts its token on the response. */
type Save<T> = (
  request: RequestLike,
  headers: Headers,
  status: number | undefined,
  session: T,
) => Promise<void>;

/** A session that a request asked for. */
export interface Asked {
  readonly name: string;
  /** Saves it, once it is loaded. */
  save(request: RequestLike, headers: Headers, status: number | undefined): Promise<void>;
}

class Entry<T> implements Asked {
  readonly registry: Registry<T>;
  readonly name: string;
  readonly session: Promise<T>;

  constructor(registry: Registry<T>, name: string, session: Promise<T>) {
    this.registry = registry;
    this.name = name;
    this.session = session;
  }

  async save(request: RequestLike, headers: Headers, status: number | undefined): Promise<void> {
    await this.registry.save(request, headers, status, await this.session);
  }
}

/** What is known of a request. */
interface Visit {
  /** What it asked for, in the order of asking. */
  asked: readonly Asked[];
  isAnswered: boolean;
}

/** One map for all registries: its entries are work for the garbage collector. */
const visits = new WeakMap<object, Visit>();

function visitOf(request: object): Visit {
  let visit = visits.get(request);
  if (!visit) visits.set(request, visit = { asked: [], isAnswered: false });
  return visit;
}

/** The sessions that were asked for during the request, from whichever registry. */
export function askedBy(request: object): readonly Asked[] {
  return visits.get(request)?.asked ?? [];
}

/** Whether the request's response is leaving or has left, so that no session is saved any more. */
export function isAnswered(request: object): boolean {
  return visits.get(request)?.isAnswered ?? false;
}

/** Notes that the request's response leaves, or that another one will. */
export function markAnswered(request: object, isSo: boolean): void {
  visitOf(request).isAnswered = isSo;
}

/**
 * The sessions that requests asked a store for: one a request and a name, however often and however concurrently it is
 * asked for. Holds no request longer than its owner does.
 */
export class Registry<T> {
  /** How the store saves one. */
  readonly save: Save<T>;

  constructor(save: Save<T>) {
    this.save = save;
  }

  /** The registered session, or the one that `load` gives, registered. A failed load is forgotten. */
  get(request: object, name: string, load: () => Promise<T>): Promise<T> {
    if (typeof request !== "object" || request === null) return load(); // which rejects it
    const visit = visitOf(request);
    for (const one of visit.asked) if (this.#owns(one) && one.name === name) return one.session;
    const session = load();
    const entry = new Entry(this, name, session);
    visit.asked = [...visit.asked, entry];
    session.catch(() => {
      visit.asked = visit.asked.filter((other) => other !== entry);
    });
    return session;
  }

  #owns(one: Asked): one is Entry<T> {
    return one instanceof Entry && one.registry === this;
  }
}
