import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type {
  Backend,
  Call,
  ChangeObserver,
  Expiry,
  Outcome,
  RecordKey,
  StoredRecord,
  Write,
} from "../../src/backend/backend.ts";
import { parseHandle, recordKey } from "../../src/backend/record.ts";
import { systemRandom } from "../../src/clock.ts";
import { StoreUnavailableError } from "../../src/errors.ts";

/** A backend to test, and a hand on what it keeps. */
export interface BackendFixture {
  readonly backend: Backend;
  /** Lets the record of this key expire where it stands, without removing it. */
  expire(key: RecordKey): void | Promise<void>;
  /** A call that ends in so many milliseconds. */
  call(ms?: number): Call;
  /** Gives back what the fixture holds; the backend is closed already. */
  dispose?(): void | Promise<void>;
}

type Insert = Extract<Write, { kind: "insert" }>;
type Update = Extract<Write, { kind: "update" }>;

const HOUR = 3_600_000;
/** What the clocks of a test and of a database may differ by while an operation runs. */
const SLACK = 2_000;

/** A key that no other test has. */
export function newKey(): RecordKey {
  return recordKey(systemRandom(20));
}

/** A rev that no other write has. */
export function newRev(): Uint8Array<ArrayBuffer> {
  return systemRandom(8);
}

/** An insert at `now`, of a session that lives for an hour. */
export function newInsert(now: number, change: Partial<Insert> = {}): Insert {
  return {
    kind: "insert",
    key: newKey(),
    name: "sid",
    data: new Uint8Array([1, 2, 3]),
    rev: newRev(),
    created: now,
    modified: change.created ?? now,
    expiry: { idle: HOUR, until: now + 24 * HOUR },
    subject: undefined,
    ...change,
  };
}

/** An update of what an insert or another update has written. */
export function updateOf(base: Insert | Update, change: Partial<Update> = {}): Update {
  const { key, rev, expiry, subject } = base;
  const data = new Uint8Array([4, 5, 6]);
  return { kind: "update", key, expected: rev, rev: newRev(), data, expiry, subject, ...change };
}

function near(actual: number, expected: number): void {
  assert.ok(Math.abs(actual - expected) <= SLACK, `${actual} is not near ${expected}`);
}

