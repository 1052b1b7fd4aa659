import { decodeInto, encodeBase64Url } from "../base64url.ts";
import type { RecordKey, StoredRecord, Write } from "./backend.ts";

/** The length of a record's `_id`, in bytes. */
const KEY_LENGTH = 20;
/** The length of a `rev` that remembers none before it, in bytes. */
const REV_LENGTH = 8;
/** How many revs a record remembers beside its own. */
const REMEMBERED = 8;

/**
 * A record as MongoDB keeps it. Bytes go in as `Uint8Array`, which the driver stores as Binary, and come
 * back as bytes because reads promote buffers.
 */
export interface RecordDocument {
  _id: Uint8Array;
  name: string;
  data: Uint8Array | string;
  rev: Uint8Array;
  created: Date;
  modified: Date;
  expires: Date;
  subject?: string;
}

/** Makes the key of a record from the 20 bytes of its `_id`, which from then on nobody changes. */
export function recordKey(bytes: Uint8Array<ArrayBuffer>): RecordKey {
  if (bytes.length !== KEY_LENGTH) {
    throw new RangeError(`a record key has ${KEY_LENGTH} bytes, not ${bytes.length}`);
  }
  return new Key(bytes);
}

/** Reads the handle that `list` gave. Any other text, however near, is `undefined`. */
export function parseHandle(text: string): RecordKey | undefined {
  const bytes = new Uint8Array(KEY_LENGTH);
  return typeof text === "string" && decodeInto(text, bytes) ? new Key(bytes) : undefined;
}

/** The document of an insert. Its first expiry is counted from `modified`, which is the database's time. */
export function toDocument(write: Write & { kind: "insert" }): RecordDocument {
  const { idle, until } = write.expiry;
  const document: RecordDocument = {
    _id: write.key.bytes,
    name: write.name,
    data: write.data,
    rev: write.rev,
    created: new Date(write.created),
    modified: new Date(write.modified),
    expires: new Date(Math.min(write.modified + idle, until)),
  };
  if (write.subject !== undefined) document.subject = write.subject;
  return document;
}

/**
 * The record in a document, or `undefined` where any field is missing or not exactly of its type. `data` is a view of what the
 * driver read: whoever keeps it copies it.
 */
export function fromDocument(document: object): StoredRecord | undefined {
  const { _id, name, data, rev, created, modified, expires, subject }: Unchecked = document;
  if (!(_id instanceof Uint8Array) || _id.length !== KEY_LENGTH) return undefined;
  if (!(rev instanceof Uint8Array) || !isRev(rev)) return undefined;
  if (typeof name !== "string") return undefined;
  const content = typeof data === "string" ? data : viewOf(data);
  if (content === undefined) return undefined;
  if (!isTime(created) || !isTime(modified) || !isTime(expires)) return undefined;
  if (subject !== undefined && typeof subject !== "string") return undefined;
  return {
    key: new Key(new Uint8Array(_id)), // plain copies: what the driver gives are views of its buffers
    name,
    data: content,
    rev: new Uint8Array(rev),
    created: created.getTime(),
    modified: modified.getTime(),
    expires: expires.getTime(),
    subject,
  };
}

/** Throws where a write holds what no record can hold: a `NaN` would be stored as 1970. */
export function checkWrite(write: Write): void {
  if (write.kind !== "insert" && write.expected !== undefined) checkRev(write.expected);
  if (write.kind === "remove") return;
  if (write.kind !== "touch") checkRev(write.rev);
  if (write.kind === "reseal") return;
  const { idle, until } = write.expiry;
  if (!isFinite(idle) || Math.abs(idle) > MAX_TIME) throw new RangeError("idle is out of range");
  if (isNaN(new Date(until).getTime())) throw new RangeError("until is out of range");
  if (write.kind !== "insert") return;
  for (const time of [write.created, write.modified]) {
    if (isNaN(new Date(time).getTime())) {
      throw new RangeError("created or modified is out of range");
    }
  }
}

/**
 * The `rev` of a write that replaces another one: 8 bytes of its own, and behind them the last ones before it. A writer whose answer
 * was lost, or whose batch fell short, finds its own among them although others have written since.
 */
export function revAfter(
  own: Uint8Array<ArrayBuffer>,
  replaced: Uint8Array<ArrayBuffer>,
): Uint8Array<ArrayBuffer> {
  const before = replaced.subarray(0, REMEMBERED * REV_LENGTH);
  const rev = new Uint8Array(REV_LENGTH + before.length);
  rev.set(own);
  rev.set(before, REV_LENGTH);
  return rev;
}

/** Whether a record of this `rev` was written by the write of that one, just now or a moment ago. */
export function remembers(rev: Uint8Array, written: Uint8Array): boolean {
  const own = written.subarray(0, REV_LENGTH);
  for (let at = 0; at < rev.length; at += REV_LENGTH) {
    if (sameBytes(rev.subarray(at, at + REV_LENGTH), own)) return true;
  }
  return false;
}

/** Whether two byte strings are equal. Nothing secret is compared with it. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** The largest time that a `Date` holds, in milliseconds. */
const MAX_TIME = 8.64e15;

type Unchecked = { readonly [field in keyof RecordDocument]?: unknown };

class Key implements RecordKey {
  readonly bytes: Uint8Array<ArrayBuffer>;
  #text: string | undefined;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  /** Made when first asked for: an operation on one record never needs it. */
  get text(): string {
    return this.#text ??= encodeBase64Url(this.bytes);
  }
}

/** A plain view of the same bytes; `undefined` for anything else. */
function viewOf(data: unknown): Uint8Array<ArrayBuffer> | undefined {
  if (!(data instanceof Uint8Array)) return undefined;
  const { buffer, byteOffset, byteLength } = data;
  return buffer instanceof ArrayBuffer ? new Uint8Array(buffer, byteOffset, byteLength) : undefined;
}

function isTime(value: unknown): value is Date {
  return value instanceof Date && !isNaN(value.getTime());
}

function isRev({ length }: Uint8Array): boolean {
  return length > 0 && length % REV_LENGTH === 0 && length <= (1 + REMEMBERED) * REV_LENGTH;
}

function checkRev(rev: Uint8Array): void {
  if (!isRev(rev)) throw new RangeError("a rev has 8 bytes, or a multiple of them up to 72");
}
