import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { MongoServerError } from "mongodb";
import { describe as told } from "../../src/cli/failure.ts";
import { credentialsOf, keyPairsOf, redact, secretsIn } from "../../src/cli/secrets.ts";
import { StoreUnavailableError } from "#mongostore";

describe("what is shown of a failure", () => {
  it("has no credentials of a connection string, known or not", () => {
    for (
      const uri of ["mongodb://ann:hunter2@db.example/x", "mongodb+srv://ann:hunt/er2@db.example/x"]
    ) {
      const text = redact(`cannot use ${uri} or ${uri}`, []);
      assert.doesNotMatch(text, /ann:|hunt/);
      assert.match(text, /db\.example/);
    }
  });

  it("has no password as it was written or as it was meant, nor a key", () => {
    const secrets = credentialsOf("mongodb://ann:p%40ssw0rd@db.example/x?tls=true");
    assert.equal(redact("it says p%40ssw0rd, p@ssw0rd", secrets), "it says ***, ***");
    assert.deepEqual(credentialsOf("mongodb://db.example/x"), []);
  });

  it("knows the secrets of the environment and of every file that the call names", () => {
    const folder = mkdtempSync(join(tmpdir(), "mongostore-secrets-"));
    const [keys, uri] = [join(folder, "keys"), join(folder, "uri")];
    writeFileSync(keys, "key-one\nkey-two\n");
    writeFileSync(uri, "mongodb://ann:from-file@h/x\n");
    const env = { SESSION_KEY: "key-three,key-four", SOURCE_URI: "mongodb://bob:from-env@h/x" };
    const found = secretsIn(env, ["rekey", "--keys-file", keys, `--uri-file=${uri}`]);
    for (const secret of ["key-one", "key-two", "key-three", "key-four", "from-file", "from-env"]) {
      assert.ok(found.includes(secret), secret);
    }
    rmSync(folder, { recursive: true });
  });

  it("quotes no error of the server, which may hold parts of documents", () => {
    const error = new MongoServerError({
      message: "E11000 dup key: { _id: 's3cret' }",
      code: 11000,
    });
    assert.equal(told(error, []), "it failed (MongoServerError, code 11000)");
    const outage = new StoreUnavailableError("no answer", { outcome: "not-applied", cause: error });
    assert.equal(told(outage, []), "no answer");
  });
});

describe("the key pairs of the Go store", () => {
  it("are text, base64 or hex, and an empty one is none", () => {
    assert.deepEqual(keyPairsOf("text, hex:00ff ,,base64:AP8=\n"), [
      "text",
      Uint8Array.of(0, 255),
      undefined,
      Uint8Array.of(0, 255),
    ]);
  });

  it("are refused where they are not written as they say, without being quoted", () => {
    for (const text of ["hex:0", "hex:zz", "base64:a*b", "base64:"]) {
      const refused = { message: "a key does not follow what stands before it: base64: or hex:" };
      assert.throws(() => keyPairsOf(text), refused);
    }
  });
});
