import type { Outcome, Write } from "../../src/backend/backend.ts";
import type { FakeServer, Fields } from "./fake-server.ts";
import { textOf, timeOf } from "./fake-server.ts";

/** What became of something that was asked for. `open`: it has not been answered. `nothing`: it was not applied. */
export type Status = "open" | "done" | "unknown" | "nothing";

/** Something that was asked for, from when to when. It happened in between, or where `unknown` perhaps later, or not. */
export interface Span {
  start: number;
  end: number;
  status: Status;
  /** It was asked for again after its outcome was unknown: it may have happened twice. */
  isRepeated?: boolean;
}

/** A session that was ended: destroyed, or revoked with all others of its owner. */
export interface Ending {
  readonly span: Span;
  /** The token that it was destroyed by: where that one is replaced by then, nothing is left to destroy. */
  readonly by: string | undefined;
  /** The sessions of the owner were to end, but not this one. */
  readonly isSpared: boolean;
}

/** A value that was set for a key; `undefined` where the key was deleted. */
export interface ValueWrite {
  readonly span: Span;
  readonly value: unknown;
}

/** A message that is shown once. */
export interface FlashStory {
  readonly added: Span;
  /** Reads that were then saved, and takes. */
  readonly removed: Span[];
  /** How many takes gave it out. */
  taken: number;
}

/** A token that a client was given. */
export interface TokenStory {
  readonly text: string;
  /** When the request ended that brought it. */
  readonly given: number;
}

/** An id that was replaced. */
export interface Regeneration {
  readonly span: Span;
  /** The token of the new id. */
  token: string | undefined;
}

/** What a request saw of a session. */
export interface Sight {
  readonly token: string;
  readonly start: number;
  readonly end: number;
  /** Nothing where the session had ended. */
  readonly seen: {
    readonly values: Fields;
    readonly flashes: readonly string[];
  } | undefined;
  /** Why it had ended. */
  readonly reason: string;
}

/** Everything that was done with one session. Times are the scheduler's. */
export class SessionStory {
  readonly name: string;
  readonly tokens: TokenStory[] = [];
  readonly values: Map<string, ValueWrite[]> = new Map();
  readonly increments: Map<string, Span> = new Map();
  readonly flashes: Map<string, FlashStory> = new Map();
  /** What each take gave out. */
  readonly takes: {
    readonly start: number;
    readonly end: number;
    readonly texts: readonly string[];
  }[] = [];
  /** Takes whose answer was lost: each may have taken any flash. */
  readonly lostTakes: Span[] = [];
  readonly endings: Ending[] = [];
  readonly regenerations: Regeneration[] = [];
  /** Whose it is, since when. */
  readonly owned: Span[] = [];
  /** What certainly wrote where it was done. */
  readonly writes: Span[] = [];
  /** What may have moved the expiry. */
  readonly slides: Span[] = [];
  readonly sights: Sight[] = [];
  created: Span = { start: 0, end: 0, status: "done" };

  constructor(name: string) {
    this.name = name;
  }

  /** Notes that a key is to be set. */
  set(key: string, value: unknown, span: Span): void {
    const writes = this.values.get(key);
    if (writes) writes.push({ span, value });
    else this.values.set(key, [{ span, value }]);
  }

  /** The story of a flash. */
  flash(text: string): FlashStory | undefined {
    return this.flashes.get(text);
  }
}

/** The limits that the stores of a run were told, in milliseconds. */
export interface Limits {
  readonly idle: number;
  readonly lifetime: number;
  readonly grace: number;
  /** How long after its failure a command may be applied. */
  readonly latest: number;
  /** What a store's knowledge of the database's clock may be off by. */
  readonly slack: number;
}

/** One write that a backend was asked for, and what it said. */
export interface Asked {
  readonly write: Write;
  readonly start: number;
  end: number;
  outcome: Outcome | undefined;
}

