import type { Mutant } from "./harness.ts";

/** How many schedules have to be enough to notice. */
export const SCHEDULES = 3_000;

/** The simulation, in a copy of this project. */
export const SIMULATION: Pick<Mutant, "command"> = {
  command: ["node", "scripts/soak.mjs", `--runs=${SCHEDULES}`, "--jobs=1"],
};

/** Faults against no lost update, no resurrection and true outcomes. */
export const MUTANTS: readonly Mutant[] = [
  {
    name: "an update is an upsert",
    patches: [
      {
        file: "src/backend/mongodb-write.ts",
        find: "updateOne(filterOf(write), changeOf(write), options)",
        replace: "updateOne(filterOf(write), changeOf(write), { ...options, upsert: true })",
      },
    ],
    says: /✗ (the server: an upsert revives|no resurrection:|true outcomes:)/,
    ...SIMULATION,
  },
  {
    name: "a save overwrites what others saved, where it should merge",
    patches: [
      {
        file: "src/repository.ts",
        find: "mergePayloads(from, mine, onto, this.#parts.merge)",
        replace: "onto && from ? mine : mine",
      },
    ],
    says: /✗ (no lost update|increments add up|flashes): /,
    ...SIMULATION,
  },
  {
    name: "an update does not look at the rev",
    patches: [
      {
        file: "src/backend/mongodb-write.ts",
        find: '{ $and: [{ $eq: ["$rev", write.expected] }, LIVING] }',
        replace: "LIVING",
      },
    ],
    says: /✗ (no lost update|increments add up|flashes): /,
    ...SIMULATION,
  },
  {
    name: "a batch is judged by its count alone",
    patches: [
      {
        file: "src/backend/mongodb-write.ts",
        find: "count < applied.length) unclear.push(...applied.splice(0));",
        replace:
          'count < applied.length) for (const one of applied.splice(0)) one.outcome = { status: "conflict" };',
      },
    ],
    says: /✗ (increments add up|true outcomes): /,
    ...SIMULATION,
  },
  {
    name: "a write whose answer was lost is not looked for",
    patches: [
      {
        file: "src/backend/mongodb-write.ts",
        find: "await this.#lookUp(keysOf(rest), true, call).catch(() => NOTHING)",
        replace: "NOTHING",
      },
    ],
    says: /✗ true outcomes: .* its rev stands there to be seen/,
    ...SIMULATION,
  },
  {
    name: "a write that is sent again forgets that the first one may have landed",
    patches: [
      {
        file: "src/backend/mongodb-write.ts",
        find: 'else if (fate === "lost") pending.lost = true;',
        replace: 'else if (fate === "lost") pending.lost = false;',
      },
    ],
    says: /✗ (increments add up|true outcomes|no lost update): /,
    ...SIMULATION,
  },
  {
    name: "an expired record takes saves",
    patches: [
      {
        file: "src/backend/mongodb-write.ts",
        find: '{ $and: [{ $eq: ["$rev", write.expected] }, LIVING] }',
        replace: '{ $eq: ["$rev", write.expected] }',
      },
    ],
    says: /✗ no resurrection: .* has expired and takes a save/,
    ...SIMULATION,
  },
  {
    name: "an expired record loads",
    patches: [
      {
        file: "src/backend/mongodb.ts",
        find: "record.expires > now ?",
        replace: "record.expires > 0 ?",
      },
    ],
    says: /✗ no resurrection: .* has expired/,
    ...SIMULATION,
  },
];
