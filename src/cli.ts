#!/usr/bin/env node
import { readFileSync } from "node:fs";
import process from "node:process";
import { main } from "./cli/main.ts";
import { processTerminal } from "./cli/terminal.ts";

process.stdout.on("error", () => process.exit(1)); // whoever read it, `head` for one, has gone
const { version }: { version: string } = JSON.parse(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
);
process.exitCode = await main(process.argv.slice(2), processTerminal, version);
