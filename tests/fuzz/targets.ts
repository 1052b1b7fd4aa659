import { dataTargets } from "./data.ts";
import { legacyTargets } from "./legacy.ts";
import { recordTargets } from "./records.ts";
import { cookieTargets } from "./securecookies.ts";
import { storeTargets } from "./store.ts";
import type { Target } from "./target.ts";
import { tokenTargets } from "./tokens.ts";
import { transportTargets } from "./transports.ts";

/** Everything that reads what a client or the database gives. */
export const TARGETS: readonly Target[] = [
  ...tokenTargets,
  ...dataTargets,
  ...cookieTargets,
  ...transportTargets,
  ...recordTargets,
  ...legacyTargets,
  ...storeTargets,
];
