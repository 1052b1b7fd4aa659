import type { MongoClient } from "mongodb";
import { Lair, Mongod, poll } from "./mongod-process.ts";

const HEALTHY_MS = 90_000;

interface Hello {
  readonly isWritablePrimary?: unknown;
  readonly primary?: unknown;
  readonly me?: unknown;
}

interface Status {
  readonly members?: readonly { readonly stateStr?: unknown; readonly optime?: unknown }[];
}

/** A replica set of real processes, with the settings that users have: an election timeout of 10 seconds above all. */
export class MongodSet {
  readonly nodes: readonly Mongod[];
  readonly #lair: Lair;
  readonly #admins = new Map<Mongod, MongoClient>();

  private constructor(lair: Lair, nodes: readonly Mongod[]) {
    this.#lair = lair;
    this.nodes = nodes;
  }

  static async create(count: number): Promise<MongodSet> {
    const lair = new Lair();
    const start = () => Mongod.create(lair, ["--replSet=rs0"]);
    const set = new MongodSet(lair, await Promise.all(Array.from({ length: count }, start)));
    const [first] = set.nodes;
    if (!first) throw new RangeError("a set has nodes");
    const members = set.nodes.map(({ host }, _id) => ({ _id, host }));
    await set.#command(first, { replSetInitiate: { _id: "rs0", members } });
    // Or the first election waits for its timeout.
    await poll(HEALTHY_MS, "the first election", async () => {
      try {
        return await set.#command(first, { replSetStepUp: 1 });
      } catch {
        return undefined; // not all of them know of the set yet
      }
    });
    await set.primary();
    return set;
  }

  get uri(): string {
    return `mongodb://${this.nodes.map(({ host }) => host).join(",")}/?replicaSet=rs0`;
  }

  /** The primary, once all nodes agree on it and all others follow it. */
  primary(): Promise<Mongod> {
    return poll(HEALTHY_MS, "one primary that all follow", async () => {
      try {
        const hellos = await Promise.all(this.nodes.map(async (node): Promise<Hello> => ({
          ...await this.#command(node, { hello: 1 }),
        })));
        const leaders = this.nodes.filter((_, i) => hellos[i]?.isWritablePrimary === true);
        const [leader] = leaders;
        if (!leader || leaders.length > 1) return undefined;
        if (!hellos.every(({ primary }) => primary === leader.host)) return undefined;
        const { members = [] }: Status = await this.#command(leader, { replSetGetStatus: 1 });
        const ready = members.every(({ stateStr }) =>
          stateStr === "PRIMARY" || stateStr === "SECONDARY"
        );
        return ready ? leader : undefined;
      } catch {
        return undefined; // one of them does not answer
      }
    });
  }

  /** Waits, while nobody writes, until every node has everything. */
  async level(): Promise<void> {
    await poll(HEALTHY_MS, "all nodes to have everything", async () => {
      const leader = await this.primary();
      const { members = [] }: Status = await this.#command(leader, { replSetGetStatus: 1 });
      return new Set(members.map(({ optime }) => JSON.stringify(optime))).size === 1 || undefined;
    });
  }

  /** Makes the primary step down, as an operator does. */
  async stepDown(): Promise<void> {
    await this.#command(await this.primary(), { replSetStepDown: 10 });
  }

  /** How many connections of clients of this name each node has. */
  async connections(appName: string): Promise<number[]> {
    return await Promise.all(this.nodes.map(async (node) => {
      const admin = (await this.#admin(node)).db("admin");
      const idle = { $currentOp: { allUsers: true, idleConnections: true, localOps: true } };
      const found = await admin.aggregate([idle, { $match: { appName } }]).toArray();
      return new Set(found.map((operation): unknown => operation["connectionId"])).size;
    }));
  }

  async dispose(): Promise<void> {
    await Promise.all([...this.#admins.values()].map((client) => client.close()));
    await Promise.all(this.nodes.map((node) => node.kill()));
    await this.#lair.dispose();
  }

  async #command(node: Mongod, command: object): Promise<object> {
    return await (await this.#admin(node)).db("admin").command({ ...command });
  }

  async #admin(node: Mongod): Promise<MongoClient> {
    const known = this.#admins.get(node);
    if (known) return known;
    const client = await node.connect({
      serverSelectionTimeoutMS: 2_000,
      socketTimeoutMS: 15_000,
      retryReads: false,
    });
    this.#admins.set(node, client);
    return client;
  }
}
