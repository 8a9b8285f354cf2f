import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { contentTag } from "../../scripts/docker/contentTag.ts";
import { recipes } from "../../scripts/docker/recipes.ts";
import { backends } from "../stack/backends.ts";
import { lookupIn } from "../stack/composed.ts";
import { root } from "../stack/exampleStack.ts";
import { docker } from "./workspace.ts";

const all = { ...backends["clickhouse+datadog"], ...backends.signoz };
const folder = mkdtempSync(join(tmpdir(), "configurations-"));
const made: string[] = [];
after(() => {
  if (made.length > 0) spawnSync("docker", ["rm", "--force", ...made]);
  rmSync(folder, { recursive: true });
});

type Changed = Readonly<Record<string, string>>;

function recipeOf(role: string, changed: Changed) {
  return recipes("prod", lookupIn("prod", changed)).find((one) => one.role === role)!;
}

/** Whether a version can be built here with Datadog's parts in it. */
export function hasDatadog(version: string): boolean {
  return recipeOf("collector", { ...all, OTEL_VERSION: version }).unbuildable === undefined;
}

/** The image of a role for some settings, built where it is not there yet. */
function imageOf(role: string, changed: Changed): string {
  const recipe = recipeOf(role, changed);
  const tag = contentTag(root, recipe);
  if (spawnSync("docker", ["image", "inspect", tag]).status === 0) return tag;
  const entry = [
    "--import",
    "./scripts/commands/start.mjs",
    "scripts/commands/images.ts",
    "build",
    role,
    "--yes",
  ];
  const done = spawnSync(process.execPath, entry, {
    cwd: root,
    env: { ...process.env, ...changed },
    stdio: ["ignore", "ignore", "inherit"],
  });
  assert.equal(done.status, 0, `${role} cannot be built`);
  return tag;
}

/**
 * Runs a script of busybox in a container of the collector at a version, with all its parts, on no network. The
 * image has no shell: busybox stands in /given, the files in /given/configurations.
 * @returns what it wrote
 */
export function inCollector(
  version: string,
  script: string,
  files: ReadonlyMap<string, string | Buffer>,
  environment: Readonly<Record<string, string>> = {},
): string {
  const parts = hasDatadog(version) ? all : { ...all, DD_API_KEY: "" };
  const image = imageOf("collector", { ...parts, OTEL_VERSION: version });
  const given = Object.entries(environment).flatMap(([name, value]) => [
    "--env",
    `${name}=${value}`,
  ]);
  const shell = ["--entrypoint", "/given/busybox", image, "sh", "-c", script];
  const id = docker("create", "--network", "none", "--user", "0", ...given, ...shell);
  const probe = docker("create", imageOf("probe", {}), "none");
  made.push(id, probe);
  const place = mkdtempSync(join(folder, "given-"));
  mkdirSync(join(place, "configurations"));
  docker("cp", `${probe}:/bin/busybox`, join(place, "busybox"));
  for (const [name, text] of files) writeFileSync(join(place, "configurations", name), text);
  docker("cp", `${place}/.`, `${id}:/given`);
  const ran = spawnSync("docker", ["start", "--attach", id], { maxBuffer: 64 * 1024 * 1024 });
  return ran.stdout.toString() + ran.stderr.toString();
}
