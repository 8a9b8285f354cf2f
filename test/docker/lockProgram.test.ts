import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { binaryPlatform, headerLength } from "../../scripts/docker/collectorBinary.ts";
import { archiveOf, lockProgram } from "../../scripts/docker/holdName.ts";
import type { Problem } from "../../scripts/common/problem.ts";

const folder = mkdtempSync(join(tmpdir(), "lock-program-"));
after(() => rmSync(folder, { recursive: true }));

test("each architecture has a program of its own", () => {
  for (const architecture of ["amd64", "arm64"]) {
    const header = lockProgram(architecture).subarray(0, headerLength);
    assert.equal(binaryPlatform(header), `linux ${architecture}`);
  }
  assert.throws(
    () => lockProgram("s390x"),
    (error: Problem) => error.code === "HOST_UNSUPPORTED" && /s390x/.test(error.message),
  );
});

test("the program answers what it is asked and ends with its input", async () => {
  const path = join(folder, "lock");
  writeFileSync(path, lockProgram(process.arch === "x64" ? "amd64" : process.arch), {
    mode: 0o755,
  });
  const running = spawn(path, { stdio: ["pipe", "pipe", "inherit"] });
  for (const question of [".\n", "another\n"]) {
    running.stdin.write(question);
    assert.equal(String((await once(running.stdout, "data"))[0]), question);
  }
  running.stdin.end();
  assert.deepEqual(await once(running, "exit"), [0, null]);
});

test("the archive has the program as an executable, with a checksum that tar accepts", async () => {
  const program = lockProgram("arm64");
  const tar = spawn("tar", ["-tv"], { stdio: ["pipe", "pipe", "inherit"] });
  tar.stdin.end(archiveOf("lock", program));
  const listed = String((await once(tar.stdout, "data"))[0]);
  assert.match(listed, new RegExp(`^-rwxr-xr-x 0/0 +${program.length} .* lock$`, "m"));
});
