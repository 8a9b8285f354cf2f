#!/usr/bin/env node
// The package's program: finds the Node that the project brings along and runs letta-stack.ts with it.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const entry = ["--import", join(here, "commands/start.mjs"), join(here, "letta-stack.ts")];
const pinned = ["linux-x64", "linux-arm64", "darwin-x64"]
  .map((platform) => join(here, `../node_modules/node-${platform}/bin/node`))
  .find((path) => existsSync(path));
const child = spawn(pinned ?? process.execPath, [...entry, ...process.argv.slice(2)], {
  stdio: "inherit",
});
// The terminal sends Ctrl-C to both; a signal sent to this process alone is handed on.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) {
  process.on(signal, () => signal !== "SIGINT" && child.kill(signal));
}
child.once("exit", (code, signal) => {
  process.exitCode = code ?? (signal === "SIGINT" ? 130 : 1);
});
