import type { Backend } from "../../src/backend/backend.ts";
import { batched } from "../../src/backend/batch.ts";
import { mongodbBackend } from "../../src/backend/mongodb.ts";
import { SessionConflictError, SessionGoneError, StoreUnavailableError } from "../../src/errors.ts";
import { encodePayload, readPayload } from "../../src/payload.ts";
import type { Payload } from "../../src/payload.ts";
import { draftOf, stateOf } from "../../src/session.ts";
import type { Session } from "../../src/session.ts";
import { Store } from "../../src/store.ts";
import type { Presented, RequestLike, Transport } from "../../src/transport/transport.ts";
import {
  CALM,
  FakeCollection,
  type Fault,
  FAULTS,
  latestOf,
  type Weather,
} from "./fake-collection.ts";
import { FakeServer } from "./fake-server.ts";
import type { Asked, Limits, Regeneration, Span, Status } from "./model.ts";
import { falseOutcomes, SessionStory, violationsOf } from "./model.ts";
import { Random } from "./random.ts";
import { Scheduler } from "./scheduler.ts";

/** What came of one schedule. */
export interface Report {
  readonly seed: number;
  /** The guarantees that were broken, and how. */
  readonly violations: readonly string[];
  /** What happened, line by line, where it was asked for. */
  readonly trace: readonly string[];
  /** How often each thing happened: what the schedules exercise. */
  readonly tally: ReadonlyMap<string, number>;
}

interface Values {
  count?: number;
  log?: string[];
  [key: string]: unknown;
}

/** How long a store's operation may take, in milliseconds. */
const TIMEOUT = 1_000;
/** How long after its deadline it may be answered: deadlines are looked at every 50 ms, and the backend has 25 ms to say what it knows. */
const SWEEP = 75;
/** More events than any schedule needs. */
const MOST_EVENTS = 100_000;

const NAME = "sid";
const OWNER = "ann";
const KEYS = ["the secret of the simulation, of 32 bytes or more"];
const HEADERS = new Headers();

/** One request of a client, and what the response told it. */
class SimRequest implements RequestLike {
  readonly headers = { get: () => null };
  readonly url = "https://simulation.example/";
  readonly token: string | undefined;
  /** What the last response said of the token: a new one, or to forget it. */
  answer: { readonly token: string } | "clear" | undefined;

  constructor(token: string | undefined) {
    this.token = token;
  }
}

/** Carries tokens in objects: there is no HTTP here. */
const TRANSPORT: Transport = {
  ambient: false,
  read(request): Presented | undefined {
    if (!(request instanceof SimRequest) || request.token === undefined) return undefined;
    return { channel: TRANSPORT, tokens: [request.token] };
  },
  write(_, token, { request }) {
    if (request instanceof SimRequest) request.answer = { token };
  },
  clear(_, { request }) {
    if (request instanceof SimRequest) request.answer = "clear";
  },
  annotate() {},
  check() {},
};

/** Runs the schedule of a seed and checks it. The same seed gives the same schedule, on every runtime. */
export async function simulate(seed: number, isTraced = false): Promise<Report> {
  const world = new World(seed, isTraced);
  return await world.run();
}

/** One process of the application. */
interface Process {
  readonly name: string;
  readonly store: Store<Values>;
  closing: number | undefined;
}

/** One request on its way, with what it has changed and not saved. */
interface Visit {
  readonly name: string;
  readonly process: Process;
  readonly story: SessionStory;
  readonly request: SimRequest;
  readonly session: Session<Values>;
  /** The flashes that the session object has given out. */
  readonly shown: string[];
  pending: Span[];
  regenerates: boolean;
}

class World {
  readonly #seed: number;
  readonly #random: Random;
  readonly #scheduler: Scheduler;
  readonly #server: FakeServer;
  readonly #collection: FakeCollection;
  readonly #weather: Weather;
  readonly #limits: Limits;
  readonly #epoch: number;
  readonly #touchAfter: number | undefined;
  readonly #processes: Process[] = [];
  readonly #stories: SessionStory[] = [];
  readonly #asked: Asked[] = [];
  readonly #violations: string[] = [];
  readonly #trace: string[] = [];
  readonly #tally = new Map<string, number>();
  /** The operations that have not settled. */
  readonly #open = new Set<string>();
  /** Only answers are lost, so that what stands in the database can always be seen. */
  readonly #isResolvable: boolean;
  readonly #say: ((line: string) => void) | undefined;
  #names = 0;

