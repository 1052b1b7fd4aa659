import type { Collection } from "mongodb";
import type { Command } from "./command.ts";
import { COLLECTION, COLLECTION_HELP } from "./command.ts";
import { placeOf, withCollection } from "./connect.ts";
import { bar } from "./progress.ts";
import { printable, table } from "./table.ts";

const HOUR = 3_600_000;
/** Where an age group begins, in milliseconds since the session was created. */
const AGES = [
  ["under 1 hour", 0],
  ["1 hour to 1 day", HOUR],
  ["1 to 7 days", 24 * HOUR],
  ["7 to 30 days", 168 * HOUR],
  ["30 days or more", 720 * HOUR],
] as const;
/** Where a size group begins, in bytes of the whole document. */
const SIZES = [
  ["under 256 bytes", 0],
  ["256 bytes to 1 KiB", 256],
  ["1 to 4 KiB", 1_024],
  ["4 to 16 KiB", 4_096],
  ["16 to 64 KiB", 16_384],
  ["64 KiB or more", 65_536],
] as const;

/** How many sessions, and how many bytes they take. */
interface Share {
  readonly count: number;
  readonly bytes: number;
}

/** What a collection holds. Groups count living sessions only. */
interface Stats {
  readonly live: Share;
  readonly expired: Share;
  /** Documents that are no sessions. */
  readonly other: Share;
  readonly byAge: readonly (Share & { readonly from: string })[];
  readonly bySize: readonly (Share & { readonly from: string })[];
  readonly byName: readonly (Share & { readonly name: string })[];
}

/** Counts the sessions. */
export const stats: Command = {
  name: "stats",
  summary: "how many sessions there are, how old and how large",
  help: `\
mongostore stats [options]

Counts the sessions of a collection: living and expired, by age and by size. It reads every document
once, in the database; of a large collection, ask when there is little to do. No key is needed.

${COLLECTION_HELP}
  --json                one object with live, expired, other, byAge, bySize, byName

Examples:

  mongostore stats
  mongostore stats --json | jq .live.count
`,
  texts: COLLECTION,
  flags: [],
  operands: [],
  async run(args, terminal) {
    const place = placeOf(args, terminal);
    const { where, found } = await withCollection(place, async (collection) => ({
      where: collection.namespace,
      found: statsOf(await count(collection)),
    }));
    terminal.out(args.flag("json") ? `${JSON.stringify(found)}\n` : shown(where, found));
    return 0;
  },
};

interface Group extends Share {
  readonly _id: {
    readonly kind: "live" | "expired" | "other";
    readonly age: number;
    readonly size: number;
    readonly name: string;
  };
}

/** One pass over the collection, by the database's clock. */
async function count(collection: Collection): Promise<Group[]> {
  const isRecord = {
    $and: [
      { $eq: [{ $type: "$_id" }, "binData"] },
      ...["created", "expires"].map((field) => ({ $eq: [{ $type: `$${field}` }, "date"] })),
      { $eq: [{ $type: "$name" }, "string"] },
    ],
  };
  const isLive = { $gt: ["$expires", "$$NOW"] };
  const kind = { $cond: [isRecord, { $cond: [isLive, "live", "expired"] }, "other"] };
  const age = { $cond: [isRecord, { $subtract: ["$$NOW", "$created"] }, 0] };
  const bytes = { $bsonSize: "$$ROOT" };
  const name = { $cond: [isRecord, "$name", ""] };
  const group = {
    _id: { kind, age: placeIn(AGES, age), size: placeIn(SIZES, bytes), name },
    count: { $sum: 1 },
    bytes: { $sum: bytes },
  };
  return await collection.aggregate<Group>([{ $group: group }], { allowDiskUse: true }).toArray();
}

/** Which group a value is in, from 0. */
function placeIn(groups: readonly (readonly [string, number])[], value: object): object {
  const begins = groups.slice(1).map(([, from]) => from);
  return {
    $size: { $filter: { input: begins, as: "from", cond: { $lte: ["$$from", value] } } },
  };
}

function statsOf(groups: readonly Group[]): Stats {
  const live = groups.filter(({ _id }) => _id.kind === "live");
  const names = [...new Set(live.map(({ _id }) => _id.name))];
  return {
    live: sum(live),
    expired: sum(groups.filter(({ _id }) => _id.kind === "expired")),
    other: sum(groups.filter(({ _id }) => _id.kind === "other")),
    byAge: AGES.map(([from], i) => ({ from, ...sum(live.filter(({ _id }) => _id.age === i)) })),
    bySize: SIZES.map(([from], i) => ({ from, ...sum(live.filter(({ _id }) => _id.size === i)) })),
    byName: names.map((name) => ({ name, ...sum(live.filter(({ _id }) => _id.name === name)) }))
      .toSorted((a, b) => b.count - a.count),
  };
}

function sum(groups: readonly Share[]): Share {
  return {
    count: groups.reduce((total, { count: one }) => total + one, 0),
    bytes: groups.reduce((total, { bytes }) => total + bytes, 0),
  };
}

function shown(where: string, { live, expired, other, byAge, bySize, byName }: Stats): string {
  const rows = [
    ["living", number(live.count), size(live.bytes)],
    ["expired", number(expired.count), size(expired.bytes)],
    ...(other.count > 0 ? [["no sessions", number(other.count), size(other.bytes)]] : []),
  ];
  const parts = [
    `${where}\n\n${table(["", "sessions", "size"], rows, [1, 2])}`,
    bars("age", byAge.map(({ from, ...share }) => [from, share])),
    bars("size", bySize.map(({ from, ...share }) => [from, share])),
    bars("name", byName.map(({ name, ...share }) => [printable(name), share])),
  ];
  return parts.filter((part) => part !== "").join("\n");
}

const BAR_WIDTH = 30;

/** The living sessions in groups, with bars beside them that compare the counts. */
function bars(by: string, groups: readonly (readonly [string, Share])[]): string {
  const most = Math.max(0, ...groups.map(([, { count: one }]) => one));
  if (most === 0) return "";
  const rows = groups.map(([name, { count: one, bytes }]) => [
    name,
    number(one),
    size(bytes),
    bar(one / most, BAR_WIDTH).replaceAll("░", ""),
  ]);
  return table([`by ${by}`, "living", "size", ""], rows, [1, 2]);
}

function number(value: number): string {
  return value.toLocaleString("en-US");
}

function size(bytes: number): string {
  if (bytes < 1_024) return `${bytes} B`;
  const unit = bytes < 1_048_576 ? "KiB" : bytes < 1_073_741_824 ? "MiB" : "GiB";
  const of = { KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 };
  return `${(bytes / of[unit]).toFixed(1)} ${unit}`;
}
