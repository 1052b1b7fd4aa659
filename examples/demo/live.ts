import type { Markup } from "./html.ts";

/** How often an open page hears of changes at most, in milliseconds. */
const PACE = 200;

/** Keeps proxies and idle timeouts from closing a quiet stream, in milliseconds. */
const HEARTBEAT = 5_000;

/** How many messages may wait for a page that does not read; then its stream ends, and the page asks again. */
const MOST_WAITING = 100;

/** A page that listens. */
export interface Listener {
  /** Sends an event of this name. The data stands on one line. */
  send(event: string, data?: string): void;
  /** Ends the stream. A browser asks again unless the page has closed its end. */
  end(): void;
}

/** Keeps open pages up to date with server-sent events: sends each part of a page anew when it has changed. */
export class Live {
  readonly #parts: Readonly<Record<string, () => Markup>>;
  readonly #streams = new Set<Stream>();
  readonly #changed = new Set<string>();
  #pacing: ReturnType<typeof setTimeout> | undefined;
  #beating: ReturnType<typeof setInterval> | undefined;

  /** Takes, by name, what renders the parts. */
  constructor(parts: Readonly<Record<string, () => Markup>>) {
    this.#parts = parts;
  }

  /** Opens a stream for one page. `begin` hears of it and gives what is to be done at its end. */
  open(request: Request, begin: (listener: Listener) => (() => void) | undefined): Response {
    const stream = new Stream((ended) => {
      this.#streams.delete(ended);
      if (this.#streams.size === 0) clearInterval(this.#beating);
    });
    if (this.#streams.size === 0) {
      this.#beating = setInterval(() => {
        for (const open of this.#streams) open.write(": still here\n\n");
      }, HEARTBEAT);
    }
    this.#streams.add(stream);
    stream.write("retry: 300\n\n");
    for (const part of Object.keys(this.#parts)) this.#sendPart(part, [stream]);
    stream.onEnd = begin(stream);
    request.signal.addEventListener("abort", () => stream.end());
    return new Response(stream.body, {
      headers: { "Content-Type": "text/event-stream", "Cache-Control": "no-store" },
    });
  }

  /** A part has to be rendered anew. */
  change(part: string): void {
    if (this.#streams.size === 0) return;
    this.#changed.add(part);
    this.#pacing ??= setTimeout(() => {
      this.#pacing = undefined;
      for (const name of this.#changed) this.#sendPart(name, this.#streams);
      this.#changed.clear();
    }, PACE);
  }

  /** Ends every stream. */
  close(): void {
    clearTimeout(this.#pacing);
    this.#pacing = undefined;
    for (const stream of this.#streams) stream.end();
  }

  #sendPart(name: string, streams: Iterable<Stream>): void {
    const data = this.#parts[name]?.().text;
    for (const stream of streams) stream.send(name, data);
  }
}

/** The stream of one page. */
class Stream implements Listener {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  onEnd: (() => void) | undefined;
  readonly #encoder = new TextEncoder();
  readonly #onEnd: (stream: Stream) => void;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;

  constructor(onEnd: (stream: Stream) => void) {
    this.#onEnd = onEnd;
    this.body = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      cancel: () => this.#leave(),
    });
  }

  send(event: string, data = ""): void {
    this.write(`event: ${event}\ndata: ${data.replaceAll(/\s*\n\s*/g, " ")}\n\n`);
  }

  write(text: string): void {
    if (!this.#controller) return;
    this.#controller.enqueue(this.#encoder.encode(text));
    if ((this.#controller.desiredSize ?? 0) < -MOST_WAITING) this.end();
  }

  end(): void {
    this.#controller?.close();
    this.#leave();
  }

  #leave(): void {
    if (!this.#controller) return;
    this.#controller = undefined;
    this.#onEnd(this);
    this.onEnd?.();
  }
}
