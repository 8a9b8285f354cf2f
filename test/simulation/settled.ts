import { createHash } from "node:crypto";
import {
  damagedReleases,
  newestGood,
  readAdopted,
  readReleaseFile,
  readReleases,
} from "../../scripts/state/releases.ts";
import { dumpPath, readBackups } from "../../scripts/state/backups.ts";
import { readEvents } from "../../scripts/state/journal.ts";
import { retainedName } from "../../scripts/deploy/obtainImages.ts";
import { retainedReleases } from "../../scripts/deploy/prune.ts";
import { labels } from "../../scripts/stack/renderStack.ts";
import { revisionOf } from "./databases.ts";
import type { Disk, DiskNode } from "./disk.ts";
import type { Site } from "./site.ts";
import { secrets } from "./site.ts";
import { versions } from "./versions.ts";

/**
 * What must hold once a command has come to its end without a fault, whatever was before: the
 * seven invariants of the fault catalogue, and that nothing is left over.
 * @param written ids that a server has acknowledged
 * @param notes what the commands have reported
 * @param isDone whether it did what it was asked for; else the next one tidies up
 * @returns what does not hold
 */
export function unsettled(
  site: Site,
  written: readonly string[],
  notes: readonly string[] = [],
  isDone = true,
): string[] {
  const faults: string[] = [];
  const expect = (holds: boolean, what: string) => {
    if (!holds) faults.push(what);
  };
  records(site, expect);
  serving(site, expect);
  leftovers(site, expect);
  if (isDone) copies(site, notes, expect);
  rows(site, written, expect);
  startable(site, expect);
  secrecy(site, expect);
  return faults;
}

type Expect = (holds: boolean, what: string) => void;

function records({ directory }: Site, expect: Expect): void {
  expect(damagedReleases(directory).length === 0, "state: a damaged manifest");
  const releases = readReleases(directory);
  for (const { id, outcome } of releases) {
    expect(outcome !== "begun", `state: release ${id} never ended`);
  }
  const [newest] = releases;
  const isOwed = newest?.outcome === "failed" && newest.seconds === null;
  expect(!isOwed, `state: release ${newest?.id} owes its rollback`);
  // A line that was torn takes no other one with it.
  const [last] = readEvents(directory, 1, false).events;
  expect(last?.by !== null, "state: the journal has lost how the last command began");
  const { backups, damaged } = readBackups(directory);
  expect(
    backups.every((one) => one.bytes > 0),
    "state: an empty backup",
  );
  // What a crash left of a backup is shown as damaged, and is none.
  expect(
    damaged.every((one) => !backups.some((other) => other.id === one.id)),
    "state: backups",
  );
}

/** I1: what runs is the newest good release, on a schema that fits it. */
function serving(site: Site, expect: Expect): void {
  const { servers, directory } = site;
  const release = newestGood(directory);
  if (release === undefined) return;
  const running = servers.of(servers.project);
  for (const [name, { digest, imageId }] of Object.entries(release.services)) {
    const all = running.filter((one) => one.service === name);
    const [one] = all;
    expect(all.length === 1, `I1: ${all.length} containers of ${name}`);
    if (one === undefined) continue;
    const isJob = one.file.restart === "no";
    // One that ends by itself some time after it was verified is found out by its bake time only.
    const isBad = name === "server" && versions[release.tag]?.ends === "crash";
    const isWell = isBad || (isJob ? one.state !== "running" : one.state === "running");
    expect(isWell && one.health !== "unhealthy", `I1: ${name} is ${one.state}, ${one.health}`);
    expect(one.imageId === imageId, `I1: ${name} runs another image than release ${release.id}`);
    expect(one.file.labels?.[labels.digest] === digest, `I1: ${name} is not as in ${release.id}`);
  }
  const database = servers.databases.get("letta");
  const at = database === undefined ? "none" : revisionOf(database);
  expect(
    release.revision.join() === at,
    `I1: the state says ${release.revision.join()}, it is ${at}`,
  );
  const image = release.services["server"]?.imageId;
  const verified = readReleases(directory).some(({ verifications }) =>
    verifications.some((one) => one.passed && one.image === image && one.revision.join() === at),
  );
  const head = versions[release.tag]?.line.at(-1);
  expect(head === at || verified, `I1: ${release.tag} was never verified on ${at}`);
  expect(database?.half !== true, "I1: half a migration is in the database");
}

