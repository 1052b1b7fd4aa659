import { metrics, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Attributes, HrTime, MeterProvider, TracerProvider } from "@opentelemetry/api";
import type { EventHandler, SessionEvent } from "../events.ts";

/** Where {@linkcode otel} sends what it makes. */
export interface OtelOptions {
  /** Makes the metrics. Default: the one that is registered globally when `otel` is called. */
  readonly meterProvider?: MeterProvider;
  /** Makes the spans. Default: the one that is registered globally. */
  readonly tracerProvider?: TracerProvider;
}

/** The name of the instrumentation scope. */
const SCOPE = "mongostore";

/** In seconds: the boundaries that OpenTelemetry advises for calls of a database, and one below them. */
const SECONDS: number[] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10];
const CHARACTERS: number[] = [64, 256, 1_024, 4_096, 16_384, 65_536, 262_144];
const OPERATIONS: number[] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000];

/**
 * Turns the events of a store into metrics and spans of OpenTelemetry: give it as `onEvent`. Nothing that it tells holds a
 * token, an id, a key or a value; of a session it tells the name. Spans belong to whatever span is active where the store is
 * called. Batches have no spans, because they belong to many requests. It needs the package `@opentelemetry/api`, 1.9 or later.
 *
 * @example
 * ```ts
 * import { createMemoryStore, generateKey } from "mongostore";
 * import { otel } from "mongostore/otel";
 *
 * const store = createMemoryStore({ keys: [generateKey()], onEvent: otel() });
 * console.log((await store.get(new Request("https://shop.example/"))).isNew); // true
 * ```
 */
export function otel(options: OtelOptions = {}): EventHandler {
  const meter = (options.meterProvider ?? metrics).getMeter(SCOPE);
  const tracer = (options.tracerProvider ?? trace).getTracer(SCOPE);

  const histogram = (
    name: string,
    unit: string,
    explicitBucketBoundaries: number[],
    description: string,
  ) =>
    meter.createHistogram(`mongostore.${name}`, {
      description,
      unit,
      advice: { explicitBucketBoundaries },
    });
  const counter = (name: string, unit: string, description: string) =>
    meter.createCounter(`mongostore.${name}`, { description, unit });

  const loads = histogram(
    "session.load.duration",
    "s",
    SECONDS,
    "Time to look up the session of a request.",
  );
  const saves = histogram("session.save.duration", "s", SECONDS, "Time to save a session.");
  const size = histogram(
    "session.size",
    "{character}",
    CHARACTERS,
    "Length of a saved session, serialized.",
  );
  const batches = histogram(
    "batch.duration",
    "s",
    SECONDS,
    "Time the database took for operations that went together.",
  );
  const batchSize = histogram(
    "batch.size",
    "{operation}",
    OPERATIONS,
    "Operations that went to the database together.",
  );
  const merges = counter("session.merges", "{merge}", "Saves merged with another request's.");
  const conflicts = counter("session.conflicts", "{write}", "Writes that another had overtaken.");
  const ends = counter("session.ends", "{session}", "Sessions destroyed, or found gone by a save.");
  const replacements = counter("session.replacements", "{session}", "Session ids replaced.");
  const takeovers = counter(
    "session.takeovers",
    "{session}",
    "Sessions of older systems taken on.",
  );
  const rejections = counter("token.rejections", "{token}", "Tokens that were not accepted.");
  const streaming = meter.createGauge("mongostore.watch.streaming", {
    description: "1 where watched sessions are followed by a change stream, 0 where by polling.",
    unit: "1",
  });

  /** Records what took so many milliseconds until now. */
  const timed = (kind: "load" | "save", ms: number, attributes: Attributes) => {
    (kind === "load" ? loads : saves).record(ms / 1000, attributes);
    const end = Date.now();
    const startTime = hrTime(end - ms);
    const span = tracer.startSpan(`mongostore ${kind}`, {
      kind: SpanKind.INTERNAL,
      startTime,
      attributes,
    });
    if (attributes["error.type"] !== undefined) span.setStatus({ code: SpanStatusCode.ERROR });
    span.end(hrTime(end));
  };

  return (event: SessionEvent) => {
    if (event.type === "batch") {
      const attributes = { "mongostore.batch.operation": event.operation };
      batches.record(event.ms / 1000, attributes);
      return batchSize.record(event.size, attributes);
    }
    if (event.type === "watch") return streaming.record(event.mode === "stream" ? 1 : 0);
    const named = { "mongostore.session.name": event.name };
    switch (event.type) {
      case "load":
        return timed("load", event.ms, { ...named, "mongostore.session.found": event.found });
      case "save": {
        const kind = event.created ? "create" : "change";
        size.record(event.length, named);
        return timed("save", event.ms, { ...named, "mongostore.save.kind": kind });
      }
      case "touch":
        return timed("save", event.ms, { ...named, "mongostore.save.kind": "touch" });
      case "fail": {
        const kind = event.operation === "load" ? "load" : "save";
        return timed(kind, event.ms, { ...named, "error.type": event.reason });
      }
      case "merge":
        if (event.tries > 1) conflicts.add(event.tries - 1, named);
        return merges.add(1, named);
      case "gone":
      case "destroy":
        return ends.add(1, { ...named, "mongostore.session.end": event.type });
      case "regenerate":
        return replacements.add(1, named);
      case "legacy":
        return takeovers.add(1, { ...named, "mongostore.legacy.reader": event.reader });
      case "reject":
        return rejections.add(1, { ...named, "error.type": event.reason });
    }
  };
}

/** Milliseconds since 1970 as OpenTelemetry takes them without taking them for something else. */
function hrTime(ms: number): HrTime {
  const seconds = Math.floor(ms / 1000);
  return [seconds, Math.floor((ms - seconds * 1000) * 1_000_000)];
}