function hex(bytes: Uint8Array | undefined): string {
  return Array.from(bytes ?? [], (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The statuses of outcomes. */
export function statuses(outcomes: readonly Outcome[]): readonly string[] {
  return outcomes.map(({ status }) => status);
}

/** What every backend does. */
export function backendContract(
  name: string,
  make: () => BackendFixture | Promise<BackendFixture>,
): void {
  describe(`${name}: what every backend does`, () => {
    let fixture: BackendFixture;
    let backend: Backend;
    before(async () => {
      fixture = await make();
      backend = fixture.backend;
    });
    after(async () => {
      await backend.close(fixture.call());
      await fixture.dispose?.();
    });

    const now = () => backend.now(fixture.call());
    const write = async (...writes: Write[]) =>
      statuses(await backend.write(writes, fixture.call()));
    const inserted = async (change: Partial<Insert> = {}) => {
      const insert = newInsert(await now(), change);
      assert.deepEqual(await write(insert), ["done"]);
      return insert;
    };
    const stored = async (key: RecordKey): Promise<StoredRecord | undefined> => {
      const [loaded] = await backend.load([key], fixture.call());
      return loaded?.status === "found" ? loaded.record : undefined;
    };
    const found = async (key: RecordKey): Promise<StoredRecord> => {
      const record = await stored(key);
      assert.ok(record, "the record is there");
      return record;
    };

    it("loads what was inserted, field by field", async () => {
      const created = await now();
      const insert = await inserted({ created, subject: "ann", name: "sid" });
      const [loaded] = await backend.load([insert.key], fixture.call());
      assert.equal(loaded?.status, "found");
      const { record, now: at } = loaded;
      near(at, created);
      assert.equal(record.key.text, insert.key.text);
      assert.deepEqual({ ...record, key: undefined }, {
        key: undefined,
        name: "sid",
        data: new Uint8Array([1, 2, 3]),
        rev: insert.rev,
        created,
        modified: created,
        expires: created + HOUR,
        subject: "ann",
      });
    });

    it("keeps text as text and bytes as bytes, whatever is in them", async () => {
      const text = '$name {"$gt": ""} \u0000 é 🙂';
      const bytes = new Uint8Array(70_000).map((_, i) => i * i);
      const one = await inserted({ data: text });
      const two = await inserted({ data: bytes });
      assert.equal((await found(one.key)).data, text);
      assert.deepEqual((await found(two.key)).data, bytes);
      await write(updateOf(one, { data: "$$NOW", subject: "$name" }));
      await write(updateOf(two, { data: new Uint8Array() }));
      assert.equal((await found(one.key)).data, "$$NOW");
      assert.equal((await found(one.key)).subject, "$name");
      assert.deepEqual((await found(two.key)).data, new Uint8Array());
    });

    it("loads many in the order of their keys, absent ones among them", async () => {
      const a = await inserted();
      const b = await inserted();
      const loaded = await backend.load([b.key, newKey(), a.key], fixture.call());
      assert.deepEqual(loaded.map(({ status }) => status), ["found", "absent", "found"]);
      assert.deepEqual(
        loaded.map((one) => one.status === "found" ? one.record.key.text : undefined),
        [b.key.text, undefined, a.key.text],
      );
    });

    it("does nothing for no keys and no writes", async () => {
      assert.deepEqual(await backend.load([], fixture.call()), []);
      assert.deepEqual(await backend.write([], fixture.call()), []);
    });

    it("never replaces a record by an insert", async () => {
      const first = await inserted();
      assert.deepEqual(await write(newInsert(await now(), { key: first.key })), ["exists"]);
      assert.deepEqual((await found(first.key)).rev, first.rev);
    });

    it("takes an insert that comes twice with one rev for one", async () => {
      const insert = await inserted();
      assert.deepEqual(await write(insert), ["done"]);
    });

    it("updates where the rev is the expected one, and only data, rev, times and subject", async () => {
      const insert = await inserted({ subject: "ann" });
      const update = updateOf(insert, { subject: "ben" });
      assert.deepEqual(await write(update), ["done"]);
      const record = await found(insert.key);
      assert.deepEqual(record.data, update.data);
      assert.deepEqual(record.rev, update.rev);
      assert.equal(record.created, insert.created);
      assert.equal(record.name, "sid");
      assert.equal(record.subject, "ben");
      near(record.modified, await now());
      near(record.expires, await now() + HOUR);
    });

    it("takes a subject away", async () => {
      const insert = await inserted({ subject: "ann" });
      assert.deepEqual(await write(updateOf(insert, { subject: undefined })), ["done"]);
      assert.equal((await found(insert.key)).subject, undefined);
    });

    it("may shorten a life by an update", async () => {
      const insert = await inserted();
      const expiry: Expiry = { idle: HOUR / 2, until: insert.expiry.until };
      assert.deepEqual(await write(updateOf(insert, { expiry })), ["done"]);
      near((await found(insert.key)).expires, await now() + HOUR / 2);
    });

    it("tells a conflict, and writes nothing", async () => {
      const insert = await inserted();
      const theirs = updateOf(insert);
      await write(theirs);
      assert.deepEqual(await write(updateOf(insert, { data: "mine" })), ["conflict"]);
      assert.deepEqual((await found(insert.key)).data, theirs.data);
    });

    it("takes an update that comes twice with one rev for one", async () => {
      const update = updateOf(await inserted());
      assert.deepEqual(await write(update), ["done"]);
      assert.deepEqual(await write(update), ["done"]);
    });

    it("never makes a record by an update or a touch", async () => {
      const ghost = newInsert(await now());
      const { key, rev: expected, expiry } = ghost;
      assert.deepEqual(await write(updateOf(ghost)), ["gone"]);
      assert.deepEqual(await write({ kind: "touch", key, expected, expiry }), ["gone"]);
      assert.equal(await stored(ghost.key), undefined);
    });

    it("keeps no record beyond its limit", async () => {
      const created = await now();
      const until = created + HOUR / 4;
      const insert = await inserted({ created, expiry: { idle: HOUR, until } });
      assert.equal((await found(insert.key)).expires, until);
      await write(updateOf(insert));
      assert.equal((await found(insert.key)).expires, until);
    });

    it("touches: a longer life, another modified, the same rev and data", async () => {
      const created = await now() - 10_000;
      const insert = await inserted({ created });
      const { key, rev: expected, expiry } = insert;
      assert.deepEqual(await write({ kind: "touch", key, expected, expiry }), ["done"]);
      const record = await found(key);
      near(record.expires, await now() + HOUR);
      near(record.modified, await now());
      assert.ok(record.expires > created + HOUR, "it lives longer");
      assert.deepEqual([record.rev, record.data], [insert.rev, insert.data]);
    });

    it("never shortens a life by a touch", async () => {
      const { key, rev: expected, expiry, created } = await inserted();
      const shorter = { ...expiry, idle: 1_000 };
      assert.deepEqual(await write({ kind: "touch", key, expected, expiry: shorter }), ["done"]);
      assert.equal((await found(key)).expires, created + HOUR);
    });

    it("touches no record that another has written", async () => {
      const insert = await inserted();
      await write(updateOf(insert));
      const { key, rev: expected, expiry } = insert;
      assert.deepEqual(await write({ kind: "touch", key, expected, expiry }), ["conflict"]);
    });

    it("neither loads nor writes nor lists what has expired", async () => {
      const insert = await inserted({ subject: newKey().text });
      await fixture.expire(insert.key);
      const { key, rev: expected, expiry, subject = "" } = insert;
      assert.equal(await stored(key), undefined);
      assert.deepEqual(await backend.list(subject, 10, fixture.call()), []);
      assert.deepEqual(await write({ kind: "touch", key, expected, expiry }), ["gone"]);
      assert.deepEqual(await write(updateOf(insert)), ["gone"]);
      assert.equal(await stored(key), undefined);
    });

    it("removes, and takes the removal of nothing for done", async () => {
      const { key } = await inserted();
      assert.deepEqual(await write({ kind: "remove", key }), ["done"]);
      assert.equal(await stored(key), undefined);
      assert.deepEqual(await write({ kind: "remove", key }), ["done"]);
    });

    it("removes with an expected rev only that rev", async () => {
      const insert = await inserted();
      const update = updateOf(insert);
      await write(update);
      const { key } = insert;
      assert.deepEqual(await write({ kind: "remove", key, expected: insert.rev }), ["conflict"]);
      assert.ok(await stored(key), "the record stands");
      assert.deepEqual(await write({ kind: "remove", key, expected: update.rev }), ["done"]);
      assert.deepEqual(await write({ kind: "remove", key, expected: update.rev }), ["done"]);
      assert.equal(await stored(key), undefined);
    });

    it("revives nothing that was removed", async () => {
      const insert = await inserted();
      await write({ kind: "remove", key: insert.key });
      assert.deepEqual(await write(updateOf(insert)), ["gone"]);
      assert.equal(await stored(insert.key), undefined);
    });

    it("tells the outcomes of many writes apart, in their order", async () => {
      const [taken, changed, alive, touched, dead, kept, ended, stale] = [
        await inserted(),
        await inserted(),
        await inserted(),
        await inserted(),
        await inserted(),
        await inserted(),
        await inserted(),
        await inserted(),
      ];
      await write(updateOf(changed), updateOf(kept), { kind: "remove", key: dead.key });
      await fixture.expire(stale.key);
      const at = await now();
      const { expiry } = touched;
      assert.deepEqual(
        await write(
          updateOf(changed),
          newInsert(at),
          newInsert(at, { key: taken.key }),
          { kind: "touch", key: touched.key, expected: touched.rev, expiry },
          { kind: "remove", key: kept.key, expected: kept.rev },
          updateOf(alive),
          updateOf(dead),
          { kind: "remove", key: ended.key, expected: ended.rev },
          { kind: "touch", key: stale.key, expected: stale.rev, expiry },
          { kind: "remove", key: newKey() },
          newInsert(at),
        ),
        [
          "conflict",
          "done",
          "exists",
          "done",
          "conflict",
          "done",
          "gone",
          "done",
          "gone",
          "done",
          "done",
        ],
      );
    });

    it("applies 300 writes and loads 300 records at once", async () => {
      const at = await now();
      const inserts = Array.from({ length: 300 }, () => newInsert(at));
      const all = inserts.map(() => "done");
      assert.deepEqual(await write(...inserts), all);
      assert.deepEqual(await write(...inserts.map((insert) => updateOf(insert))), all);
      const loaded = await backend.load(inserts.map(({ key }) => key), fixture.call());
      assert.deepEqual(
        loaded.map((one) => one.status === "found" && one.record.key.text),
        inserts.map(({ key }) => key.text),
      );
    });

    it("lets exactly one of many writers at once win", async () => {
      const insert = await inserted();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, () => write(updateOf(insert))),
      );
      assert.equal(outcomes.flat().filter((status) => status === "done").length, 1);
      assert.equal(outcomes.flat().filter((status) => status === "conflict").length, 19);
    });

    it("lists a subject's records, last modified first, at most so many", async () => {
      const subject = newKey().text;
      const at = await now();
      const [old, middle, young] = [
        await inserted({ subject, created: at - 3_000 }),
        await inserted({ subject, created: at - 2_000 }),
        await inserted({ subject, created: at - 1_000 }),
      ];
      await inserted({ subject: `${subject}x` });
      await inserted({ subject: subject.toUpperCase() });
      const list = async (limit: number) =>
        (await backend.list(subject, limit, fixture.call())).map(({ key }) => key.text);
      assert.deepEqual(await list(10), [young.key.text, middle.key.text, old.key.text]);
      assert.deepEqual(await list(2), [young.key.text, middle.key.text]);
      assert.deepEqual(await list(0), []);
      await write(updateOf(old));
      assert.deepEqual(await list(1), [old.key.text]);
    });

    it("removes by subject, and leaves what is excepted and what is another's", async () => {
      const subject = newKey().text;
      const [a, b, c] = [
        await inserted({ subject }),
        await inserted({ subject }),
        await inserted({ subject }),
      ];
      const other = await inserted({ subject: `${subject}x` });
      const upper = await inserted({ subject: subject.toUpperCase() });
      assert.equal(await backend.remove({ subject, except: [b.key] }, fixture.call()), 2);
      assert.equal(await stored(a.key), undefined);
      assert.equal(await stored(c.key), undefined);
      assert.ok(await stored(b.key), "the record stands");
      assert.ok(await stored(other.key), "the record stands");
      assert.ok(await stored(upper.key), "the record stands");
      assert.equal(await backend.remove({ subject }, fixture.call()), 1);
      assert.equal(await backend.remove({ subject }, fixture.call()), 0);
    });

    it("removes by key, with a subject only where both match", async () => {
      const { key } = await inserted({ subject: "ann" });
      assert.equal(await backend.remove({ key, subject: "ben" }, fixture.call()), 0);
      assert.equal(await backend.remove({ key, except: [key] }, fixture.call()), 0);
      assert.equal(await backend.remove({ key, subject: "ann" }, fixture.call()), 1);
      assert.equal(await backend.remove({ key }, fixture.call()), 0);
    });

    it("refuses to remove everything", async () => {
      const all = {};
      await assert.rejects(async () => await backend.remove(all, fixture.call()), TypeError);
      await assert.rejects(
        async () => await backend.remove({ except: [newKey()] }, fixture.call()),
        TypeError,
      );
    });

    it("scans the living records in the order of their keys, each once, from where it is told", async () => {
      const keys: string[] = [];
      for (let i = 0; i < 5; i++) keys.push((await inserted()).key.text);
      const ended = await inserted({ expiry: { idle: HOUR, until: (await now()) - 1000 } });
      const seen: string[] = [];
      let last: RecordKey | undefined;
      for (;;) {
        const page = await backend.scan(last, 2, fixture.call());
        assert.ok(page.length <= 2, "a page is no larger than asked for");
        if (page.length === 0) break;
        seen.push(...page.map(({ key }) => key.text));
        last = page.at(-1)?.key;
      }
      assert.equal(new Set(seen).size, seen.length);
      assert.ok(keys.every((key) => seen.includes(key)), "all of them");
      assert.ok(!seen.includes(ended.key.text), "not the expired one");
      const sorted = seen.map((text) => parseHandle(text)?.bytes ?? new Uint8Array());
      for (const [i, bytes] of sorted.entries()) {
        assert.ok(i === 0 || hex(sorted[i - 1]) < hex(bytes), "in order");
      }
    });

    it("reseals data and rev and nothing else, and only what still is what was read", async () => {
      const insert = await inserted({ subject: "ann" });
      const unsealed = await found(insert.key);
      const rev = newRev();
      const data = new Uint8Array([9]);
      const { key } = insert;
      const reseal: Write = { kind: "reseal", key, expected: insert.rev, rev, data };
      assert.deepEqual(await write(reseal), ["done"]);
      assert.deepEqual(await found(key), { ...unsealed, data, rev });
      const late: Write = { ...reseal, rev: newRev() };
      assert.deepEqual(await write(late), ["conflict"]);
      assert.deepEqual(await found(key), { ...unsealed, data, rev });
      assert.deepEqual(await write({ ...late, key: newKey() }), ["gone"]);
    });

    it("refuses times that no record can hold, before anything is sent", async () => {
      const at = await now();
      const wrong: Write[] = [
        newInsert(at, { created: NaN }),
        newInsert(at, { expiry: { idle: NaN, until: at } }),
        newInsert(at, { expiry: { idle: HOUR, until: Infinity } }),
        newInsert(at, { rev: systemRandom(7) }),
        updateOf(newInsert(at), { expiry: { idle: Infinity, until: at } }),
      ];
      for (const one of wrong) {
        const good = newInsert(at);
        await assert.rejects(
          async () => await backend.write([good, one], fixture.call()),
          RangeError,
        );
        assert.equal(await stored(good.key), undefined);
      }
    });

    it("knows the time, at once when it was told before", async () => {
      await backend.load([newKey()], fixture.call());
      const first = await now();
      assert.equal(Number.isInteger(first), true);
      const second = backend.now(fixture.call());
      assert.equal(typeof second, "number");
      near(Number(second), first);
    });

    it("tells observers of what was removed or has other data, and of nothing once stopped", async () => {
      assert.ok(backend.observe, "it hears of changes");
      const [insert, touched, last] = [await inserted(), await inserted(), await inserted()];
      const told: string[] = [];
      const silenced: string[] = [];
      await new Promise<void>((resolve) => {
        const stops: ((() => void) | undefined)[] = [];
        const first: ChangeObserver = {
          changed: (key, isRemoved) => {
            told.push(`${key.text} ${isRemoved ? "removed" : "changed"}`);
            if (key.text === last.key.text) {
              stops[0]?.();
              resolve();
            }
          },
          live: () => {
            stops[1]?.();
            const { key, rev: expected, expiry } = touched;
            void write({ kind: "touch", key, expected, expiry })
              .then(() => inserted())
              .then(() => write(updateOf(insert)))
              .then(() => write({ kind: "remove", key: insert.key }))
              .then(() => write({ kind: "remove", key: last.key }));
          },
          lost: ({ message }) => assert.fail(message),
        };
        const other: ChangeObserver = {
          changed: (key) => silenced.push(key.text),
          live: () => undefined,
          lost: () => undefined,
        };
        stops.push(backend.observe?.(first), backend.observe?.(other));
      });
      await write({ kind: "remove", key: touched.key });
      const { text } = insert.key;
      const { text: end } = last.key;
      assert.deepEqual(told, [`${text} changed`, `${text} removed`, `${end} removed`]);
      assert.deepEqual(silenced, []);
    });

    it("takes a call without an end", async () => {
      const insert = await inserted();
      const [loaded] = await backend.load([insert.key], { deadline: Infinity });
      assert.equal(loaded?.status, "found");
    });

    it("does nothing for a call that is over", async () => {
      const gone: Call[] = [
        { deadline: fixture.call(0).deadline - 1 },
        { ...fixture.call(), signal: AbortSignal.abort() },
      ];
      for (const call of gone) {
        const insert = newInsert(await now());
        await assert.rejects(backend.load([insert.key], call), StoreUnavailableError);
        await assert.rejects(backend.list("ann", 1, call), StoreUnavailableError);
        await assert.rejects(backend.remove({ subject: "ann" }, call), {
          name: "StoreUnavailableError",
          outcome: "not-applied",
        });
        const [outcome] = await backend.write([insert], call);
        assert.equal(outcome?.status, "failed");
        assert.equal(outcome.error.outcome, "not-applied");
        assert.equal(await stored(insert.key), undefined);
      }
    });
  });

  describe(`${name}: closing`, () => {
    it("waits for what is under way and refuses what comes after", async () => {
      const fixture = await make();
      const { backend } = fixture;
      const insert = newInsert(await backend.now(fixture.call()));
      const writing = backend.write([insert], fixture.call());
      let isWritten = false;
      writing.then(() => isWritten = true);
      await backend.close(fixture.call());
      assert.equal(isWritten, true);
      assert.deepEqual(statuses(await writing), ["done"]);

      await assert.rejects(backend.load([insert.key], fixture.call()), StoreUnavailableError);
      await assert.rejects(backend.list("ann", 1, fixture.call()), StoreUnavailableError);
      await assert.rejects(
        backend.remove({ subject: "ann" }, fixture.call()),
        StoreUnavailableError,
      );
      const [outcome] = await backend.write([insert], fixture.call());
      assert.equal(outcome?.status, "failed");
      assert.equal(outcome.error.outcome, "not-applied");
      await backend.close(fixture.call());
      await fixture.dispose?.();
    });
  });
}