  constructor(seed: number, isTraced: boolean) {
    this.#seed = seed;
    const random = this.#random = new Random(seed);
    const scheduler = this.#scheduler = new Scheduler(random);
    this.#say = isTraced
      ? (line) => void this.#trace.push(`${scheduler.now.toFixed(1).padStart(8)} ${line}`)
      : undefined;
    this.#epoch = 1_767_225_600_000 + random.below(1_000);
    this.#isResolvable = random.chance(0.15);
    this.#weather = this.#isResolvable
      ? { ...CALM, latency: [1, 10], faults: { dropped: random.pick([0.1, 0.3]) } }
      : weatherOf(random);
    this.#limits = {
      idle: 10_000,
      lifetime: 25_000,
      grace: random.pick([0, 0, 2_000]),
      latest: latestOf(this.#weather),
      slack: TIMEOUT,
    };
    this.#touchAfter = random.pick([0, undefined]);
    this.#server = new FakeServer(scheduler, random, this.#epoch, this.#say);
    this.#collection = new FakeCollection(this.#server, scheduler, random, CALM, this.#say);
  }

  async run(): Promise<Report> {
    const [random, scheduler] = [this.#random, this.#scheduler];
    for (let i = random.pick([1, 2, 2]); i > 0; i--) this.#processes.push(this.#process(`p${i}`));
    for (let i = random.pick([1, 1, 1, 1, 2, 3]); i > 0; i--) {
      this.#stories.push(new SessionStory(`s${i}`));
    }
    this.#note("create", ...this.#stories.map((story) => this.#create(story)));
    await this.#settle();
    this.#collection.weather = this.#weather;
    this.#server.lag = this.#isResolvable ? 1 : random.pick([1, 50, 1_000]);
    this.#say?.(`weather ${JSON.stringify(this.#weather)}, grace ${this.#limits.grace}`);
    const span = random.pick([0, 0, 5, 30, 300, 3_000, 24_000]);
    for (let i = random.pick([2, 2, 2, 3, 3, 4]); i > 0; i--) {
      scheduler.after(random.unit() * span, () => this.#note("visit", this.#visit(`r${i}`)));
    }
    for (let i = this.#isResolvable ? 0 : random.pick([0, 0, 0, 1, 2]); i > 0; i--) {
      scheduler.after(random.unit() * (span + 40), () => this.#server.stepDown());
    }
    if (span > 1_000) scheduler.after(random.unit() * span * 1.5, () => this.#server.sweep());
    if (random.chance(0.15)) {
      scheduler.after(random.unit() * (span + 20), () => this.#note("close", this.#close()));
    }
    await this.#settle();
    // Everything that was under way has arrived. What does the database hold now?
    this.#collection.weather = CALM;
    this.#say?.("all is quiet");
    const reader = this.#processes.find(({ closing }) => closing === undefined) ??
      this.#process("reader");
    for (const story of this.#stories) {
      this.#note("read", ...story.tokens.map(({ text }) => this.#read(reader, story, text)));
    }
    await this.#settle();
    this.#check();
    return {
      seed: this.#seed,
      violations: this.#violations,
      trace: this.#trace,
      tally: this.#tally,
    };
  }

  /** Runs until nothing is left to do. */
  async #settle(): Promise<void> {
    try {
      await this.#scheduler.run(MOST_EVENTS);
    } catch (error) {
      this.#violations.push(`everything settles: ${String(error)}`);
    }
    for (const name of this.#open) this.#violations.push(`everything settles: ${name} did not`);
    this.#open.clear();
  }

  /** Looks after something that runs by itself. */
  #note(name: string, ...running: Promise<unknown>[]): void {
    for (const one of running) {
      one.catch((error: unknown) => {
        const why = error instanceof Error ? error.stack : String(error);
        this.#violations.push(`no other errors: ${name} failed with ${why}`);
      });
    }
  }

  #process(name: string): Process {
    const [random, scheduler] = [this.#random, this.#scheduler];
    const minutes = random.between(-10, 10);
    const clock = scheduler.clock(this.#epoch + minutes * 60_000, random.below(1_000_000));
    const plain = mongodbBackend(this.#collection, { clock });
    const options = random.pick([{}, {}, { maxBatch: 2 }, { maxQueue: 2 }]);
    const backend = random.chance(0.2) ? plain : batched(plain, { clock, ...options });
    this.#say?.(`${name} begins, its clock off by ${minutes} minutes`);
    const { idle, lifetime, grace } = this.#limits;
    const store = new Store<Values>({
      backend: this.#observed(backend),
      keys: KEYS,
      data: "plain",
      token: TRANSPORT,
      maxAge: idle / 1_000,
      lifetime: lifetime / 1_000,
      grace: grace / 1_000,
      ...(this.#touchAfter === undefined ? {} : { touchAfter: this.#touchAfter }),
      timeoutMS: TIMEOUT,
      clock,
      random: (length) => random.bytes(length),
      onEvent: ({ type }) => this.#count(`event ${type}`),
    });
    return { name, store, closing: undefined };
  }

  /** The backend, with a record of what it is asked and answers. */
  #observed(backend: Backend): Backend {
    return {
      load: (keys, call) => backend.load(keys, call),
      list: (subject, limit, call) => backend.list(subject, limit, call),
      scan: (...asked) => backend.scan(...asked),
      remove: (selection, call) => backend.remove(selection, call),
      now: (call) => backend.now(call),
      close: (call) => backend.close(call),
      write: async (writes, call) => {
        const start = this.#scheduler.now;
        const asked = writes.map((write): Asked => ({
          write,
          start,
          end: start,
          outcome: undefined,
        }));
        this.#asked.push(...asked);
        const outcomes = await backend.write(writes, call);
        for (const [i, one] of asked.entries()) {
          one.outcome = outcomes[i];
          one.end = this.#scheduler.now;
          this.#count(`outcome ${one.write.kind} ${one.outcome?.status}`);
        }
        return outcomes;
      },
    };
  }

  /** A session that stands before anything goes wrong. */
  async #create(story: SessionStory): Promise<void> {
    const { store } = this.#anyProcess();
    const request = new SimRequest(undefined);
    const session = await store.get(request, NAME);
    const span = this.#begun();
    if (this.#random.chance(0.5)) {
      session.subject = OWNER;
      story.owned.push(span);
    }
    for (const key of ["a", "b"]) {
      session.values[key] = `${key}0`;
      story.set(key, `${key}0`, span);
    }
    if (this.#random.chance(0.5)) {
      const text = this.#name("f");
      session.addFlash(text);
      story.flashes.set(text, { added: span, removed: [], taken: 0 });
    }
    await store.save(request, HEADERS, session);
    Object.assign(span, { end: this.#scheduler.now, status: "done" });
    story.created = span;
    story.writes.push(span);
    story.slides.push(span);
    if (typeof request.answer === "object") {
      story.tokens.push({ text: request.answer.token, given: span.end });
    }
  }

  /** One request: finds its session and does a few things with it. */
  async #visit(name: string): Promise<void> {
    const random = this.#random;
    const process = this.#anyProcess();
    const story = this.#stories[random.below(this.#stories.length)];
    if (!story) return;
    const { tokens } = story;
    const isOld = random.chance(0.2);
    const token = tokens[isOld ? random.below(tokens.length) : tokens.length - 1]?.text;
    if (token === undefined) return;
    const visit = await this.#load(name, process, story, token);
    for (let steps = visit ? random.pick([1, 1, 1, 2, 3]) : 0; steps > 0; steps--) {
      if (visit && !(await this.#step(visit))) return;
      if (random.chance(0.5)) {
        await this.#scheduler.sleep(random.unit() * random.pick([5, 50, 3_000, 14_000]));
      }
    }
  }

  async #load(
    name: string,
    process: Process,
    story: SessionStory,
    token: string,
  ): Promise<Visit | undefined> {
    const start = this.#scheduler.now;
    const request = new SimRequest(token);
    let session: Session<Values> | undefined;
    const span = await this.#run(
      `${name}: load ${story.name} at ${process.name}`,
      process,
      async () => {
        session = await process.store.get(request, NAME);
      },
    );
    if (!session || span.status !== "done") return undefined;
    const { error } = session;
    const seen = session.isNew ? undefined : {
      values: { ...session.values },
      flashes: draftOf(session).payload.flashes.map(({ value }) => String(value)),
    };
    const { end } = span;
    const reason = error?.code ?? "it was not even asked for";
    story.sights.push({ token, start, end, seen, reason });
    this.#say?.(`${name}: sees ${seen ? JSON.stringify(seen) : reason}`);
    this.#count(seen ? "loads" : "loads of nothing");
    if (session.isNew) return undefined;
    const regenerates = false;
    return { name, process, story, request, session, shown: [], pending: [], regenerates };
  }

  async #read(process: Process, story: SessionStory, token: string): Promise<void> {
    await this.#load("end", process, story, token);
  }

  /** Does one thing with a session; false where the request ends with it. */
  async #step(visit: Visit): Promise<boolean> {
    const random = this.#random;
    switch (random.below(13)) {
      case 0:
      case 1:
      case 2:
      case 3:
        for (let i = random.between(1, 2); i > 0; i--) this.#change(visit);
        return await this.#save(visit);
      case 4:
      case 5:
      case 6:
        return await this.#update(visit);
      case 7:
      case 8:
        return await this.#take(visit);
      case 9:
        return await this.#save(visit);
      case 10:
        if (random.chance(0.5)) this.#change(visit);
        if (random.chance(0.3)) this.#own(visit);
        visit.session.regenerate();
        visit.regenerates = true;
        return await this.#save(visit);
      case 11:
        return random.chance(0.4) ? await this.#destroy(visit) : await this.#update(visit);
      default:
        return random.chance(0.4) ? await this.#revokeAll(visit) : await this.#save(visit);
    }
  }

  /** Changes the session object; the next save writes it. */
  #change(visit: Visit): void {
    const { session, story, name } = visit;
    const random = this.#random;
    const span = this.#planned();
    const shared = random.pick(["a", "b"]);
    switch (random.below(5)) {
      case 0: {
        const key = this.#name("own");
        session.values[key] = key;
        story.set(key, key, span);
        this.#say?.(`${name}: sets ${key}`);
        break;
      }
      case 1: {
        const value = this.#name(shared);
        session.values[shared] = value;
        story.set(shared, value, span);
        this.#say?.(`${name}: sets ${shared} to ${value}`);
        break;
      }
      case 2:
        // What the record does not have cannot be deleted from it.
        if (!(shared in session.values) || !(shared in (stored(session)?.values ?? {}))) return;
        delete session.values[shared];
        story.set(shared, undefined, span);
        this.#say?.(`${name}: deletes ${shared}`);
        break;
      case 3: {
        const text = this.#name("f");
        session.addFlash(text);
        story.flashes.set(text, { added: span, removed: [], taken: 0 });
        this.#say?.(`${name}: adds ${text}`);
        break;
      }
      default: {
        const texts = session.flashes().map(String);
        if (texts.length === 0) return;
        for (const text of texts) story.flash(text)?.removed.push(span);
        visit.shown.push(...texts);
        this.#say?.(`${name}: reads ${texts.join(" ")}`);
      }
    }
    visit.pending.push(span);
  }

  #own({ session, story, pending }: Visit): void {
    if (session.subject === OWNER) return;
    session.subject = OWNER;
    const span = this.#planned();
    story.owned.push(span);
    pending.push(span);
  }

  async #save(visit: Visit): Promise<boolean> {
    const { process, request, session, story, name, regenerates } = visit;
    const pending = visit.pending;
    const regeneration: Regeneration = { span: this.#planned(), token: undefined };
    if (regenerates) story.regenerations.push(regeneration);
    for (const span of pending) if (span.start === Infinity) span.start = this.#scheduler.now;
    regeneration.span.start = this.#scheduler.now;
    request.answer = undefined;
    const isChange = isChanged(session);
    const what = `${name}: save ${regenerates ? "under a new id " : ""}at ${process.name}`;
    const saving = this.#run(what, process, async () => {
      await process.store.save(request, HEADERS, session);
      if (request.answer === "clear") throw new SessionGoneError("the token was cleared");
    });
    // The application may go on changing the session while it is being saved.
    const isBusy = this.#random.chance(0.1);
    if (isBusy) {
      visit.pending = [];
      const span = this.#planned();
      const key = this.#name("own");
      session.values[key] = key;
      story.set(key, key, span);
      visit.pending.push(span);
      this.#say?.(`${name}: sets ${key} meanwhile`);
    }
    const span = await saving;
    this.#conclude(pending, span);
    this.#conclude([regeneration.span], span);
    if (!isBusy) visit.pending = span.status === "done" ? [] : pending;
    else if (span.status !== "done") visit.pending.push(...pending);
    story.slides.push(span);
    visit.regenerates = regenerates && span.status !== "done";
    if (regenerates) this.#count(`regenerate ${span.status}`);
    this.#receive(visit, span, regeneration);
    if (isChange || regeneration.token !== undefined && regeneration.span.status === "done") {
      story.writes.push(span);
    }
    if (span.status === "done") return true;
    return request.answer !== "clear" && this.#random.chance(0.6) ? await this.#save(visit) : false;
  }

