// A base image that could not be made whole must not be there for later runs.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { importBase } from "../../scripts/docker/buildImage.ts";

const root = mkdtempSync(join(tmpdir(), "base-"));
const tag = `letta-stack/base:test-${process.pid}`;
const docker = (...argv: string[]) => spawnSync("docker", argv, { encoding: "utf8" });
after(() => {
  docker("rmi", tag);
  rmSync(root, { recursive: true });
});

for (const [what, script] of [
  ["that fails after half of its stream", "head -c 4096 /dev/zero; echo no mirror >&2; exit 1"],
  ["that writes nothing and says it succeeded", "exit 0"],
  ["whose system has no program that runs", "tar -C /etc -c hostname"],
] as const) {
  test(`a script ${what} leaves no image under either name`, async () => {
    mkdirSync(join(root, "docker", "base"), { recursive: true });
    writeFileSync(join(root, "docker", "base", "rootfs.sh"), script);
    await assert.rejects(importBase(process.env, root, "http://mirror", tag), {
      code: "BUILD_FAILED",
    });
    for (const name of [tag, `${tag}-incoming`])
      assert.notEqual(docker("image", "inspect", name).status, 0, name);
  });
}
