import { join } from "node:path";
import { freePorts } from "../docker/freePorts.ts";
import { newestGood } from "../state/releases.ts";
import { scratchProject } from "../state/scratchProject.ts";
import { installationId, secretKey } from "../state/secretKey.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import { chooseRelease } from "./chooseRelease.ts";

/** What a drill sets over an environment's settings. */
type Over = Readonly<Record<string, string>>;

const ports = [
  "PROXY_HTTPS_PORT",
  "OTEL_GRPC_PORT",
  "OTEL_HTTP_PORT",
  "OTEL_HEALTH_PORT",
  "OTEL_METRICS_PORT",
] as const;

/**
 * The settings of a drill: a project, ports, state and a database of its own, whatever the
 * environment's are; at the older version and at the newer one.
 * @param from the version to begin with; the one before the present where it is left out
 * @throws Problem RELEASE_UNKNOWN
 */
export async function drillSettings(
  settings: Settings,
  from: string | undefined,
  context: Context,
): Promise<{ previous: Over; present: Over }> {
  const { environment, stateDir } = settings;
  const directory = join(stateDir, environment);
  const free = await freePorts(ports.length);
  const own = {
    STACK_PROJECT: scratchProject(
      settings.project,
      "drill",
      installationId(secretKey(directory, context.randomBytes)),
    ),
    STATE_DIR: join(directory, "drill"),
    PROXY_PUBLISH_HOST: "127.0.0.1",
    PROXY_DOMAIN: "",
    // A database of its own, also where the real one is outside.
    LETTA_PG_URI: "",
    LETTA_PG_PASSWORD: context.randomBytes(20).toString("hex"),
    REQUIRE_STAGING: "false",
    BAKE_TIME: "1s",
    BAKE_GATE: "false",
    ...Object.fromEntries(ports.map((name, index) => [name, String(free[index])])),
  };
  const to = newestGood(directory)?.tag ?? settings.get("LETTA_VERSION");
  const other = from ?? chooseRelease(directory, undefined, environment).tag;
  // After a rollback the present one is the older of the two.
  const [older, newer] = await byAge(other, to);
  return { previous: { ...own, LETTA_VERSION: older }, present: { ...own, LETTA_VERSION: newer } };
}

async function byAge(one: string, other: string): Promise<[string, string]> {
  const [{ default: compare }, { default: coerce }] = await Promise.all([
    import("semver/functions/compare.js"),
    import("semver/functions/coerce.js"),
  ]);
  const isOlder = compare(coerce(one) ?? "0.0.0", coerce(other) ?? "0.0.0") <= 0;
  return isOlder ? [one, other] : [other, one];
}
