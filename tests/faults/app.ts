import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** What the sessions of an application hold. */
export interface Values {
  text: string;
}

/** The options of a store that differ from test to test. */
export interface Choices {
  readonly maxAge: number;
  /** Default: the key that the application was started with. */
  readonly keys?: readonly string[];
  readonly lifetime?: number;
  readonly touchAfter?: number;
}

/** What an application is asked for; `at` is the number of a store or a session. */
export type Question =
  & { readonly id: number }
  & (
    | { readonly what: "open"; readonly options: Choices }
    | { readonly what: "get"; readonly at: number; readonly token: string | undefined }
    | { readonly what: "rekey"; readonly at: number }
    | { readonly what: "save" | "update"; readonly at: number; readonly text: string | undefined }
  );

/** A store or a session as it is now; times in milliseconds. */
export interface State {
  readonly at: number;
  /** What the wall clock of the application shows. */
  readonly now: number;
  readonly isNew?: boolean;
  /** Why the token was not accepted. */
  readonly error?: string | undefined;
  readonly text?: string | undefined;
  readonly token?: string | undefined;
  readonly createdAt?: number | undefined;
  readonly expiresAt?: number | undefined;
  /** How many records a `rekey` left because no key opens them. */
  readonly unopened?: number;
}

/** The answer to a question: a state, or the code of an error. */
export type Answer =
  & { readonly id: number }
  & ({ readonly state: State } | { readonly failure: string });

/** A store that refused, by the code of its error. */
export class RemoteError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`the application answers ${code}`);
    this.code = code;
  }
}

type Unnumbered<Q> = Q extends Question ? Omit<Q, "id"> : never;
type Waiting = { readonly resolve: (state: State) => void; readonly reject: (e: Error) => void };

/** An application in a process of its own, with a wall clock of its own. */
export class App {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.on("message", (answer: Answer) => {
      const waiting = this.#waiting.get(answer.id);
      this.#waiting.delete(answer.id);
      if ("state" in answer) waiting?.resolve(answer.state);
      else waiting?.reject(new RemoteError(answer.failure));
    });
    child.once("exit", (code) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the application ended with exit code ${code}`));
      }
    });
  }

  /** Starts one whose wall clock is off by so many milliseconds, and waits until it has a connection. */
  static async start(uri: string, key: string, offBy: number): Promise<App> {
    const [clock, script] = ["wrong-clock.ts", "app-process.ts"].map((file) =>
      fileURLToPath(new URL(file, import.meta.url))
    );
    assert.ok(clock && script);
    const env = { MONGODB_URI: uri, SESSION_KEY: key, CLOCK_OFF_BY: String(offBy) };
    const child = spawn(process.execPath, ["--import", "tsx", "--import", clock, script], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    const app = new App(child);
    await new Promise<State>((resolve, reject) => app.#waiting.set(0, { resolve, reject }));
    return app;
  }

  /** Opens a store. */
  async open(options: Choices): Promise<RemoteStore> {
    return new RemoteStore(this, (await this.ask({ what: "open", options })).at);
  }

  /** Asks for something; rejects with `RemoteError` where the library refuses it. */
  ask(question: Unnumbered<Question>): Promise<State> {
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.send({ ...question, id });
    });
  }

  /** Ends the process, once it has closed its connections. */
  async close(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, "exit");
    this.#process.disconnect();
    await exited;
  }
}

/** A store of an application. */
export class RemoteStore {
  readonly #app: App;
  readonly #at: number;

  constructor(app: App, at: number) {
    this.#app = app;
    this.#at = at;
  }

  /** The session of a client that holds this token. */
  async get(token?: string): Promise<RemoteSession> {
    return new RemoteSession(this.#app, await this.#app.ask({ what: "get", at: this.#at, token }));
  }

  /** Protects all records with the store's first key; gives how many none of its keys opens. */
  async rekey(): Promise<number | undefined> {
    return (await this.#app.ask({ what: "rekey", at: this.#at })).unopened;
  }
}

/** A session that a request of an application holds. */
export class RemoteSession {
  readonly #app: App;
  /** What it was after the last call that succeeded. */
  state: State;

  constructor(app: App, state: State) {
    this.#app = app;
    this.state = state;
  }

  /** Saves it, with another text where one is given. */
  async save(text?: string): Promise<void> {
    this.state = await this.#app.ask({ what: "save", at: this.state.at, text });
  }

  /** Sets its text in one step. */
  async update(text: string): Promise<void> {
    this.state = await this.#app.ask({ what: "update", at: this.state.at, text });
  }
}
