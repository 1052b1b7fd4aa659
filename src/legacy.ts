/** Readers of the sessions of older systems, for the option `legacy` of a store. */
export { connectMongoLoader } from "./legacy/connect-mongo.ts";
export type { ConnectMongoOptions } from "./legacy/connect-mongo.ts";
export { expressSessionReader } from "./legacy/express-session.ts";
export type { ExpressSessionOptions, LegacyLoader } from "./legacy/express-session.ts";
export { importedSessions } from "./imported.ts";
export type { ImportedOptions, ImportedSessions, ImportOutcome, OldSession } from "./imported.ts";
export { gorillaReader } from "./legacy/gorilla.ts";
export type { GorillaOptions } from "./legacy/gorilla.ts";
export { ironSessionReader } from "./legacy/iron-session.ts";
export type { IronSessionOptions } from "./legacy/iron-session.ts";
export type { LegacyCall, LegacyCollection, LegacyReader, LegacySession } from "./legacy/legacy.ts";
export type { OldTokenOptions } from "./legacy/old-token.ts";
