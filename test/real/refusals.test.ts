import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { containerIds, docker, workspace } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// What is refused before anything starts: exit 2 or 3, no container, and the way on named.
const place = workspace("refusals", portsOf("refusals"));

before(async () => {
  const built = await place.run("images", ["build", "--yes"]);
  assert.equal(built.code, 0, built.stderr);
});
after(() => place.remove());

async function refused(more: Record<string, string> = {}, ...args: string[]) {
  const ran = await place.run("up", ["dev", "--yes", "--json", ...args], more);
  const said = JSON.parse(ran.stdout) as Record<string, unknown> & { details: string[] };
  assert.equal(said["ok"], false);
  assert.equal(said["exit"], ran.code);
  assert.deepEqual(containerIds(place.project), {}, "something was started");
  return said;
}

test("a taken port is named with who holds it", async () => {
  const port = Number(place.environment["OTEL_HTTP_PORT"]);
  const holder = createServer().listen(port, "127.0.0.1");
  await new Promise((resolve) => holder.once("listening", resolve));
  const said = await refused();
  holder.close();
  assert.equal(said["code"], "PORT_TAKEN");
  assert.match(
    said.details.join("\n"),
    new RegExp(`127.0.0.1:${port} \\(collector\\): held by .* \\(pid ${process.pid}\\)`),
  );
});

test("a port that a container publishes is named with that container", async () => {
  const port = place.environment["PORT"]!;
  const probe = docker("images", "letta-stack/probe", "--format", "{{.Repository}}:{{.Tag}}").split(
    "\n",
  )[0]!;
  docker(
    "run",
    "-d",
    "--name",
    "letta-test-holder",
    "-p",
    `127.0.0.1:${port}:80`,
    probe,
    "sleep",
    "60",
  );
  const said = await refused();
  docker("rm", "-f", "letta-test-holder");
  assert.match(said.details.join("\n"), /held by letta-test-holder/);
});

test("a volume that someone else made, with Compose or without, is named and not touched", async () => {
  const [plain, theirs] = [`${place.project}_database`, `${place.project}_letta`];
  docker("volume", "create", plain);
  docker("volume", "create", "--label", "com.docker.compose.project=theirs", theirs);
  try {
    const data = join(docker("volume", "inspect", "-f", "{{.Mountpoint}}", plain), "data");
    writeFileSync(data, "someone's");
    const said = await refused();
    assert.equal(said["code"], "FOREIGN_VOLUMES");
    assert.equal(said["exit"], 3);
    const reported = said.details.join("\n");
    assert.match(reported, new RegExp(`^${plain}: made without Compose$`, "m"));
    assert.match(reported, new RegExp(`^${theirs}: made for theirs$`, "m"));
    assert.match(String(said["next"]), /^docker volume inspect /);
    assert.equal(readFileSync(data, "utf8"), "someone's");
    const listed = docker("volume", "ls", "-q", "-f", `name=^${place.project}_`);
    assert.deepEqual(listed.split("\n").sort(), [plain, theirs]);
  } finally {
    docker("compose", "-p", place.project, "down");
    docker("volume", "rm", plain, theirs);
  }
});

test("containers of another owner under our project's name are left alone", async () => {
  const probe = docker("images", "letta-stack/probe", "--format", "{{.Repository}}:{{.Tag}}").split(
    "\n",
  )[0]!;
  const label = `com.docker.compose.project=${place.project}`;
  docker("run", "-d", "--name", "letta-test-foreign", "--label", label, probe, "sleep", "60");
  const ran = await place.run("up", ["dev", "--yes", "--json"]);
  const state = docker("inspect", "-f", "{{.State.Status}}", "letta-test-foreign");
  docker("rm", "-f", "letta-test-foreign");
  assert.equal(ran.code, 3);
  assert.equal((JSON.parse(ran.stdout) as { code: string }).code, "FOREIGN_CONTAINERS");
  assert.equal(state, "running");
});

test("an engine that does not answer, and is not the local one, is not installed over", async () => {
  const said = await refused({ DOCKER_HOST: "unix:///nowhere/docker.sock" });
  assert.equal(said["code"], "ENGINE_UNREACHABLE");
  assert.equal(said["exit"], 3);
});

test("a Compose that is too old is refused with both versions", async () => {
  const fake = join(import.meta.dirname, "..", "fakes", "old-compose");
  const said = await refused({ PATH: `${fake}:${process.env["PATH"]}` });
  assert.equal(said["code"], "ENGINE_TOO_OLD");
  assert.match(String(said["message"]), /compose 2\.23\.1 or later, got 2\.10\.2/);
});

test("a socket that we may not open is distinguished from an engine that is not there", async () => {
  // Root may open everything: so the entry runs as an unprivileged user, who may not open the engine's socket.
  spawnSync("chmod", ["-R", "a+rX", join(place.root, "..")]);
  const secrets = join(place.root, "env/dev.secrets.env");
  spawnSync("chmod", ["600", secrets]);
  spawnSync("chown", ["65534", secrets]);
  const args = ["--reuid=65534", "--regid=65534", "--clear-groups", process.execPath];
  const entry = [
    "--import",
    "./scripts/commands/start.mjs",
    "scripts/commands/status.ts",
    "dev",
    "--json",
  ];
  const ran = spawnSync("setpriv", [...args, ...entry], {
    cwd: place.root,
    env: { ...process.env, ...place.environment, HOME: "/nonexistent" },
  });
  const said = JSON.parse(ran.stdout.toString()) as { code: string; exit: number; message: string };
  spawnSync("chown", [String(process.getuid?.()), secrets]);
  assert.equal(ran.status, 3, JSON.stringify(said));
  assert.match(said.message, /EACCES|permission denied/);
});

test("a project directory that cannot be written is refused, and nothing starts", async () => {
  const mounted = `${place.root}-readonly`;
  mkdirSync(mounted);
  spawnSync("mount", ["--bind", place.root, mounted]);
  assert.equal(spawnSync("mount", ["-o", "remount,ro,bind", mounted]).status, 0);
  const entry = [
    "--import",
    "./scripts/commands/start.mjs",
    "scripts/commands/up.ts",
    "dev",
    "--yes",
    "--json",
  ];
  const ran = spawnSync(process.execPath, entry, {
    cwd: mounted,
    env: { ...process.env, ...place.environment, STATE_DIR: "state" },
  });
  spawnSync("umount", [mounted]);
  rmSync(mounted, { recursive: true, force: true });
  const said = JSON.parse(ran.stdout.toString()) as { code: string };
  assert.equal(ran.status, 3, ran.stdout.toString());
  assert.equal(said.code, "STATE_UNUSABLE");
  assert.deepEqual(containerIds(place.project), {});
});

test("settings that are not usable are refused all at once, before the engine is asked", async () => {
  const said = await refused({
    PORT: "99999",
    SECURE: "perhaps",
    DOCKER_HOST: "unix:///nowhere.sock",
  });
  assert.equal(said["exit"], 2);
  assert.equal(said["code"], "SETTINGS_INVALID");
  assert.ok(
    said.details.some((line) => line.includes("PORT: expected a port")),
    said.details.join("\n"),
  );
  assert.ok(said.details.some((line) => line.includes("SECURE: expected true or false")));
});
