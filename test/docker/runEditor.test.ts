import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { withoutTraces } from "../../scripts/docker/runEditor.ts";

const folder = mkdtempSync(join(tmpdir(), "editor-"));
after(() => rmSync(folder, { recursive: true }));
for (const name of ["vim.basic", "nvim", "busybox", "nano"]) writeFileSync(join(folder, name), "");
symlinkSync("vim.basic", join(folder, "vi"));

test("vim under any of its names writes neither swap, backup, undo nor viminfo files", () => {
  for (const program of ["vi", "vim.basic", "nvim", join(folder, "vi")]) {
    const flags = withoutTraces(program, `/nowhere:${folder}`);
    assert.deepEqual(flags.slice(0, 4), ["-n", "-i", "NONE", "-c"], program);
    for (const option of ["noswapfile", "nobackup", "nowritebackup", "noundofile"])
      assert.ok(flags[4]?.includes(option), option);
  }
});

test("another editor, also one called vi, gets no flag that it does not know", () => {
  const other = mkdtempSync(join(folder, "other-"));
  symlinkSync(join(folder, "busybox"), join(other, "vi"));
  assert.deepEqual(withoutTraces("vi", other), []);
  for (const program of ["nano", "code", "not-there"])
    assert.deepEqual(withoutTraces(program, folder), []);
});