  /** Notes the token that a response brought. */
  #receive(
    { request, story, session }: Visit,
    span: Span,
    regeneration: Regeneration,
  ): void {
    if (span.status !== "done") return;
    const token = typeof request.answer === "object" ? request.answer.token : undefined;
    if (token !== undefined && session.token !== token) {
      this.#violations.push("tokens: the response has another token than the session");
    }
    regeneration.token = token;
    if (token !== undefined && story.tokens.every(({ text }) => text !== token)) {
      story.tokens.push({ text: token, given: span.end });
    } else {
      // Who joined by a replaced token cannot replace the id.
      regeneration.span.status = "nothing";
    }
  }

  async #update(visit: Visit): Promise<boolean> {
    const { process, session, story, name } = visit;
    const mark = this.#name("m");
    const span = await this.#run(
      `${name}: increment ${mark} at ${process.name}`,
      process,
      async () => {
        await session.update((values) => {
          values.count = (values.count ?? 0) + 1;
          values.log = [...values.log ?? [], mark];
        });
      },
    );
    story.increments.set(mark, span);
    story.writes.push(span);
    story.slides.push(span);
    return span.status === "done";
  }

  async #take(visit: Visit): Promise<boolean> {
    const { process, session, story, name } = visit;
    let texts: readonly string[] = [];
    const span = await this.#run(`${name}: take at ${process.name}`, process, async () => {
      texts = (await session.takeFlashes()).map(String);
    });
    story.slides.push(span);
    if (span.status === "unknown") story.lostTakes.push(span);
    if (span.status !== "done") return false;
    this.#say?.(`${name}: takes ${texts.join(" ")}`);
    // What the session object has shown already is taken and not given out again.
    for (const text of visit.shown) story.flash(text)?.removed.push(span);
    for (const text of texts) {
      const flash = story.flash(text);
      if (!flash) continue;
      flash.taken++;
      flash.removed.push(span);
      this.#count("flashes taken");
    }
    story.takes.push({ start: span.start, end: span.end, texts });
    if (texts.length > 0) story.writes.push(span);
    return true;
  }

  async #destroy(visit: Visit): Promise<boolean> {
    const { process, session, story, name } = visit;
    const by = session.token ?? visit.request.token;
    const span = await this.#run(
      `${name}: destroy at ${process.name}`,
      process,
      () => session.destroy(),
    );
    story.endings.push({ span, by, isSpared: false });
    return false;
  }

  async #revokeAll(visit: Visit): Promise<boolean> {
    const { process, session, name, story } = visit;
    const isSparing = this.#random.chance(0.4);
    const span = await this.#run(`${name}: revoke all at ${process.name}`, process, async () => {
      await process.store.revokeAll(OWNER, isSparing ? { except: session } : {});
    });
    for (const other of this.#stories) {
      const isSpared = isSparing && other === story;
      other.endings.push({ span, by: undefined, isSpared });
    }
    return true;
  }

  async #close(): Promise<void> {
    const process = this.#anyProcess();
    const start = this.#scheduler.now;
    this.#say?.(`${process.name} closes`);
    const before = new Set([...this.#open].filter((name) => name.endsWith(` at ${process.name}`)));
    const closing = process.store.close();
    process.closing = start;
    const name = `close of ${process.name}`;
    this.#open.add(name);
    try {
      await closing;
      this.#count("close done");
      await this.#scheduler.sleep(0);
      const left = [...this.#open].filter((other) =>
        before.has(other) && !other.includes(" load ")
      );
      for (const other of left) this.#violations.push(`close waits: ${other} was still under way`);
    } catch (error) {
      this.#count("close late");
      if (!(error instanceof StoreUnavailableError)) throw error;
    } finally {
      this.#open.delete(name);
    }
    this.#onTime(name, start);
  }

  /** Runs one operation of a store and tells what became of it. */
  async #run(name: string, process: Process, work: () => Promise<void>): Promise<Span> {
    const span = this.#begun();
    this.#open.add(name);
    this.#say?.(`${name} …`);
    let why: unknown;
    try {
      await work();
      span.status = "done";
    } catch (error) {
      why = error;
      span.status = statusOf(error);
      if (span.status === "open") {
        this.#violations.push(`no other errors: ${name}: ${String(error)}`);
      }
    }
    this.#open.delete(name);
    span.end = this.#scheduler.now;
    this.#say?.(
      `${name} → ${span.status}${why instanceof Error ? ` (${why.name}: ${why.message})` : ""}`,
    );
    this.#count(`${name.split(" ")[1]} ${span.status}`);
    this.#onTime(name, span.start);
    if (
      process.closing !== undefined && process.closing < span.start && span.status !== "nothing"
    ) {
      this.#violations.push(`close refuses: ${name} began after the store was closed`);
    }
    return span;
  }

  #onTime(name: string, start: number): void {
    const took = this.#scheduler.now - start;
    if (took > TIMEOUT + SWEEP + 1) {
      this.#violations.push(`everything settles: ${name} took ${took.toFixed(1)} ms`);
    }
  }

  /** Carries what became of a save over to what it was to save. */
  #conclude(spans: readonly Span[], { status, end }: Span): void {
    for (const span of spans) {
      if (span.status === "unknown") span.isRepeated = true;
      if (span.status !== "unknown" || status === "done") Object.assign(span, { status, end });
    }
  }

  #check(): void {
    const { misuse } = this.#server;
    this.#violations.push(
      ...misuse.map((what) => `the server: ${what}`),
      ...this.#stories.flatMap((story) => violationsOf(story, this.#limits)),
      ...falseOutcomes(this.#asked, this.#server, this.#epoch, this.#isResolvable),
    );
  }

  #begun(): Span {
    return { start: this.#scheduler.now, end: Infinity, status: "open" };
  }

  /** Something that a later save will write. Until then it is nothing. */
  #planned(): Span {
    return { start: Infinity, end: Infinity, status: "open" };
  }

  #anyProcess(): Process {
    const process = this.#processes[this.#random.below(this.#processes.length)];
    if (!process) throw new Error("there is no process");
    return process;
  }

  #name(prefix: string): string {
    return `${prefix}${++this.#names}`;
  }

  #count(what: string): void {
    this.#tally.set(what, (this.#tally.get(what) ?? 0) + 1);
  }
}

