import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { MongoClient, type MongoClientOptions } from "mongodb";

const START_MS = 60_000;
const LOG_TAIL = 2_000;
const ARGS = [
  "--bind_ip=127.0.0.1",
  "--wiredTigerCacheSizeGB=0.25",
  "--setParameter=diagnosticDataCollectionEnabled=false",
  "--nounixsocket",
];

/** A folder for servers. It and they go when this process ends, however it ends: a killed one too. */
export class Lair {
  readonly path: string = mkdtempSync(join(tmpdir(), "mongostore-faults-"));
  readonly #guard: ChildProcess;

  constructor() {
    // Its input ends with this process. The pid files name what still runs.
    const script =
      'cat >/dev/null; for f in "$1"/*.pid; do [ -f "$f" ] && kill -9 "$(cat "$f")"; done; ' +
      'sleep 0.2; rm -rf "$1"';
    this.#guard = spawn("sh", ["-c", script, "sh", this.path], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
    });
  }

  /** Ends what runs here and removes the folder. */
  async dispose(): Promise<void> {
    const gone = once(this.#guard, "exit");
    this.#guard.stdin?.end();
    await gone;
  }
}

/** A real mongod of a test's own: paused, killed and started again on the same port and data. */
export class Mongod {
  readonly port: number;
  readonly #lair: Lair;
  readonly #args: readonly string[];
  #process: ChildProcess | undefined;

  private constructor(lair: Lair, port: number, args: readonly string[]) {
    this.port = port;
    this.#lair = lair;
    this.#args = args;
  }

  /** Starts one with an empty data folder. */
  static async create(lair: Lair, args: readonly string[] = []): Promise<Mongod> {
    for (let tries = 1;; tries++) {
      const mongod = new Mongod(lair, await freePort(), args);
      try {
        await mongod.start();
        return mongod;
      } catch (error) {
        if (tries === 3) throw error; // someone else may have taken the port
      }
    }
  }

  get host(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** A client of this one server. */
  connect(options: MongoClientOptions = {}): Promise<MongoClient> {
    return MongoClient.connect(`mongodb://${this.host}/?directConnection=true`, options);
  }

  /** Starts it, the first time or again, and waits until it takes connections. */
  async start(): Promise<void> {
    const binary = process.env["MONGOMS_SYSTEM_BINARY"];
    if (!binary) throw new Error("MONGOMS_SYSTEM_BINARY is not set: use scripts/with-mongo.mjs");
    const folder = join(this.#lair.path, String(this.port));
    mkdirSync(folder, { recursive: true });
    const args = [`--port=${this.port}`, `--dbpath=${folder}`, ...ARGS, ...this.#args];
    const child = spawn(binary, args, { stdio: ["ignore", "pipe", "ignore"] });
    const { pid, stdout } = child;
    if (pid === undefined) throw new Error(`${binary} cannot be started`);
    writeFileSync(this.#pidFile, String(pid));
    this.#process = child;
    let output = "";
    try {
      await within(START_MS, "mongod to start", (resolve, reject) => {
        stdout.setEncoding("utf8").on("data", (text: string) => {
          output += text;
          if (output.includes("Waiting for connections")) resolve();
          output = output.slice(-LOG_TAIL);
        });
        child.once("exit", (code) => reject(new Error(`exit code ${code}`)));
      });
    } catch (error) {
      await this.kill();
      throw new Error(`mongod does not start; its log ends with\n${output}`, { cause: error });
    }
    // Read on, or its log fills the pipe and it stands still.
    stdout.removeAllListeners("data").resume();
  }

  /** Freezes it, to the last of its threads: connections stay open and nothing is answered. */
  async stop(): Promise<void> {
    const pid = this.#process?.pid;
    if (pid === undefined) throw new Error("it does not run");
    process.kill(pid, "SIGSTOP");
    await poll(START_MS, "mongod to stand still", () => isFrozen(pid) || undefined, 1);
  }

  /** Lets it go on. */
  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child) return;
    const exited = once(child, "exit");
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGKILL");
      await exited;
    }
    rmSync(this.#pidFile, { force: true });
  }

  get #pidFile(): string {
    return join(this.#lair.path, `${this.port}.pid`);
  }
}

/** On a busy machine a thread goes on for a while. Where the system does not tell, nothing is waited for. */
function isFrozen(pid: number): boolean {
  const tasks = `/proc/${pid}/task`;
  if (!existsSync(tasks)) return true;
  return readdirSync(tasks).every((task) => {
    try {
      const stat = readFileSync(join(tasks, task, "stat"), "utf8");
      return stat.slice(stat.lastIndexOf(")")).startsWith(") T");
    } catch {
      return true; // it has just ended
    }
  });
}

/** Settles as `begin` says, and rejects when that takes too long. */
async function within(
  ms: number,
  what: string,
  begin: (resolve: () => void, reject: (error: Error) => void) => void,
): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
      begin(resolve, reject);
    });
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until the answer is not undefined. */
export async function poll<T>(
  ms: number,
  what: string,
  ask: () => T | undefined | Promise<T | undefined>,
  every = 50,
): Promise<T> {
  const start = performance.now();
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() - start > ms) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

/** Below the ports that systems give to outgoing connections: nobody takes it while the server is down. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}
