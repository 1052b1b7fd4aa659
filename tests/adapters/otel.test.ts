import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { context, metrics, ROOT_CONTEXT, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Context, ContextManager } from "@opentelemetry/api";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import {
  createMemoryStore,
  createMongoStore,
  generateKey,
  memoryBackend,
  Store,
} from "#mongostore";
import type { SessionEvent } from "#mongostore";
import { otel } from "#mongostore/otel";
import { Browser } from "../support/browser.ts";
import { openDatabase } from "../support/mongo.ts";
import { Ambush, Outage } from "../support/backends.ts";
import { visit } from "../support/visit.ts";

interface Point {
  readonly value: unknown;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** What the SDK of Node has in a package of its own. */
class LocalContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();
  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }
  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    run: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(active, () => run.call(self, ...args));
  }
  bind<T>(_: Context, target: T): T {
    return target;
  }
  enable(): this {
    return this;
  }
  disable(): this {
    return this;
  }
}

/** An SDK that keeps everything in memory. */
function telemetry() {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  const spans = new InMemorySpanExporter();
  const tracerProvider = new BasicTracerProvider({
    spanProcessors: [new SimpleSpanProcessor(spans)],
  });
  return {
    meterProvider,
    tracerProvider,
    spans,
    /** The points of each metric, and everything of it as text. */
    async read(): Promise<
      { points: Map<string, Point[]>; units: Map<string, string>; text: string }
    > {
      await reader.forceFlush();
      const all = exporter.getMetrics().at(-1)?.scopeMetrics.flatMap((scope) => scope.metrics) ??
        [];
      return {
        points: new Map(all.map((one) => [
          one.descriptor.name,
          one.dataPoints.map(({ value, attributes }) => ({ value, attributes })),
        ])),
        units: new Map(all.map(({ descriptor: { name, unit } }) => [name, unit])),
        text: inspect([all, spans.getFinishedSpans()], { depth: 12 }),
      };
    },
    async stop(): Promise<void> {
      await meterProvider.shutdown();
      await tracerProvider.shutdown();
    },
  };
}

