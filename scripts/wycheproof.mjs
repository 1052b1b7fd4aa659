// node scripts/wycheproof.mjs
// Project Wycheproof's vectors for HMAC-SHA-256, HKDF-SHA-256 and AES-GCM against the calls that the codecs make. They come with a
// crate, by its version and the files' hashes. Says so and does nothing where there is no cargo.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { install } from "./install.mjs";
import { run } from "./run.mjs";

/** SHA-256 of the files that are read. */
const FILES = {
  "hmac_sha256_test.json": "2d201cfa61d1bf95e6f5d07d96634b4a348b31e8eaa277ad7c8d09677b7a743f",
  "hkdf_sha256_test.json": "bb2b462a38b251cb52a2aede706d6d4b62b26864f4e80c95497507ddb07c5f1e",
  "aes_gcm_test.json": "985e5ecc172e181eaf49e89508b9470dcf478002eb7e8559c707eb42dc97dfe7",
};

const folder = fileURLToPath(new URL("../tests/wycheproof/", import.meta.url));

if (cargo("--version").status !== 0) {
  console.log("skipped: cargo, which brings the vectors, is not installed");
} else {
  install();
  const fetched = cargo("fetch");
  if (fetched.status !== 0) throw new Error(`the vectors cannot be fetched: ${fetched.stderr}`);
  const { packages } = JSON.parse(cargo("metadata", "--offline", "--format-version=1").stdout);
  const { manifest_path } = packages.find(({ name }) => name === "wycheproof");
  const data = join(dirname(manifest_path), "src", "data");
  for (const [file, hash] of Object.entries(FILES)) {
    const found = createHash("sha256").update(readFileSync(join(data, file))).digest("hex");
    if (found !== hash) throw new Error(`${file} is not the file that this was written for`);
  }
  process.exitCode = await run(
    [
      "node",
      "--import",
      "tsx",
      "--test",
      "--test-reporter=spec",
      "tests/wycheproof/wycheproof.test.ts",
    ],
    { WYCHEPROOF: data },
  );
}

function cargo(...args) {
  const options = { cwd: folder, encoding: "utf8", maxBuffer: 1 << 26 };
  const { status, stdout = "", stderr = "" } = spawnSync("cargo", args, options);
  return { status, stdout, stderr };
}
