import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { endpoint } from "../../scripts/engine/endpoint.ts";

const whole = mkdtempSync(join(tmpdir(), "docker-config-"));
after(() => rmSync(whole, { recursive: true }));

/** A Docker configuration with one context, as the CLI keeps it. */
function configuration(context: string, host: string): string {
  const folder = mkdtempSync(join(whole, "one-"));
  const meta = join(folder, "contexts", "meta", createHash("sha256").update(context).digest("hex"));
  mkdirSync(meta, { recursive: true });
  writeFileSync(join(meta, "meta.json"), JSON.stringify({ Endpoints: { docker: { Host: host } } }));
  writeFileSync(join(folder, "config.json"), JSON.stringify({ currentContext: context }));
  return folder;
}

test("DOCKER_HOST wins over any context", () => {
  const DOCKER_CONFIG = configuration("far", "tcp://far:2375");
  assert.equal(endpoint({ DOCKER_HOST: "unix:///x.sock", DOCKER_CONFIG }), "unix:///x.sock");
});

test("the current context is where Compose would go, so the daemon API goes there too", () => {
  assert.equal(
    endpoint({ DOCKER_CONFIG: configuration("far", "tcp://far:2375") }),
    "tcp://far:2375",
  );
});

test("DOCKER_CONTEXT chooses among contexts", () => {
  const DOCKER_CONFIG = configuration("far", "tcp://far:2375");
  assert.equal(
    endpoint({ DOCKER_CONFIG, DOCKER_CONTEXT: "default" }),
    "unix:///var/run/docker.sock",
  );
});

test("without anything said it is the local socket", () => {
  assert.equal(endpoint({ DOCKER_CONFIG: "/nowhere" }), "unix:///var/run/docker.sock");
});
