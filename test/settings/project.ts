import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { Problem } from "../../scripts/common/problem.ts";
import type { EnvironmentName } from "../../scripts/settings/environmentName.ts";
import { readSettings, type Settings } from "../../scripts/settings/readSettings.ts";

const committed = fileURLToPath(new URL("../../env/", import.meta.url));
const names = ["common.env", "dev.env", "development.env", "staging.env", "prod.env"];

export interface Project {
  readonly root: string;
  write(file: string, text: string, mode?: number): void;
  read(environment: EnvironmentName, process?: Record<string, string>): Settings;
  /** The problem that reading must end in. */
  refusal(environment: EnvironmentName, process?: Record<string, string>): Problem;
}

/** A throw-away project with the env files this repository ships, and no secrets. */
export function project(context: TestContext): Project {
  const root = mkdtempSync(join(tmpdir(), "settings-"));
  context.after(() => rmSync(root, { recursive: true }));
  mkdirSync(join(root, "env"));
  for (const name of names) copyFileSync(join(committed, name), join(root, "env", name));
  const read = (environment: EnvironmentName, processEnvironment: Record<string, string> = {}) =>
    readSettings({ environment, root, processEnvironment });
  return {
    root,
    write(file, text, mode = file.includes("secrets") ? 0o600 : 0o644) {
      writeFileSync(join(root, file), text);
      chmodSync(join(root, file), mode);
    },
    read,
    refusal(environment, processEnvironment) {
      try {
        read(environment, processEnvironment);
      } catch (error) {
        if (error instanceof Problem && error.code === "SETTINGS_INVALID") return error;
        throw error;
      }
      throw new Error("expected the settings to be refused, got none");
    },
  };
}
