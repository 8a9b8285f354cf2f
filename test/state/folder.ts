import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";

const whole = mkdtempSync(join(tmpdir(), "state-"));
after(() => rmSync(whole, { recursive: true }));

/** An empty directory of a test's own. */
export function folder(): string {
  return mkdtempSync(join(whole, "state-"));
}
