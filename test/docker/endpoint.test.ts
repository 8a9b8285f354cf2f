import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { after } from "node:test";
import { Problem } from "../../scripts/common/problem.ts";
import { describeEngine, endpoint } from "../../scripts/docker/endpoint.ts";

const whole = mkdtempSync(join(tmpdir(), "docker-config-"));
after(() => rmSync(whole, { recursive: true }));

interface Context {
  readonly host?: string;
  readonly skips?: boolean;
  readonly files?: readonly string[];
}

/** A Docker configuration with one context, as the CLI keeps it. */
function configuration(context: string, { host, skips, files }: Context, current = context) {
  const folder = mkdtempSync(join(whole, "one-"));
  const id = createHash("sha256").update(context).digest("hex");
  const meta = join(folder, "contexts", "meta", id);
  mkdirSync(meta, { recursive: true });
  const docker = { ...(host && { Host: host }), SkipTLSVerify: skips ?? false };
  const text = JSON.stringify({ Name: context, Endpoints: { docker } });
  writeFileSync(join(meta, "meta.json"), text);
  writeFileSync(join(folder, "config.json"), JSON.stringify({ currentContext: current }));
  if (files) certificates(join(folder, "contexts", "tls", id, "docker"), files);
  return folder;
}

function certificates(folder: string, files: readonly string[]): string {
  mkdirSync(folder, { recursive: true });
  for (const file of files) writeFileSync(join(folder, file), `${file} of ${folder}`);
  return folder;
}

const three = ["ca.pem", "cert.pem", "key.pem"];
const far = { host: "ssh://deploy@far" };

/** What a refusal says, all of it; it has to be bad input. */
function refused(environment: Record<string, string>): string {
  try {
    endpoint({ DOCKER_CONFIG: "/nowhere", ...environment });
  } catch (error) {
    assert.ok(error instanceof Problem, String(error));
    assert.equal(error.exit, 2);
    return [error.message, ...error.details].join("\n");
  }
  return assert.fail(`${JSON.stringify(environment)} was not refused`);
}

test("DOCKER_HOST wins over any context, also for the Compose CLI", () => {
  const DOCKER_CONFIG = configuration("far", far);
  const found = endpoint({ DOCKER_HOST: "unix:///x.sock", DOCKER_CONTEXT: "far", DOCKER_CONFIG });
  assert.equal(found.address, "unix:///x.sock");
  assert.deepEqual(found.variables, { DOCKER_HOST: "unix:///x.sock", DOCKER_CONTEXT: undefined });
});

test("the current context is where Compose goes, and stays so when another becomes current", () => {
  const found = endpoint({ DOCKER_CONFIG: configuration("far", far) });
  assert.equal(found.address, "ssh://deploy@far");
  assert.deepEqual(found.variables, { DOCKER_HOST: undefined, DOCKER_CONTEXT: "far" });
  const reported = { endpoint: found.address, context: found.context };
  assert.equal(describeEngine(reported), "engine: ssh://deploy@far (context far)");
});

test("DOCKER_CONTEXT chooses among contexts", () => {
  const DOCKER_CONFIG = configuration("far", far);
  const found = endpoint({ DOCKER_CONFIG, DOCKER_CONTEXT: "default" });
  assert.equal(found.address, "unix:///var/run/docker.sock");
  assert.equal(found.variables["DOCKER_HOST"], found.address);
});

test("without anything said it is the local socket", () => {
  const { address } = endpoint({ DOCKER_CONFIG: "/nowhere" });
  assert.equal(address, "unix:///var/run/docker.sock");
});

test("an unknown context is refused with the known ones, wherever its name came from", () => {
  const DOCKER_CONFIG = configuration("far", far, "gone");
  const typed = refused({ DOCKER_CONFIG, DOCKER_CONTEXT: "fra" });
  for (const word of ["DOCKER_CONTEXT", "fra", "default, far"])
    assert.ok(typed.includes(word), typed);
  const current = refused({ DOCKER_CONFIG });
  for (const word of ["config.json", "gone", "default, far"])
    assert.ok(current.includes(word), current);
});

