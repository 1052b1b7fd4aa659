export type {
  Backend,
  Call,
  ChangeObserver,
  Expiry,
  Loaded,
  Outcome,
  RecordKey,
  Selection,
  StoredRecord,
  Write,
} from "./backend/backend.ts";
export { batched } from "./backend/batch.ts";
export type { Batch, BatchOptions } from "./backend/batch.ts";
export { ensureIndexes } from "./backend/indexes.ts";
export type { IndexOptions } from "./backend/indexes.ts";
export { memoryBackend } from "./backend/memory.ts";
export type { MemoryBackendOptions } from "./backend/memory.ts";
export { mongodbBackend } from "./backend/mongodb.ts";
export type { MongodbBackendOptions, SessionCollection } from "./backend/mongodb.ts";
export type { Clock, RandomBytes } from "./clock.ts";
export type {
  Awaitable,
  DataBinding,
  DataCodec,
  OpenedData,
  OpenedToken,
  TokenCodec,
} from "./codec/codec.ts";
export { generateKey, Keyring } from "./codec/keyring.ts";
export { plainData } from "./codec/plain.ts";
export { sealedData } from "./codec/sealed.ts";
export type { SealedDataOptions } from "./codec/sealed.ts";
export { signedData, signedToken } from "./codec/signed.ts";
export type { SignedTokenOptions } from "./codec/signed.ts";
export type { LegacyCall, LegacyReader, LegacySession } from "./legacy/legacy.ts";
export { createMemoryStore, createMongoStore } from "./create.ts";
export type { MongoStoreOptions } from "./create.ts";
export {
  CorruptRecordError,
  CrossOriginError,
  ExpiredTokenError,
  IndexConflictError,
  InvalidTokenError,
  InvalidValuesError,
  SessionConflictError,
  SessionError,
  SessionGoneError,
  SessionTooLargeError,
  StoreUnavailableError,
  UnserializableValueError,
  WeakKeyError,
} from "./errors.ts";
export type { SessionErrorCode, WriteCertainty } from "./errors.ts";
export type { EventHandler, SessionEvent } from "./events.ts";
export type { StoreOptions } from "./options.ts";
export type { Merge, MergeConflict } from "./payload.ts";
export { saveAll } from "./save-all.ts";
export type { RekeyOptions, RekeyProgress } from "./rekey.ts";
export type { SchemaIssue, SchemaResult, StandardSchema } from "./schema.ts";
export { Session } from "./session.ts";
export { Store } from "./store.ts";
export type { SessionGetter, SessionInfo } from "./store.ts";
export type { SessionEnd, StopWatching } from "./watch.ts";
export { bearerChallenge } from "./transport/challenge.ts";
export { CookieToken } from "./transport/cookie.ts";
export { firstOf } from "./transport/first-of.ts";
export type { FirstOfOptions } from "./transport/first-of.ts";
export { HeaderToken } from "./transport/header.ts";
export type { HeaderTokenOptions } from "./transport/header.ts";
export { QueryToken } from "./transport/query.ts";
export type { QueryTokenOptions } from "./transport/query.ts";
export type {
  Answer,
  Presented,
  RequestLike,
  SessionOptions,
  Transport,
} from "./transport/transport.ts";
