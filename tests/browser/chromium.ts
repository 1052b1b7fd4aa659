import { accessSync, constants } from "node:fs";
import process from "node:process";
import { chromium } from "playwright-core";
import type { Browser } from "playwright-core";

/** Where systems keep it. CHROMIUM names another. */
const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The Chromium of this machine; undefined where none is installed. */
const CHROMIUM: string | undefined = [process.env["CHROMIUM"] ?? [], PLACES].flat()
  .find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });

/** Why tests with a browser are skipped; false where they are not. */
export const skip: string | false = CHROMIUM === undefined
  ? "no Chromium is installed (Debian and Ubuntu: chromium; or set CHROMIUM to one)"
  : false;

export async function launch(): Promise<Browser> {
  if (CHROMIUM === undefined) throw new Error("no Chromium is installed");
  return await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
}
