import process from "node:process";

/** By how many milliseconds the wall clock of this process is wrong: that of a machine nobody looks after. */
const BY = Number(process.env["CLOCK_OFF_BY"] ?? 0);

// Before anything else is loaded: the store, the driver and bson all see this one.
globalThis.Date = new Proxy(Date, {
  construct(date, args, proxy) {
    const now = args.length === 0 ? [date.now() + BY] : args;
    return Reflect.construct(date, now, proxy);
  },
  get: (date, name) => name === "now" ? () => date.now() + BY : Reflect.get(date, name),
});
