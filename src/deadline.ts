import type { Call } from "./backend/backend.ts";
import type { Clock } from "./clock.ts";
import { StoreUnavailableError } from "./errors.ts";
import type { WriteCertainty } from "./errors.ts";

/** What `running` gives, if it comes by the call's deadline; else rejects, and what comes later is ignored. */
export function inTime<T>(
  clock: Clock,
  { deadline }: Call,
  running: Promise<T>,
  late: () => { readonly message: string; readonly outcome: WriteCertainty },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(Math.max(0, deadline - clock.monotonic()), () => {
      const { message, outcome } = late();
      reject(new StoreUnavailableError(message, { outcome }));
    });
    running.then(resolve, reject).finally(cancel);
  });
}