/** What is wrong with the story of a session. */
export function violationsOf(story: SessionStory, limits: Limits): string[] {
  const found: string[] = [];
  const say = (guarantee: string, what: string) =>
    found.push(`${guarantee}: session ${story.name}, ${what}`);
  for (const sight of story.sights) {
    const at = `at ${sight.start.toFixed(1)}–${sight.end.toFixed(1)}`;
    if (sight.seen) {
      for (const why of ended(story, sight, limits)) say("no resurrection", `${why}, loads ${at}`);
      for (const why of wrongValues(story, sight, sight.seen.values)) {
        say("no lost update", `${why} ${at}`);
      }
      for (const why of wrongIncrements(story, sight, sight.seen.values)) {
        say("increments add up", `${why} ${at}`);
      }
      for (const why of wrongFlashes(story, sight, sight.seen.flashes)) {
        say("flashes", `${why} ${at}`);
      }
    } else if (!["SESSION_GONE", "EXPIRED_TOKEN"].includes(sight.reason)) {
      say("no corruption", `the session does not open (${sight.reason}) ${at}`);
    } else if (!mayBeMissing(story, sight, limits)) {
      say("no lost session", `the session is missing without a reason ${at}`);
    }
  }
  for (const write of story.writes) {
    const end = sureEnds(story, limits).find((time) => time < write.start);
    if (end !== undefined && write.status === "done") {
      say(
        "no resurrection",
        `it ended by ${end.toFixed(1)} and takes a save at ${write.start.toFixed(1)}`,
      );
    }
    if (write.status === "done" && write.start > longestLife(story, write.start, limits)) {
      say("no resurrection", `it has expired and takes a save at ${write.start.toFixed(1)}`);
    }
  }
  for (const [text, { taken, added }] of story.flashes) {
    if (taken > 1 && !added.isRepeated) say("flashes", `${text} was taken ${taken} times`);
  }
  for (const { start, end, texts } of story.takes) {
    for (const why of lostFlashes(story, { start, end }, texts)) {
      say("flashes", `${why} for the take at ${start.toFixed(1)}–${end.toFixed(1)}`);
    }
  }
  return found;
}

/** When the session had certainly ended. */
function sureEnds(story: SessionStory, { grace, slack }: Limits): number[] {
  const sure = story.endings.filter(({ span, by, isSpared }) => {
    if (span.status !== "done" || isSpared) return false;
    return by === undefined
      ? story.owned.some(({ status, end }) => status === "done" && end < span.start)
      : replacements(story, by, span.end).every(({ start }) =>
        grace > 0 && span.end < start + grace - slack
      );
  });
  return sure.map(({ span }) => span.end);
}

/** Whether anything may have ended the session by then. */
function mayHaveEnded(story: SessionStory, time: number, { latest }: Limits): boolean {
  const hasBegun = ({ status, start }: Span, by: number) => status !== "nothing" && start <= by;
  return story.endings.some(({ span, by, isSpared }) => {
    if (!hasBegun(span, time)) return false;
    if (by !== undefined) return true;
    // The command may be carried out late. What it spares is a record: one that takes its place meanwhile is not.
    const last = span.end + latest;
    return story.owned.some((owned) => hasBegun(owned, last)) &&
      (!isSpared || story.regenerations.some((other) => hasBegun(other.span, last)));
  });
}

/** What may have replaced the id of a token by then. */
function replacements(story: SessionStory, token: string, time: number): Span[] {
  const given = story.tokens.find(({ text }) => text === token)?.given ?? 0;
  return story.regenerations
    .filter(({ span, token: next }) =>
      next !== token && span.status !== "nothing" && span.start <= time && span.end >= given
    )
    .map(({ span }) => span);
}

