// node scripts/go.mjs
// The round trip through gorilla/securecookie itself: what it writes opens here, what we write opens there.
// Says so and does nothing where there is no Go.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { install } from "./install.mjs";
import { run } from "./run.mjs";

const version = spawnSync("go", ["version"], { encoding: "utf8" });
if (version.status === 0) {
  install();
  const folder = mkdtempSync(join(tmpdir(), "mongostore-go-"));
  const program = join(folder, process.platform === "win32" ? "securecookie.exe" : "securecookie");
  const built = spawnSync("go", ["build", "-o", program, "."], {
    cwd: fileURLToPath(new URL("../tests/go/", import.meta.url)),
    stdio: "inherit",
  });
  process.exitCode = built.status === 0
    ? await run(["node", "--import", "tsx", "--test", "tests/go/round-trip.test.ts"], {
      GO_SECURECOOKIE: program,
    })
    : 1;
  rmSync(folder, { recursive: true });
} else {
  console.log("skipped: Go is not installed here (https://go.dev/dl)");
}
