import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { stateLock, takeLock } from "../../scripts/state/lock.ts";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";
import type { ProdWorkspace } from "./prodWorkspace.ts";
import { containerIds, docker, scratchProjects } from "./workspace.ts";

/** What has to be true after a command that came after a kill. */
export interface Expected {
  /** One of these versions serves. */
  readonly tags: readonly string[];
  /** These agents are there, whatever else is. */
  readonly agents: readonly string[];
  /** The processes that were killed on the way. */
  readonly killed: readonly number[];
}

/**
 * What has to hold after every fault: one stack and nothing left over, an old or a new server
 * that answers on a schema it is verified on, every row, no secret where none belongs, the previous
 * release ready to be gone back to, and a state that says so. That a failure ends with its
 * code, its cause and the next command is `Story.ends`; that the same command again comes to its
 * end is seen by giving it.
 * @throws AssertionError naming what does not hold
 */
export async function assertInvariants(
  place: ProdWorkspace,
  { tags, agents, killed }: Expected,
): Promise<void> {
  assertContainers(place, killed);
  const scratch = place
    .databases()
    .filter((name) => !/^(letta|postgres|letta_retained_\d{6})$/.test(name));
  assert.deepEqual(scratch, [], "databases that the tool made for itself are left");
  const leftovers = readdirSync(place.state, { recursive: true, encoding: "utf8" }).filter((name) =>
    /\.(new|part|tmp)$|(^|\/)\.[^/]+$/.test(name),
  );
  assert.deepEqual(leftovers, [], "half-written files are left");

  const release = place.newestGood()!;
  const version = await place.version();
  assert.ok(tags.includes(version), `expected ${tags.join(" or ")} to serve, got ${version}`);
  assert.equal(release.tag, version, "the newest good release is another one than what serves");
  const revision = place.revision();
  assert.deepEqual(release.revision, [revision], "the state says another revision");
  const image = release.services["server"]!.imageId;
  const verifiedRun = place
    .releases()
    .flatMap((one) => one.verifications)
    .some((one) => one.passed && one.image === image && one.revision.join() === revision);
  assert.ok(
    release.heads.join() === revision || verifiedRun,
    `${version} was never verified on ${revision}`,
  );
  const begun = place.releases().filter((one) => one.outcome === "begun");
  assert.deepEqual(
    begun.map((one) => one.id),
    [],
    "releases that never ended",
  );

  assertStartable(place);
  assertNoSecrets(place);

  const there = await place.agents();
  assert.deepEqual(
    agents.filter((one) => !there.includes(one)),
    [],
    "agents are lost",
  );
  const unlock = await takeLock(
    stateLock(place.state),
    { command: "test", since: "" },
    { wait: false },
  );
  await unlock();
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(verified.code, 0, JSON.stringify(verified.said));
  assert.deepEqual(verified.said["drift"], []);
}

/** One container for each service, all healthy; none of a rehearsal, none of a killed process. */
function assertContainers(place: ProdWorkspace, killed: readonly number[]): void {
  const { project } = place;
  const listed = (filter: string, format: string) =>
    docker("ps", "-a", "--filter", `label=${filter}`, "--format", format)
      .split("\n")
      .filter(Boolean)
      .sort();
  const names = listed(`com.docker.compose.project=${project}`, "{{.Names}}");
  // A server on a schema newer than its own comes without its migration step; one that was
  // started alongside the previous one has another number.
  const parts = Object.keys(place.newestGood()!.services).sort();
  assert.deepEqual(
    names.map((name) => name.replace(/-\d+$/, "")),
    parts.map((part) => `${project}-${part}`),
  );
  assert.deepEqual(scratchProjects(project, "rehearsal"), [], "containers of a rehearsal are left");
  const owners = listed("letta-stack.oneshot", '{{.Label "letta-stack.oneshot"}}');
  const left = owners.filter((one) => killed.some((pid) => one === `${hostname()}:${pid}`));
  assert.deepEqual(left, [], "one-shot containers of a killed process are left");
}

/** The images of what could be rolled back to are there, whatever became of their tags. */
function assertStartable(place: ProdWorkspace): void {
  const [, previous] = place.releases().filter((one) => one.outcome === "good");
  if (previous === undefined) return;
  const images = Object.values(previous.services).map((one) => one.imageId);
  docker("image", "inspect", "--format", "{{.Id}}", ...images);
  assert.ok(existsSync(join(place.state, "releases", previous.id, "compose.yaml")));
}

/** No secret in what was said, in the state, in a container's log or in telemetry. */
export function assertNoSecrets(place: ProdWorkspace): void {
  const file = join(place.root, "env/prod.secrets.env");
  const { assignments } = parseEnvFile(readFileSync(file), file);
  const secrets = assignments.map((one) => one.value).filter((value) => value.length >= 8);
  assert.ok(secrets.length >= 3);
  const places = new Map([["what was said", place.said()]]);
  for (const entry of readdirSync(place.state, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) places.set(path, readFileSync(path, "latin1"));
  }
  for (const [service, id] of Object.entries(containerIds(place.project))) {
    const { stdout, stderr } = spawnSync("docker", ["logs", id], { encoding: "utf8" });
    places.set(`the log of ${service}`, stdout + stderr);
  }
  const written = place.environment["CLICKHOUSE_MODE"] === undefined ? telemetryOf(place) : "";
  places.set("telemetry", written);
  const found = [...places].filter(([, text]) => secrets.some((one) => text.includes(one)));
  assert.deepEqual(
    found.map(([name]) => name),
    [],
    "a secret is in it",
  );
}

/** All that the collector has written into its files. */
function telemetryOf({ project }: ProdWorkspace): string {
  const telemetry = "cat /var/lib/otelcol/*.json*";
  const collector = containerIds(project)["collector"]!;
  const read = ["exec", collector, "/probe/busybox", "sh", "-c", `/probe/busybox ${telemetry}`];
  const { stdout } = spawnSync("docker", read, { encoding: "utf8", maxBuffer: 1 << 28 });
  assert.ok(stdout.includes("resourceSpans"), "no telemetry is there to be looked through");
  return stdout;
}

/** The lines of a state directory's files that stay alongside others: for messages of failed tests. */
export function lastSteps(place: ProdWorkspace, count: number): string {
  const lines = place.journal().slice(-count);
  return lines
    .map((one) => `${one.step || one.command} ${one.event} ${one.detail ?? one.message ?? ""}`)
    .join("\n");
}

/** Where a release's evidence is. */
export function evidence(place: ProdWorkspace, release: string): string {
  return join(place.state, "evidence", release);
}