/** Why a session that was found should not have been. */
function ended(story: SessionStory, { token, start }: Sight, limits: Limits): string[] {
  const { grace, slack } = limits;
  const found: string[] = [];
  for (const end of sureEnds(story, limits)) {
    if (end < start) found.push(`which ended by ${end.toFixed(1)}`);
  }
  const given = story.tokens.find(({ text }) => text === token)?.given ?? 0;
  for (const { span, token: next } of story.regenerations) {
    if (span.status !== "done" || next === token || given > span.start) continue;
    if (start > span.end + grace + (grace > 0 ? slack : 0)) {
      found.push(`whose token was replaced by ${span.end.toFixed(1)}`);
    }
  }
  if (start > longestLife(story, start, limits)) found.push("which has expired");
  return found;
}

/** When the session has ended for certain, by what was asked for before this time. */
function longestLife(story: SessionStory, time: number, limits: Limits): number {
  const { idle, lifetime, latest, slack } = limits;
  if (time <= story.created.start) return Infinity;
  const ends = story.slides
    .filter(({ status, start }) => status !== "nothing" && start < time)
    .map(({ status, end }) => (status === "done" ? end : Math.max(end, time)) + latest + idle);
  return Math.min(Math.max(...ends), story.created.end + lifetime) + slack;
}

/** Whether there is any reason that a token led nowhere. */
function mayBeMissing(story: SessionStory, { token, end }: Sight, limits: Limits): boolean {
  const { idle, lifetime, grace, slack } = limits;
  if (mayHaveEnded(story, end, limits)) return true;
  const replaced = replacements(story, token, end);
  const isReplaced = replaced.some(({ status, start }) =>
    status === "unknown" || grace === 0 || end >= start + grace - slack
  );
  if (isReplaced || replaced.length >= MOST_HOPS) return true;
  const surely = story.writes.filter(({ status }) => status === "done").map(({ start }) =>
    start + idle
  );
  const until = Math.min(Math.max(...surely), story.created.start + lifetime);
  return end >= until - slack;
}

/** How many replaced ids lead on. */
const MOST_HOPS = 4;

/** What is wrong with the values that were seen. */
function wrongValues(story: SessionStory, sight: Sight, values: Fields): string[] {
  const found: string[] = [];
  for (const [key, writes] of story.values) {
    const value = values[key];
    const sources = writes.filter((write) =>
      write.value === value && write.span.status !== "nothing" && write.span.start <= sight.end
    );
    const never: Span = { start: -1, end: -1, status: "done" };
    const origins = value === undefined
      ? [never, ...sources.map(({ span }) => span)]
      : sources.map(({ span }) => span);
    const isOverwritten = (span: Span) =>
      writes.some((other) =>
        other.span.status === "done" && other.value !== value && span.status === "done" &&
        other.span.start > span.end && other.span.end < sight.start
      );
    if (!origins.some((span) => !isOverwritten(span))) {
      found.push(
        origins.length === 0
          ? `${key} is ${String(value)}, which was never saved,`
          : `${key} is ${String(value)}, which was overwritten,`,
      );
    }
  }
  for (const key of Object.keys(values)) {
    if (key !== "count" && key !== "log" && !story.values.has(key)) {
      found.push(`${key} comes from nowhere`);
    }
  }
  return found;
}

/** What is wrong with the counter that was seen. */
function wrongIncrements(story: SessionStory, sight: Sight, values: Fields): string[] {
  const found: string[] = [];
  const { count = 0, log = [] } = values;
  if (!Array.isArray(log)) return ["the log is none"];
  const marks = new Set(log.map(String));
  if (count !== log.length) {
    found.push(`the counter is ${String(count)} after ${log.length} increments`);
  }
  if (marks.size !== log.length) found.push(`an increment counts twice: ${log.join(" ")}`);
  for (const mark of marks) {
    const span = story.increments.get(mark);
    if (!span || span.status === "nothing") {
      found.push(`increment ${mark} counts, which was not applied,`);
    } else if (span.start > sight.end) found.push(`increment ${mark} counts too early`);
  }
  for (const [mark, { status, end }] of story.increments) {
    if (status === "done" && end < sight.start && !marks.has(mark)) {
      found.push(`increment ${mark} is lost`);
    }
  }
  return found;
}