describe("the telemetry of events", () => {
  /** One of each. */
  const EVENTS: readonly SessionEvent[] = [
    { type: "load", name: "sid", found: true, ms: 2 },
    { type: "save", name: "sid", created: true, length: 70, ms: 3.5 },
    { type: "save", name: "sid", created: false, length: 80, ms: 3 },
    { type: "touch", name: "sid", ms: 1 },
    { type: "fail", operation: "load", name: "sid", reason: "STORE_UNAVAILABLE", ms: 5_000 },
    { type: "fail", operation: "write", name: "sid", reason: "SESSION_CONFLICT", ms: 40 },
    { type: "merge", name: "sid", tries: 3 },
    { type: "merge", name: "sid", tries: 1 },
    { type: "gone", name: "sid" },
    { type: "destroy", name: "sid" },
    { type: "regenerate", name: "sid" },
    { type: "legacy", reader: "iron-session", name: "sid" },
    { type: "reject", name: "sid", reason: "INVALID_TOKEN" },
    { type: "watch", mode: "poll", reason: "no" },
    { type: "watch", mode: "stream" },
    { type: "batch", operation: "write", size: 12, bytes: 900, ms: 7 },
  ];

  it("counts and measures each, under names and units of their own", async () => {
    const { read, stop, ...providers } = telemetry();
    const onEvent = otel(providers);
    for (const event of EVENTS) onEvent(event);
    const { points, units } = await read();
    const sums = (name: string) =>
      (points.get(name) ?? []).map(({ value, attributes }) => {
        const { "mongostore.session.name": _, ...rest } = attributes;
        const sum: unknown = typeof value === "object" && value ? Reflect.get(value, "sum") : value;
        return [sum, ...Object.values(rest)];
      });
    assert.deepEqual(Object.fromEntries([...units.keys()].map((name) => [name, sums(name)])), {
      "mongostore.session.load.duration": [[0.002, true], [5, "STORE_UNAVAILABLE"]],
      "mongostore.session.save.duration": [
        [0.0035, "create"],
        [0.003, "change"],
        [0.001, "touch"],
        [0.04, "SESSION_CONFLICT"],
      ],
      "mongostore.session.size": [[150]],
      "mongostore.batch.duration": [[0.007, "write"]],
      "mongostore.batch.size": [[12, "write"]],
      "mongostore.session.merges": [[2]],
      "mongostore.session.conflicts": [[2]],
      "mongostore.session.ends": [[1, "gone"], [1, "destroy"]],
      "mongostore.session.replacements": [[1]],
      "mongostore.session.takeovers": [[1, "iron-session"]],
      "mongostore.token.rejections": [[1, "INVALID_TOKEN"]],
      "mongostore.watch.streaming": [[1]],
    });
    assert.equal(units.get("mongostore.session.load.duration"), "s");
    assert.equal(units.get("mongostore.batch.size"), "{operation}");
    await stop();
  });

  it("gives the boundaries that suit a database", async () => {
    const { read, stop, ...providers } = telemetry();
    otel(providers)({ type: "load", name: "sid", found: true, ms: 2 });
    const { points } = await read();
    const [point] = points.get("mongostore.session.load.duration") ?? [];
    const text = inspect(point, { depth: 6 });
    assert.match(text, /boundaries: \[\s*0\.0005,\s*0\.001,\s*0\.005,/);
    await stop();
  });

  it("makes spans of what took time: as long as it took, and failed where it failed", async () => {
    const { spans, stop, ...providers } = telemetry();
    const onEvent = otel(providers);
    const before = Date.now();
    for (const event of EVENTS) onEvent(event);
    const finished = spans.getFinishedSpans();
    const durations = finished.map(({ name, duration: [seconds, nanos], status }) => [
      name,
      Math.round(seconds * 1e4 + nanos / 1e5) / 10,
      status.code === SpanStatusCode.ERROR,
    ]);
    assert.deepEqual(durations, [
      ["mongostore load", 2, false],
      ["mongostore save", 3.5, false],
      ["mongostore save", 3, false],
      ["mongostore save", 1, false],
      ["mongostore load", 5_000, true],
      ["mongostore save", 40, true],
    ]);
    for (const { endTime: [seconds, nanos] } of finished) {
      const end = seconds * 1_000 + nanos / 1e6;
      assert.ok(end >= before - 1 && end <= Date.now() + 1, "it ends now");
    }
    await stop();
  });

  it("goes to the global providers where none is given, and nowhere where there is none", async () => {
    otel()({ type: "gone", name: "sid" });
    const { read, stop, meterProvider, tracerProvider, spans } = telemetry();
    metrics.setGlobalMeterProvider(meterProvider);
    trace.setGlobalTracerProvider(tracerProvider);
    try {
      otel()({ type: "load", name: "sid", found: true, ms: 1 });
    } finally {
      metrics.disable();
      trace.disable();
    }
    assert.ok((await read()).points.has("mongostore.session.load.duration"));
    assert.equal(spans.getFinishedSpans().length, 1);
    await stop();
  });
});

describe("the telemetry of a store", () => {
  it("holds no token, id, key or value", async () => {
    const { read, stop, ...providers } = telemetry();
    const key = generateKey();
    const store = createMemoryStore({ keys: [key], onEvent: otel(providers) });
    const browser = new Browser();
    const { session } = await visit(store, browser, (made) => {
      made.values["secret"] = "a-private-value";
      made.subject = "ann";
      made.meta = "a-private-label";
    });
    await visit(store, browser, (same) => same.values["secret"] = "another-private-value");
    await visit(store, browser, (same) => same.regenerate());
    browser.present(`${browser.token?.slice(0, -4)}AAAA`);
    await visit(store, browser);
    const { text, points } = await read();
    assert.ok(points.has("mongostore.token.rejections"));
    assert.ok(points.has("mongostore.session.replacements"));
    const { id, token = "no token" } = session;
    for (const secret of [key, id, token, store.handleOf(session) ?? "", "private", "ann"]) {
      assert.ok(secret !== "" && !text.includes(secret), "a secret is told");
    }
    await store.close();
    await stop();
  });

  it("tells of outages and conflicts", async () => {
    const { read, stop, ...providers } = telemetry();
    const outage = new Outage();
    const backend = outage.around(memoryBackend());
    const store = new Store({ backend, keys: [generateKey()], onEvent: otel(providers) });
    const browser = new Browser();
    await visit(store, browser, (session) => session.values["a"] = 1);
    const request = browser.request();
    const session = await store.get(request, "session");
    outage.down = true;
    await assert.rejects(visit(store, browser));
    session.values["a"] = 2;
    await assert.rejects(store.save(request, new Response(), session));
    const { points } = await read();
    for (const kind of ["load", "save"]) {
      const all = points.get(`mongostore.session.${kind}.duration`) ?? [];
      const failed = all.filter(({ attributes }) =>
        attributes["error.type"] === "STORE_UNAVAILABLE"
      );
      assert.equal(failed.length, 1, kind);
    }
    await stop();
  });

  it("counts a write that another process had overtaken", async () => {
    const { read, stop, ...providers } = telemetry();
    const ambush = new Ambush();
    const backend = memoryBackend();
    const keys = [generateKey()];
    const onEvent = otel(providers);
    const mine = new Store({ backend: ambush.around(backend), keys, onEvent });
    const theirs = new Store({ backend, keys });
    const browser = new Browser();
    await visit(mine, browser, (session) => session.values["a"] = 1);
    ambush.before(
      ({ kind }) => kind === "update",
      () => visit(theirs, browser, (session) => session.values["b"] = 2),
    );
    await visit(mine, browser, (session) => session.values["a"] = 2);
    const { points } = await read();
    const [conflicts] = points.get("mongostore.session.conflicts") ?? [];
    assert.equal(conflicts?.value, 1);
    await stop();
  });

  it("has spans within the span that is active, however its requests went together", async () => {
    const { read, stop, spans, ...providers } = telemetry();
    const database = await openDatabase();
    const store = await createMongoStore(database.collection(), {
      keys: [generateKey()],
      onEvent: otel(providers),
    });
    const tracer = providers.tracerProvider.getTracer("test");
    context.setGlobalContextManager(new LocalContexts());
    try {
      await Promise.all(Array.from({ length: 20 }, (_, i) => {
        const span = tracer.startSpan(`request ${i}`);
        return context.with(trace.setSpan(context.active(), span), async () => {
          const browser = new Browser(`s${i}`);
          const values = { a: 1 };
          await visit(store, browser, (session) => session.values = values, `s${i}`);
          await visit(store, browser, () => undefined, `s${i}`);
          span.end();
        });
      }));
    } finally {
      context.disable();
    }
    const { points } = await read();
    assert.ok(points.has("mongostore.batch.size"));
    const finished = spans.getFinishedSpans();
    const requests = new Map(finished.map((span) => [span.spanContext().spanId, span.name]));
    const own = finished.filter(({ name }) => name.startsWith("mongostore"));
    assert.equal(own.length, 40, "a save and a load of each");
    for (const { attributes, parentSpanContext } of own) {
      const parent = requests.get(parentSpanContext?.spanId ?? "");
      assert.equal(parent?.replace("request ", "s"), attributes["mongostore.session.name"]);
    }
    await store.close();
    await database.close();
    await stop();
  });
});
