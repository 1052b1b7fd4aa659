import type { Collection } from "mongodb";
import { generateKey, mongodbBackend, Store } from "../index.ts";
import type { Arguments } from "./arguments.ts";
import { keysOf } from "./secrets.ts";
import type { Terminal } from "./terminal.ts";

/**
 * The store of a collection, as its application would open it. It touches no index. Where no key was given it gets one that
 * opens nothing: subjects and times stand readable in the records.
 */
export function openStore(args: Arguments, terminal: Terminal, collection: Collection): Store {
  const keys = keysOf(args, terminal);
  return new Store({
    backend: mongodbBackend(collection),
    keys: keys.length > 0 ? keys : [generateKey()],
    data: args.choice("data", ["sealed", "signed", "plain"]),
    timeoutMS: Math.max(30_000, args.count("timeout", 0)),
  });
}

/** The help of the option that says how values are kept. */
export const DATA_HELP = `\
  --data KIND           how the store keeps values: sealed (the default), signed or plain`;
