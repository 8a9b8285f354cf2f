import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Where the engine listens, resolved once for the daemon API and for the Compose CLI:
 * dockerode knows nothing of contexts, and the two must not talk to different engines.
 * @returns a DOCKER_HOST value such as unix:///var/run/docker.sock
 */
export function endpoint(environment: Environment): string {
  if (environment["DOCKER_HOST"]) return environment["DOCKER_HOST"];
  const folder = environment["DOCKER_CONFIG"] ?? join(homedir(), ".docker");
  const context = environment["DOCKER_CONTEXT"] ?? currentContext(folder);
  const found = context && context !== "default" ? contextHost(folder, context) : undefined;
  return found ?? "unix:///var/run/docker.sock";
}

function currentContext(folder: string): string | undefined {
  return (readJson(join(folder, "config.json")) as { currentContext?: string }).currentContext;
}

/** Docker keeps a context under the SHA-256 of its name. */
function contextHost(folder: string, context: string): string | undefined {
  const id = createHash("sha256").update(context).digest("hex");
  const meta = readJson(join(folder, "contexts", "meta", id, "meta.json")) as {
    Endpoints?: { docker?: { Host?: string } };
  };
  return meta.Endpoints?.docker?.Host;
}

function readJson(file: string): object {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as object;
  } catch {
    return {};
  }
}
