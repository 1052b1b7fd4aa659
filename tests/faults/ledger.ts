import assert from "node:assert/strict";
import { StoreUnavailableError } from "#mongostore";
import type { RequestLike, SessionError, Store } from "#mongostore";

/** What a caller knows of its saves into one session, each of which set a key of its own. */
export interface Account {
  readonly subject: string;
  /** undefined until a first save was acknowledged. */
  token: string | undefined;
  readonly acknowledged: Set<string>;
  readonly unknown: Set<string>;
  readonly notApplied: Set<string>;
}

/** The values of a session that is kept account of: marks, and how many increments. */
export interface Marks {
  [mark: string]: number;
}

export function newAccount(): Account {
  return {
    subject: crypto.randomUUID(),
    token: undefined,
    acknowledged: new Set(),
    unknown: new Set(),
    notApplied: new Set(),
  };
}

/** Enters what came of the save of a mark. */
export function enter(account: Account, mark: string, error: SessionError | undefined): void {
  if (!error) account.acknowledged.add(mark);
  else if (error instanceof StoreUnavailableError && error.outcome === "unknown") {
    account.unknown.add(mark);
  } else account.notApplied.add(mark);
}

/** The next request of a client that holds this token. No `Request`: making twenty thousand of those would be the test. */
export function requestWith(token: string | undefined): RequestLike {
  const headers = new Headers(token === undefined ? {} : { cookie: `session=${token}` });
  return { headers, url: "https://app.example/" };
}

/** What stands in the session is what its callers were told: acknowledged is there, not applied is not, and nothing else is. */
export async function settleAccount(store: Store<Marks>, account: Account): Promise<void> {
  const { token, acknowledged, unknown, notApplied, subject } = account;
  if (token === undefined) {
    // No first save was acknowledged. The one that was tried left a record only if it may have.
    const records = await store.list(subject);
    assert.ok(
      records.length === 0 || unknown.size > 0,
      "a save that was reported as not applied left a record",
    );
    return;
  }
  const session = await store.get(requestWith(token));
  assert.equal(session.error, undefined, "an acknowledged session is lost");
  assert.equal(session.subject, subject);
  const { count = 0, ...marks } = session.values;
  const found = new Set(Object.keys(marks));
  const lost = [...acknowledged].filter((mark) => !found.has(mark));
  assert.deepEqual(lost, [], `${lost.length} of ${acknowledged.size} acknowledged saves are lost`);
  const revived = [...notApplied].filter((mark) => found.has(mark));
  assert.deepEqual(revived, [], "saves that were reported as not applied were applied");
  const strange = [...found].filter((mark) => !acknowledged.has(mark) && !unknown.has(mark));
  assert.deepEqual(strange, [], "there are marks that nobody saved");
  assert.ok(count === 0 || count === found.size, `${count} increments left ${found.size} marks`);
}
