import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { assertSameProject } from "../../scripts/deploy/session.ts";
import { targetOf, settingsOf } from "./exampleTarget.ts";

const directory = mkdtempSync(join(tmpdir(), "state-"));
after(() => rmSync(directory, { recursive: true }));

function keep(id: string, text: string): void {
  const folder = join(directory, "releases", id);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "compose.yaml"), text);
}

const settings = settingsOf("prod");

test("a state without a release is unowned", () => {
  assertSameProject(settings, directory);
});

test("the stack's own releases are its own", () => {
  keep("000001", targetOf(settings).prepared.stack.text);
  assertSameProject(settings, directory);
});

test("under another project's name they are refused, with both names and where this one is from", () => {
  assert.throws(() => assertSameProject({ ...settings, project: "letta-other" }, directory), {
    code: "STATE_UNUSABLE",
    message: `the releases in ${directory} are those of project ${settings.project}, and STACK_PROJECT is letta-other`,
    details: [`STACK_PROJECT: ${settings.origin("STACK_PROJECT")}`],
    next: `set STACK_PROJECT=${settings.project}, or for a stack of its own another STATE_DIR`,
  });
});

test("what cannot be read says nothing", () => {
  keep("000002", "half a fi");
  assertSameProject({ ...settings, project: "letta-other" }, directory);
});