test("a configuration that cannot be read is refused, not taken for none", () => {
  const DOCKER_CONFIG = configuration("far", far);
  writeFileSync(join(DOCKER_CONFIG, "config.json"), "{");
  assert.match(refused({ DOCKER_CONFIG }), /config\.json: expected JSON/);
  const empty = configuration("none", {});
  assert.match(refused({ DOCKER_CONFIG: empty }), /context none: expected an engine's address/);
});

test("an address is read as the Docker CLI reads it", () => {
  for (const [host, address] of [
    ["unix://", "unix:///var/run/docker.sock"],
    ["127.0.0.1", "tcp://127.0.0.1:2375"],
    ["tcp://localhost", "tcp://localhost:2375"],
    ["tcp://:7777", "tcp://localhost:7777"],
    ["tcp://[::1]:7777/", "tcp://[::1]:7777"],
    ["ssh://deploy@192.0.2.7:2222", "ssh://deploy@192.0.2.7:2222"],
    ["ssh://far", "ssh://far"],
  ] as const) {
    assert.equal(endpoint({ DOCKER_CONFIG: "/nowhere", DOCKER_HOST: host }).address, address);
  }
});

test("an address that is not understood is refused, and a password in it is not shown", () => {
  for (const host of [
    "http://127.0.0.1:2375",
    "npipe:////./pipe/docker_engine",
    "fd://",
    "unix://run/docker.sock",
    "tcp://deploy@127.0.0.1",
    "tcp://127.0.0.1:2375/prefix",
    "tcp://127.0.0.1:port",
    "ssh://",
    "ssh://deploy@far/run/docker.sock",
    "ssh://deploy:s3cret-word@far",
    "ssh://deploy:s3cret-word@far:port",
  ]) {
    const said = refused({ DOCKER_HOST: host });
    assert.match(said, /^DOCKER_HOST: expected/);
    assert.ok(!said.includes("s3cret-word"), said);
  }
});

test("plain HTTP is spoken on this machine only", () => {
  for (const host of ["tcp://10.0.0.5:2375", "docker:2375", "tcp://127.0.0.1.example.com"])
    assert.match(refused({ DOCKER_HOST: host }), /expected TLS .*got plain HTTP/);
  const DOCKER_CONFIG = configuration("far", { host: "tcp://10.0.0.5:2375" });
  assert.match(refused({ DOCKER_CONFIG }), /context far: expected TLS/);
});

test("DOCKER_TLS_VERIFY takes the certificates of DOCKER_CERT_PATH, else of the configuration", () => {
  const DOCKER_CERT_PATH = certificates(mkdtempSync(join(whole, "pem-")), three);
  const tls = { DOCKER_HOST: "tcp://10.0.0.5", DOCKER_TLS_VERIFY: "1" };
  const found = endpoint({ ...tls, DOCKER_CERT_PATH });
  assert.equal(found.address, "tcp://10.0.0.5:2376");
  assert.equal(found.tls?.key?.toString(), `key.pem of ${DOCKER_CERT_PATH}`);
  const DOCKER_CONFIG = certificates(mkdtempSync(join(whole, "pem-")), ["ca.pem"]);
  const alone = endpoint({ ...tls, DOCKER_CONFIG }).tls;
  assert.deepEqual([alone?.ca.toString(), alone?.key], [`ca.pem of ${DOCKER_CONFIG}`, undefined]);
});

test("TLS that cannot be had as it was asked for is refused by name", () => {
  const host = { DOCKER_HOST: "tcp://127.0.0.1:2376" };
  const half = certificates(mkdtempSync(join(whole, "pem-")), ["ca.pem", "cert.pem"]);
  const verify = { ...host, DOCKER_TLS_VERIFY: "1" };
  for (const [environment, words] of [
    [{ ...verify, DOCKER_CERT_PATH: "/nonexistent" }, /ca\.pem in \/nonexistent/],
    [{ ...verify, DOCKER_CERT_PATH: half }, /expected key\.pem/],
    [{ ...host, DOCKER_CERT_PATH: half }, /^DOCKER_CERT_PATH is set/],
    [{ ...host, DOCKER_TLS: "1" }, /^DOCKER_TLS: expected the engine's certificate/],
    [{ DOCKER_TLS_VERIFY: "1" }, /^DOCKER_TLS_VERIFY: expected a tcp:/],
    [{ DOCKER_HOST: "ssh://far", DOCKER_TLS_VERIFY: "1" }, /^DOCKER_TLS_VERIFY/],
  ] as const) {
    assert.match(refused(environment), words);
  }
});

test("a context's own certificates are used, and one that skips the check is refused", () => {
  const host = "tcp://10.0.0.5:2376";
  const found = endpoint({ DOCKER_CONFIG: configuration("far", { host, files: three }) });
  assert.match(String(found.tls?.cert), /^cert\.pem of .*contexts\/tls/);
  const skips = configuration("far", { host, files: three, skips: true });
  assert.match(
    refused({ DOCKER_CONFIG: skips }),
    /^context far: expected the engine's certificate/,
  );
  const local = configuration("near", { host: "tcp://127.0.0.1:2376" });
  assert.match(refused({ DOCKER_CONFIG: local, DOCKER_TLS_VERIFY: "1" }), /^DOCKER_TLS_VERIFY/);
});
