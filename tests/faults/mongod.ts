import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MongoClient, type MongoClientOptions } from "mongodb";

/** A standalone mongod of a test's own, to be stopped, killed and started again on the same port and data. */
export class Mongod {
  readonly #port: number;
  readonly #path: string;
  #process: ChildProcess | undefined;
  readonly #end = () => this.#process?.kill("SIGKILL");

  private constructor(port: number, path: string) {
    this.#port = port;
    this.#path = path;
    process.on("exit", this.#end);
  }

  static async create(): Promise<Mongod> {
    const path = await mkdtemp(join(tmpdir(), "mongostore-faults-"));
    const mongod = new Mongod(await freePort(), path);
    await mongod.start();
    return mongod;
  }

  /** A client of this server. */
  connect(options: MongoClientOptions = {}): Promise<MongoClient> {
    return MongoClient.connect(`mongodb://127.0.0.1:${this.#port}/`, options);
  }

  /** Starts it and waits until it answers. */
  async start(): Promise<void> {
    const binary = process.env["MONGOMS_SYSTEM_BINARY"];
    if (!binary) throw new Error("MONGOMS_SYSTEM_BINARY is not set: run scripts/with-mongo.mjs");
    const options = ["--bind_ip", "127.0.0.1", "--wiredTigerCacheSizeGB", "0.25", "--quiet"];
    this.#process = spawn(
      binary,
      ["--port", String(this.#port), "--dbpath", this.#path, ...options],
      { stdio: "ignore" },
    );
    const client = await this.connect({ serverSelectionTimeoutMS: 60_000 });
    await client.db("admin").command({ ping: 1 });
    await client.close();
  }

  /** Freezes it: connections stay open and nothing is answered. */
  stop(): void {
    this.#process?.kill("SIGSTOP");
  }

  /** Lets it go on. */
  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /** Ends it at once, as a crash does. */
  async kill(): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }

  /** Ends it and removes its data. */
  async dispose(): Promise<void> {
    await this.kill();
    process.off("exit", this.#end);
    await rm(this.#path, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || !address) throw new Error("no free port");
  server.close();
  await once(server, "close");
  return address.port;
}