/** What a session object holds of its record. */
function stored(session: Session<Values>): Payload | undefined {
  const { snapshot } = stateOf(session);
  return snapshot && readPayload(snapshot.text);
}

/** Whether a save has anything to write. */
function isChanged(session: Session<Values>): boolean {
  const [{ payload, subject }, { snapshot }] = [draftOf(session), stateOf(session)];
  return encodePayload(payload, subject) !== snapshot?.text || subject !== snapshot.subject;
}

/** What an error says about what was asked for; `open` where it says nothing. */
function statusOf(error: unknown): Status {
  if (error instanceof StoreUnavailableError) {
    return error.outcome === "unknown" ? "unknown" : "nothing";
  }
  const isNothing = error instanceof SessionGoneError || error instanceof SessionConflictError;
  return isNothing ? "nothing" : "open";
}

/** A network: each kind of fault is there in half of them, so that no kind hides another. */
function weatherOf(random: Random): Weather {
  const faults: Partial<Record<Fault, number>> = {};
  const rate = random.pick([0, 0.05, 0.15, 0.3]);
  const some = FAULTS.filter(() => random.chance(0.5));
  for (const fault of some) faults[fault] = rate / some.length;
  return {
    latency: random.pick([[1, 2], [1, 20], [5, 100]]),
    slow: random.pick([0, 0, 0.1]),
    slowest: random.pick([300, 3_000]),
    faults,
    isDeaf: random.chance(0.5),
    latest: random.pick([20, 200, 3_000]),
  };
}
