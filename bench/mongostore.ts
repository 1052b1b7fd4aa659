import { createMongoStore, generateKey } from "#mongostore";
import { Keyring } from "../src/codec/keyring.ts";
import { chain } from "../src/codec/provider.ts";
import { sealedData } from "../src/codec/sealed.ts";
import { signedToken } from "../src/codec/signed.ts";
import { decodePayload, encodePayload } from "../src/payload.ts";
import {
  type CodecContestant,
  type Contestant,
  type Operation,
  SIZES,
  textOf,
} from "./contestant.ts";

/** This library, with its defaults. */
export const mongostore: Contestant & CodecContestant = contestant("mongostore", true);

/** The same without group commit: each operation goes to the database alone. */
export const unbatched: Contestant = contestant("unbatched", false);

function contestant(name: string, batch: boolean): Contestant & CodecContestant {
  return {
    name,

    async codecs() {
      const keyring = new Keyring([generateKey()]);
      const token = signedToken(keyring);
      const data = sealedData(keyring);
      const id = crypto.getRandomValues(new Uint8Array(24));
      const now = Date.now();
      const presented = await token.encode("session", id, now);
      const operations: Record<string, Operation> = {
        "token encode": () => token.encode("session", id, now),
        "token decode": () => chain(token.decode("session", presented, now), isOpen),
      };
      const binding = { name: "session", key: new Uint8Array(20), created: now };
      for (const [size, bytes] of Object.entries(SIZES)) {
        const empty = encodePayload(payloadOf("")).length;
        const payload = payloadOf(textOf(bytes - empty));
        const sealed = await data.protect(encodePayload(payload), binding);
        operations[`data encode ${size}`] = () => data.protect(encodePayload(payload), binding);
        operations[`data decode ${size}`] = () =>
          chain(data.open(sealed, binding), (opened) => {
            isOpen(opened);
            if (opened.ok && !decodePayload(opened.text)) throw new Error("it holds nothing");
          });
      }
      return operations;
    },

    async open(collection) {
      const store = await createMongoStore<{ text: string }>(collection, {
        keys: [generateKey()],
        batch,
      });
      const url = "https://shop.example/";
      // Making a Request is the server's work and not the library's.
      const requestOf = (token?: string) => ({
        url,
        headers: {
          get: (field: string) => token && field === "cookie" ? `session=${token}` : null,
        },
      });
      return {
        async create(text) {
          const request = requestOf();
          const session = await store.get(request);
          session.values.text = text;
          await store.save(request, new Headers(), session);
          return session.token ?? "";
        },
        async load(token) {
          const session = await store.get(requestOf(token));
          return session.values.text ?? "";
        },
        async change(token, text) {
          const request = requestOf(token);
          const session = await store.get(request);
          session.values.text = text;
          await store.save(request, new Headers(), session);
        },
        async keep(token) {
          const request = requestOf(token);
          await store.save(request, new Headers(), await store.get(request));
        },
        close: () => store.close(),
      };
    },
  };
}

function isOpen({ ok }: { readonly ok: boolean }): void {
  if (!ok) throw new Error("it did not open");
}

function payloadOf(text: string) {
  return { values: { text }, flashes: [], meta: undefined, maxAge: undefined };
}
