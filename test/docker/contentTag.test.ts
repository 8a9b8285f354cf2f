import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  appendFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import type { Problem } from "../../scripts/common/problem.ts";
import { baseTag, contentTag } from "../../scripts/docker/contentTag.ts";
import { assertBuildable, baseRole, type Recipe, recipes } from "../../scripts/docker/recipes.ts";
import { exampleValues, lookupOf, root } from "../stack/exampleStack.ts";

const folder = mkdtempSync(join(tmpdir(), "content-tag-"));
after(() => rmSync(folder, { recursive: true }));

const lookup = lookupOf(exampleValues("dev"));
const role = (name: string): Recipe => recipes("dev", lookup).find((one) => one.role === name)!;

/** A copy of docker/, for changing. */
function copy(): string {
  const made = mkdtempSync(join(folder, "root-"));
  cpSync(join(root, "docker"), join(made, "docker"), { recursive: true });
  return made;
}

test("a tag says role, version and content", () => {
  assert.match(contentTag(root, role("postgres")), /^letta-stack\/postgres:17-[0-9a-f]{12}$/);
});

test("the same content has the same tag, wherever it lies and however old it is", () => {
  const other = copy();
  utimesSync(join(other, "docker", "postgres", "Dockerfile"), 1, 1);
  assert.equal(contentTag(other, role("postgres")), contentTag(root, role("postgres")));
});

test("a changed file changes its own role's tag and no other's", () => {
  const other = copy();
  appendFileSync(join(other, "docker", "postgres", "entrypoint.sh"), "\n");
  assert.notEqual(contentTag(other, role("postgres")), contentTag(root, role("postgres")));
  assert.equal(contentTag(other, role("proxy")), contentTag(root, role("proxy")));
});

test("a file more changes the tag", () => {
  const other = copy();
  writeFileSync(join(other, "docker", "proxy", "empty"), "");
  assert.notEqual(contentTag(other, role("proxy")), contentTag(root, role("proxy")));
});

test("a changed base changes every role's tag", () => {
  const other = copy();
  appendFileSync(join(other, "docker", baseRole, "rootfs.sh"), "\n");
  assert.notEqual(baseTag(other), baseTag(root));
  for (const recipe of recipes("dev", lookup)) {
    assert.notEqual(contentTag(other, recipe), contentTag(root, recipe), recipe.role);
  }
});

test("another argument and another target are other images", () => {
  const letta = role("letta");
  const tags = [
    contentTag(root, letta),
    contentTag(root, { ...letta, arguments: { ...letta.arguments, UV_VERSION: "0" } }),
    contentTag(root, { ...letta, target: "development" }),
  ];
  assert.equal(new Set(tags).size, tags.length);
});

test("every role has a recipe to build it from, or says why not", () => {
  const missing = recipes("dev", lookup).filter(
    (recipe) => !existsSync(join(root, "docker", recipe.role, "Dockerfile")),
  );
  assert.deepEqual(
    missing.map((recipe) => [recipe.role, recipe.unbuildable?.includes("registry")]),
    [["grafana", true]],
  );
});

test("development builds the server's development target, all others its runtime", () => {
  const targets = ["dev", "development", "staging", "prod"].map(
    (environment) => recipes(environment, lookup).find((one) => one.role === "letta")?.target,
  );
  assert.deepEqual(targets, ["runtime", "development", "runtime", "runtime"]);
});

test("Datadog is built into the collector only where something goes there", () => {
  const tags = (key: string) => {
    const values = new Map([...exampleValues("prod"), ["DD_API_KEY", key]]);
    return recipes("prod", lookupOf(values)).find((one) => one.role === "collector")?.arguments[
      "OTEL_BUILD_TAGS"
    ];
  };
  // With Datadog the collector also reads the metrics that it sends there itself.
  assert.deepEqual([tags(""), tags("key")], ["", "datadog,prometheus"]);
});

/** The collector's recipe at a version of it. */
function collector(version: string, datadogKey = ""): Recipe {
  const given = { OTEL_VERSION: version, DD_API_KEY: datadogKey };
  const values = new Map([...exampleValues("dev"), ...Object.entries(given)]);
  return recipes("dev", lookupOf(values)).find((one) => one.role === "collector")!;
}

test("the versions of the collector that can be built are those with a folder of their own", () => {
  const folders = readdirSync(join(root, "docker", "collector"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
  assert.deepEqual(folders.sort(), [...collector("0.96.0").sources!].sort());
});

test("a changed file of one collector version leaves the other versions' tags", () => {
  const other = copy();
  appendFileSync(join(other, "docker", "collector", "0.161.0", "settings.go"), "\n");
  assert.equal(contentTag(other, collector("0.96.0")), contentTag(root, collector("0.96.0")));
  assert.notEqual(contentTag(other, collector("0.161.0")), contentTag(root, collector("0.161.0")));
});

test("a changed file that the collector's versions share changes the tags of all", () => {
  const other = copy();
  appendFileSync(join(other, "docker", "collector", "main.go"), "\n");
  for (const version of ["0.96.0", "0.161.0"]) {
    assert.notEqual(contentTag(other, collector(version)), contentTag(root, collector(version)));
  }
});

test("what has no source is not built, and the refusal names the versions that have one", () => {
  const refusal = (version: string, key = "") => {
    const found = collector(version, key);
    try {
      assertBuildable(found);
      return "";
    } catch (error) {
      return `${(error as Problem).code}: ${(error as Problem).message}`;
    }
  };
  const start = "IMAGE_UNAVAILABLE: collector cannot be built here: expected OTEL_VERSION";
  assert.equal(refusal("0.161.0"), "");
  assert.equal(refusal("0.96.0", "key"), "");
  assert.equal(refusal("0.100.0"), `${start} 0.96.0 or 0.161.0, got 0.100.0`);
  assert.equal(
    refusal("0.161.0", "key"),
    `${start} 0.96.0, got 0.161.0 with datadog and prometheus`,
  );
  assertBuildable(role("postgres"));
});

test("a version without source still has a tag, so that its official image can be asked for", () => {
  assert.match(contentTag(root, collector("0.100.0")), /^letta-stack\/collector:0\.100\.0-/);
});

/** The modules a version's go.mod asks for itself, with their versions. */
function modules(version: string): [module: string, version: string][] {
  const text = readFileSync(join(root, "docker", "collector", version, "go.mod"), "utf8");
  const direct = [...text.matchAll(/^\t(\S+) (v\S+)$/gm)];
  return direct.map((found) => [found[1]!, found[2]!]);
}

test("every part of the collector comes from the release that its folder is named for", () => {
  for (const version of collector("0.96.0").sources!) {
    const others = modules(version).filter(
      ([, at]) => at.startsWith("v0.") && at !== `v${version}`,
    );
    assert.ok(modules(version).length > 25, version);
    // go.mod says why.
    const older = version === "0.161.0" ? ["basicauthextension"] : [];
    assert.deepEqual(
      others.map(([name]) => name.split("/").at(-1)),
      older,
    );
  }
});
