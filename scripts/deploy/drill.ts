import { rmSync } from "node:fs";
import { join } from "node:path";
import { freePorts } from "../docker/host.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { newestGood } from "../state/releases.ts";
import { installationId, secretKey } from "../state/secretKey.ts";
import { scratchProject, stateDirectory } from "../state/stateDirectory.ts";
import { deploy, type RolloutOutcome } from "./deploy.ts";
import { retainedPrefix } from "./obtainImages.ts";
import { rehearsalProject } from "./rehearsalEnvironment.ts";
import { chooseRelease, rollback } from "./rollback.ts";

/** One act of a drill. */
export interface DrillAct {
  readonly act: string;
  readonly seconds: number;
  /** How long no server answered; null where none had served before. */
  readonly downtimeSeconds: number | null;
  readonly databaseStrategy: RolloutOutcome["databaseStrategy"];
}

const reason = "drill";
const input = { reason, wait: false, recreate: [] };

/**
 * Deploys a previous version and the present one, and rolls back, in a throw-away project next
 * to the real one; takes everything away afterwards.
 * @param previous settings of the drill's own project, ports and state, at the previous version
 * @param present the same at the present version
 * @throws Problem of whatever fails, after the clearing up
 */
export async function drill(
  previous: Settings,
  present: Settings,
  context: Context,
): Promise<readonly DrillAct[]> {
  const acts: DrillAct[] = [];
  const play = async (act: string, work: () => Promise<RolloutOutcome>) => {
    const started = context.now();
    const { downtimeSeconds, databaseStrategy } = await work();
    acts.push({
      act,
      seconds: (context.now() - started) / 1000,
      downtimeSeconds,
      databaseStrategy,
    });
  };
  await clear(previous, context);
  try {
    const [from, to] = [previous, present].map((one) => one.get("LETTA_VERSION"));
    await play(`deploy ${from}`, () => deploy(previous, input, context));
    acts[0] = { ...acts[0]!, downtimeSeconds: null };
    await play(`deploy ${to}`, () => deploy(present, input, context));
    const options = {
      requested: undefined,
      databaseStrategy: "auto",
      fromDump: [],
      onlyConfiguration: false,
    } as const;
    await play(`roll back to ${from}`, () => rollback(present, { ...input, ...options }, context));
    return acts;
  } finally {
    await clear(previous, context);
  }
}

/** The project was made for the drill alone, its volumes too. */
async function clear(settings: Settings, context: Context): Promise<void> {
  await context.reporter.step("remove drill", async () => {
    const directory = stateDirectory(settings.stateDir, settings.environment);
    await context.engine.down(rehearsalProject(settings.project, directory, context), true);
    await context.engine.down(settings.project, true);
    for (const { reference } of await context.engine.tagged(retainedPrefix(settings.project))) {
      await context.engine.untag(reference);
    }
    rmSync(directory, { recursive: true, force: true });
  });
}

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
