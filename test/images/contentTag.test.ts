import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  rmSync,
  utimesSync,
  appendFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { baseTag, contentTag } from "../../scripts/images/contentTag.ts";
import { baseRole, recipes, type Recipe } from "../../scripts/images/recipes.ts";
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

test("every role has a recipe to build it from", () => {
  const missing = recipes("dev", lookup).filter(
    (recipe) => !existsSync(join(root, "docker", recipe.role, "Dockerfile")),
  );
  assert.deepEqual(
    missing.map((recipe) => recipe.role),
    [],
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
  assert.deepEqual([tags(""), tags("key")], ["", "datadog"]);
});