/** What is wrong with the flashes that were seen. */
function wrongFlashes(story: SessionStory, sight: Sight, texts: readonly string[]): string[] {
  const found: string[] = [];
  if (new Set(texts).size !== texts.length) {
    found.push(`a flash stands there twice: ${texts.join(" ")}`);
  }
  for (const [text, { added, removed }] of story.flashes) {
    if (texts.includes(text)) {
      if (added.status === "nothing" || added.start > sight.end) {
        found.push(`${text} was not added`);
      }
      const back = removed.find(({ status, end }) => status === "done" && end < sight.start);
      if (back && !added.isRepeated) {
        found.push(`${text} comes back after it was removed by ${back.end.toFixed(1)}`);
      }
    }
  }
  return [...found, ...lostFlashes(story, sight, texts)];
}

/** The flashes that should have been among these. */
function lostFlashes(
  story: SessionStory,
  { start, end }: { readonly start: number; readonly end: number },
  texts: readonly string[],
): string[] {
  const found: string[] = [];
  for (const [text, { added, removed }] of story.flashes) {
    if (texts.includes(text) || added.status !== "done" || added.end >= start) continue;
    const mayBeGone = [...removed, ...story.lostTakes]
      .some((removal) => removal.status !== "nothing" && removal.start <= end);
    if (!mayBeGone) found.push(`${text} is lost`);
  }
  return found;
}

/** Which outcomes of a backend were not true. */
export function falseOutcomes(
  asked: readonly Asked[],
  server: FakeServer,
  epoch: number,
  isResolvable: boolean,
): string[] {
  const found: string[] = [];
  const revs = server.revs();
  for (const one of asked) {
    const { write, outcome, start, end } = one;
    if (!outcome) continue;
    const key = textOf(write.key.bytes);
    const landed = "rev" in write && revs.has(textOf(write.rev));
    const said = outcome.status === "failed" ? outcome.error.outcome : outcome.status;
    const say = (what: string) =>
      found.push(
        `true outcomes: the ${write.kind} of ${start.toFixed(1)}–${
          end.toFixed(1)
        } is "${said}" and ${what}`,
      );
    const moments = momentsOf(server, key, start, end);
    const document = server.at(key);
    if (write.kind === "remove") {
      // An insert whose answer was lost may come later. No token leads to its record.
      const stoodThen = server.history.get(key)?.some(({ at }) => at <= start);
      if (said === "done" && document && stoodThen) say("its record stands");
    } else if (write.kind !== "touch") {
      if (said === "done" && !landed) say("was not applied");
      if (said !== "done" && said !== "unknown" && landed) say("was applied");
      const last = moments.at(-1)?.document;
      if (isResolvable && said === "unknown" && last && textOf(last["rev"]) === textOf(write.rev)) {
        say("its rev stands there to be seen");
      }
    }
    const expected = "expected" in write && write.expected ? textOf(write.expected) : "";
    if (
      said === "conflict" &&
      !moments.some(({ document: at }) => at && textOf(at["rev"]) !== expected)
    ) {
      say("no other rev ever stood there");
    }
    const isAbsent = ({ document: at, until }: { document: Fields | undefined; until: number }) =>
      !at || timeOf(at["expires"]) <= Math.floor(until + epoch);
    if (said === "gone" && !moments.some(isAbsent)) say("the record lived all the time");
    if (said === "exists") say("every key is new");
  }
  return found;
}

/** What stood at a key between two times, and until when each. */
function momentsOf(
  server: FakeServer,
  key: string,
  start: number,
  end: number,
): { document: Fields | undefined; until: number }[] {
  const moments = server.history.get(key) ?? [];
  const found: { document: Fields | undefined; until: number }[] = [];
  let document: Fields | undefined;
  let since = -1;
  for (const next of [...moments, { at: Infinity, document: undefined }]) {
    if (since <= end && next.at >= start) found.push({ document, until: Math.min(end, next.at) });
    ({ document, at: since } = next);
  }
  return found;
}
