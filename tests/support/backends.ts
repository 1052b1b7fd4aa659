import { StoreUnavailableError } from "#mongostore";
import type { Backend, Write } from "#mongostore";
import { settled } from "./clock.ts";

/** The backend, with some of its methods in other hands. Called as `around` of a place. */
function intercept(
  backend: Backend,
  methods: (backend: Backend) => Partial<Backend>,
): Backend {
  return {
    load: (keys, call) => backend.load(keys, call),
    write: (writes, call) => backend.write(writes, call),
    list: (subject, limit, call) => backend.list(subject, limit, call),
    scan: (after, limit, call) => backend.scan(after, limit, call),
    remove: (selection, call) => backend.remove(selection, call),
    now: (call) => backend.now(call),
    close: (call) => backend.close(call),
    ...methods(backend),
  };
}

/** Counts what reaches the backend. */
export class Counter {
  loads = 0;
  readonly writes: Write["kind"][] = [];

  readonly around = (backend: Backend): Backend =>
    intercept(backend, (inner) => ({
      load: (keys, call) => {
        this.loads++;
        return inner.load(keys, call);
      },
      write: (writes, call) => {
        this.writes.push(...writes.map(({ kind }) => kind));
        return inner.write(writes, call);
      },
    }));
}

/** Lets other work of the process come before each write, as a network does. */
export function slowWrites(backend: Backend): Backend {
  return intercept(backend, (inner) => ({
    write: async (writes, call) => {
      await settled();
      return await inner.write(writes, call);
    },
  }));
}

/** Answers as a database that cannot be reached while `down` is true. */
export class Outage {
  down = false;

  readonly around = (backend: Backend): Backend =>
    intercept(backend, (inner) => ({
      load: (keys, call) => this.#pass(() => inner.load(keys, call)),
      write: (writes, call) => this.#pass(() => inner.write(writes, call)),
      list: (subject, limit, call) => this.#pass(() => inner.list(subject, limit, call)),
      remove: (selection, call) => this.#pass(() => inner.remove(selection, call)),
    }));

  async #pass<T>(answer: () => Promise<T>): Promise<T> {
    if (this.down) {
      throw new StoreUnavailableError("no server answers", { outcome: "not-applied" });
    }
    return await answer();
  }
}

/** Runs something right before the next write that matches: what another process does just then. */
export class Ambush {
  #matches: ((write: Write) => boolean) | undefined;
  #act: (() => unknown) | undefined;

  readonly around = (backend: Backend): Backend =>
    intercept(backend, (inner) => ({
      write: async (writes, call) => {
        const act = this.#act;
        if (act && writes.some((write) => this.#matches?.(write))) {
          this.#act = undefined;
          await act();
        }
        return await inner.write(writes, call);
      },
    }));

  before(matches: (write: Write) => boolean, act: () => unknown): void {
    this.#matches = matches;
    this.#act = act;
  }
}
