import type { Collection } from "mongodb";
import { generateKey, mongodbBackend, Store } from "../index.ts";
import type { Arguments } from "./arguments.ts";
import { keysOf } from "./secrets.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Opens the store of a collection, as its application would; no index is touched. What the call says is read at once, so that misuse
 * shows before anything is asked. Where no key was given the store gets one that opens nothing: subjects and times stand readable in the
 * records.
 */
export function storeOpener(args: Arguments, terminal: Terminal): (of: Collection) => Store {
  const given = keysOf(args, terminal);
  const keys = given.length > 0 ? given : [generateKey()];
  const data = args.choice("data", ["sealed", "signed", "plain"]);
  const timeoutMS = Math.max(30_000, args.count("timeout", 0));
  return (of) => new Store({ backend: mongodbBackend(of), keys, data, timeoutMS });
}

/** The help of the option that says how values are kept. */
export const DATA_HELP = `\
  --data KIND           how the store keeps values: sealed (the default), signed or plain`;
