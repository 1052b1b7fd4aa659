import ConnectMongo, { createWebCryptoAdapter } from "connect-mongo";
import signature from "cookie-signature";
import type { SessionData } from "express-session";
import { Cookie } from "express-session";
import type { Collection, MongoClient } from "mongodb";
import type { Contestant } from "./contestant.ts";

declare module "express-session" {
  interface SessionData {
    text: string;
  }
}

/**
 * connect-mongo doing the same work: its Web Crypto adapter seals the values, and cookie-signature signs the id, as
 * express-session has it. The driver's settings are the ones of the connection.
 */
export function connectMongo(client: MongoClient): Contestant {
  return {
    name: "connect-mongo",
    open(collection: Collection) {
      const secret = "a secret of at least thirty-two bytes";
      const store = ConnectMongo.create({
        client,
        dbName: collection.dbName,
        collectionName: collection.collectionName,
        cryptoAdapter: createWebCryptoAdapter({ secret }),
      });
      const get = (id: string) =>
        new Promise<SessionData>((resolve, reject) => {
          store.get(id, (error, session) => {
            if (session) resolve(session);
            else reject(error instanceof Error ? error : new Error("no session"));
          });
        });
      const idOf = (token: string): string => {
        const id = signature.unsign(token, secret);
        if (id === false) throw new Error("the signature is wrong");
        return id;
      };
      return Promise.resolve({
        async create(text: string) {
          const id = crypto.randomUUID();
          await done((settle) => store.set(id, newSession(text), settle));
          return signature.sign(id, secret);
        },
        load: async (token: string) => (await get(idOf(token))).text,
        async change(token: string, text: string) {
          const id = idOf(token);
          const session = await get(id);
          session.text = text;
          await done((settle) => store.set(id, session, settle));
        },
        async keep(token: string) {
          const id = idOf(token);
          const session = await get(id);
          await done((settle) => store.touch(id, session, settle));
        },
        close: () => Promise.resolve(),
      });
    },
  };
}

function done(run: (settle: (error?: unknown) => void) => unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    run((error) => error ? reject(new Error("it failed", { cause: error })) : resolve());
  });
}

function newSession(text: string): SessionData {
  const cookie = new Cookie();
  cookie.originalMaxAge = 86_400_000;
  return { cookie, text };
}
