import { rmSync } from "node:fs";
import { stateDirectory } from "../state/stateDirectory.ts";
import type { Context } from "../state/context.ts";
import { retainedPrefix } from "./pinImages.ts";
import type { Settings } from "../settings/readSettings.ts";
import { deploy } from "./deploy.ts";
import type { RolloutOutcome } from "./runPipeline.ts";
import { rollback } from "./rollback.ts";
import { rehearsalProject } from "./rehearsalEnvironment.ts";

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
  await context.reporter.step("clear the drill away", async () => {
    const directory = stateDirectory(settings.stateDir, settings.environment);
    await context.engine.down(rehearsalProject(settings.project, directory, context), true);
    await context.engine.down(settings.project, true);
    for (const { reference } of await context.engine.tagged(retainedPrefix(settings.project))) {
      await context.engine.untag(reference);
    }
    rmSync(directory, { recursive: true, force: true });
  });
}
