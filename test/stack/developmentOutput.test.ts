import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { parse } from "yaml";
import { root } from "./exampleStack.ts";

const file = parse(readFileSync(join(root, "compose/development.yaml"), "utf8"), {
  merge: true,
}) as { services: { server: { entrypoint: string[] } } };
const [program = "", ...argv] = file.services.server.entrypoint;
const uvicorn = argv.indexOf("uvicorn");

const secrets = {
  OPENAI_API_KEY: "sk-canary-openai",
  LETTA_SERVER_PASSWORD: "canary-of-clients",
  LETTA_PG_URI: "postgresql://letta:canary%20of%20db@postgres/letta",
};

/** What development's server runs, around a program of this test. */
function around(code: string) {
  const child = spawn(program, [...argv.slice(0, uvicorn), "python3", "-c", code], {
    env: { PATH: process.env["PATH"], ...secrets },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  return { child, ended: once(child, "close"), said: () => said };
}

test("what development's server and its reloader print has no secret in it", async () => {
  assert.ok(uvicorn > 0);
  const { ended, said } = around(`
import os, subprocess, sys
print(os.environ["OPENAI_API_KEY"], os.environ["LETTA_PG_URI"], file=sys.stderr)
subprocess.run([sys.executable, "-c", "import os; print(os.environ['LETTA_SERVER_PASSWORD'], 'canary of db')"])
sys.exit(3)`);
  assert.deepEqual(await ended, [3, null]);
  assert.match(said(), /\*{6}/u);
  assert.doesNotMatch(said(), /canary/u);
});

test("a signal ends the program, and its last words are printed", async () => {
  const { child, ended, said } = around(`
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("ended well"), sys.exit(0)))
print("ready")
time.sleep(60)`);
  await once(child.stdout, "data");
  child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  assert.match(said(), /ready\nended well/u);
});
