import { sealData, unsealData } from "iron-session";
import signature from "cookie-signature";
import { compactDecrypt, CompactEncrypt, CompactSign, compactVerify } from "jose";
import { type CodecContestant, type Operation, SIZES, textOf } from "./contestant.ts";

const ID = "3q2-7wEjRWeJq83vASNFZ4mrze8BI0Vn";
const SECRET = "a secret of at least thirty-two bytes";
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Signed tokens, as express-session signs its ids: HMAC-SHA-256 of the text alone. It seals nothing. */
export const cookieSignature: CodecContestant = {
  name: "cookie-signature",
  codecs() {
    const signed = signature.sign(ID, SECRET);
    return Promise.resolve({
      "token encode": () => signature.sign(ID, SECRET),
      "token decode": () => {
        if (signature.unsign(signed, SECRET) !== ID) throw new Error("did not open");
      },
    });
  },
};

/** Tokens as JWS with HS256, data as JWE with A256GCM and a shared key. The keys are imported once. */
export const jose: CodecContestant = {
  name: "jose",
  async codecs() {
    const mac = await crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, false, [
      "sign",
      "verify",
    ]);
    const gcm = await crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]);
    const sign = () =>
      new CompactSign(encoder.encode(ID)).setProtectedHeader({ alg: "HS256" }).sign(mac);
    const signed = await sign();
    const operations: Record<string, Operation> = {
      "token encode": sign,
      "token decode": () => compactVerify(signed, mac),
    };
    for (const [size, values] of valuesBySize()) {
      const seal = () =>
        new CompactEncrypt(encoder.encode(JSON.stringify(values)))
          .setProtectedHeader({ alg: "dir", enc: "A256GCM" }).encrypt(gcm);
      const sealed = await seal();
      operations[`data encode ${size}`] = seal;
      operations[`data decode ${size}`] = async () => {
        const { plaintext } = await compactDecrypt(sealed, gcm);
        return JSON.parse(decoder.decode(plaintext));
      };
    }
    return operations;
  },
};

/** Everything sealed into the cookie: AES-256-CBC and HMAC-SHA-256 under keys that are derived for each seal. */
export const ironSession: CodecContestant = {
  name: "iron-session",
  async codecs() {
    const options = { password: SECRET, ttl: 3600 };
    const token = await sealData({ id: ID }, options);
    const operations: Record<string, Operation> = {
      "token encode": () => sealData({ id: ID }, options),
      "token decode": () => unsealData(token, options),
    };
    for (const [size, values] of valuesBySize()) {
      const sealed = await sealData(values, options);
      operations[`data encode ${size}`] = () => sealData(values, options);
      operations[`data decode ${size}`] = () => unsealData(sealed, options);
    }
    return operations;
  },
};

/** Values whose JSON has about each size. */
function valuesBySize(): readonly (readonly [size: string, values: { text: string }])[] {
  return Object.entries(SIZES).map(([size, bytes]) => [size, { text: textOf(bytes - 12) }]);
}