function copies({ servers, directory }: Site, notes: readonly string[], expect: Expect): void {
  // A snapshot that an adopted run was interrupted with is a person's to drop: its state is lost.
  const isAdopted = readAdopted(directory).installations.length > 0;
  const ours = isAdopted
    ? /^(letta|postgres|letta_(?:retained|snapshot)_\d{6})$/
    : /^(letta|postgres|letta_retained_\d{6})$/;
  const strange = [...servers.databases.keys()].filter((name) => !ours.test(name));
  // Where nothing ever served no one clears the first try's copies away, until something does.
  const isReportedOf = notes.some((one) =>
    /^(?:copies of the database may remain|could not drop database copies)/u.test(one),
  );
  const isServed = newestGood(directory) !== undefined;
  expect(!isServed || isReportedOf || strange.length === 0, `left over: ${strange.join(", ")}`);
}

function leftovers({ servers, world, directory }: Site, expect: Expect): void {
  // Where nothing ever served, what Compose was interrupted in is the next deploy's to complete.
  const isServed = newestGood(directory) !== undefined;
  const others = [...servers.containers.values()].filter(
    (one) => one.project !== servers.project || (isServed && /^[0-9a-f]{12}_/.test(one.name)),
  );
  expect(others.length === 0, `left over: ${others.map((one) => one.name).join(", ")}`);
  const paths = pathsIn(world.disk, directory);
  const concurrent = paths.filter((one) => /\.new$|\/\.\d{6}(\/|$)/.test(one));
  expect(concurrent.length === 0, `left over: ${concurrent.join(", ")}`);
  const quarantined = paths.filter((one) => one.includes(".corrupt-"));
  expect(quarantined.length === 0, `state: was damaged: ${quarantined.join(", ")}`);
  expect(!servers.holding, "left over: requests wait at the proxy");
  expect(world.sockets.size + world.heldNames.size === 0, "left over: a lock");
  expect(
    [...servers.held.values()].every((one) => one === 0),
    "left over: a session",
  );
}

/** I2: what was acknowledged is in the live database, or in one that is retained. */
function rows({ servers }: Site, written: readonly string[], expect: Expect): void {
  const places = [...servers.databases].filter(([name]) => /^letta(_retained_\d{6})?$/.test(name));
  const there = new Set(places.flatMap(([, { rows: own }]) => [...(own.get("agents") ?? [])]));
  const lost = written.filter((one) => !there.has(one));
  expect(lost.length === 0, `I2: lost ${lost.join(", ")}`);
}

/** I7: each release that can be rolled back to has its files and its images. */
function startable({ servers, directory }: Site, expect: Expect): void {
  const { backups } = readBackups(directory);
  for (const { id, restores, services, backup } of retainedReleases(directory, 3)) {
    const origin = restores ?? id;
    for (const file of ["compose.yaml", "collector.yaml", "settings.env"] as const) {
      const text = readReleaseFile(directory, origin, file);
      expect(text !== undefined && text !== "", `I7: release ${origin} has lost ${file}`);
    }
    for (const { imageId } of Object.values(services)) {
      const name = retainedName(servers.project, imageId);
      expect(servers.names.get(name) === imageId, `I7: an image of release ${id} is not retained`);
    }
    const retained = backups.find((one) => one.id === backup);
    if (backup === null) continue;
    // Without CREATEDB it cannot be restored anywhere.
    const isVerified =
      retained !== undefined && (retained.verified !== null || !servers.cluster.mayCreate);
    expect(isVerified, `I7: backup ${backup} has gone`);
  }
}

const judged = new WeakSet<Buffer>();
const digests = new WeakMap<Buffer, string>();

/** I5, and that each backup is what its manifest says. */
function secrecy({ world, directory }: Site, expect: Expect): void {
  for (const path of pathsIn(world.disk, directory)) {
    const node = world.disk.find(path);
    if (node?.kind !== "file" || judged.has(node.data)) continue;
    const found = Object.values(secrets).some((value) => node.data.includes(value));
    expect(!found, `I5: a secret is in ${path}`);
    if (!found) judged.add(node.data);
  }
  for (const { id, sha256 } of readBackups(directory).backups) {
    const dump = world.disk.find(dumpPath(directory, id));
    const is = dump?.kind === "file" ? digestOf(dump.data) : "";
    expect(is === sha256, `state: the dump of ${id} is not what its manifest says`);
  }
}

function digestOf(data: Buffer): string {
  let digest = digests.get(data);
  if (digest === undefined) {
    digests.set(data, (digest = createHash("sha256").update(data).digest("hex")));
  }
  return digest;
}

function pathsIn(disk: Disk, at: string): string[] {
  const node: DiskNode | undefined = disk.find(at);
  if (node?.kind !== "folder") return node === undefined ? [] : [at];
  return [at, ...[...node.entries.keys()].flatMap((name) => pathsIn(disk, `${at}/${name}`))];
}
