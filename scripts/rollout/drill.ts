import { rmSync } from "node:fs";
import { stateDirectory } from "../ledger/stateDirectory.ts";
import type { Tools } from "../parts/tools.ts";
import { keptPrefix } from "../preparation/pinImages.ts";
import type { Settings } from "../settings/readSettings.ts";
import { deploy } from "./deploy.ts";
import type { RolloutOutcome } from "./rollOut.ts";
import { rollback } from "./rollback.ts";
import { stageProject } from "./stage.ts";

/** One act of a drill. */
export interface DrillAct {
  readonly act: string;
  readonly seconds: number;
  /** How long no server answered; null where none had served before. */
  readonly awaySeconds: number | null;
  readonly way: RolloutOutcome["way"];
}

const reason = "drill";
const asked = { reason, wait: false, recreate: [] };

/**
 * Deploys a former version and the present one, and rolls back, in a throw-away project next
 * to the real one; takes everything away afterwards.
 * @param former settings of the drill's own project, ports and state, at the former version
 * @param present the same at the present version
 * @throws Problem of whatever fails, after the clearing up
 */
export async function drill(
  former: Settings,
  present: Settings,
  tools: Tools,
): Promise<readonly DrillAct[]> {
  const acts: DrillAct[] = [];
  const play = async (act: string, work: () => Promise<RolloutOutcome>) => {
    const started = tools.now();
    const { awaySeconds, way } = await work();
    acts.push({ act, seconds: (tools.now() - started) / 1000, awaySeconds, way });
  };
  await clear(former, tools);
  try {
    const [from, to] = [former, present].map((one) => one.get("LETTA_VERSION"));
    await play(`deploy ${from}`, () => deploy(former, asked, tools));
    acts[0] = { ...acts[0]!, awaySeconds: null };
    await play(`deploy ${to}`, () => deploy(present, asked, tools));
    const wish = {
      wanted: undefined,
      way: "auto",
      fromDump: [],
      onlyConfiguration: false,
    } as const;
    await play(`roll back to ${from}`, () => rollback(present, { ...asked, ...wish }, tools));
    return acts;
  } finally {
    await clear(former, tools);
  }
}

/** The project was made for the drill alone, its volumes too. */
async function clear(settings: Settings, tools: Tools): Promise<void> {
  await tools.say.step("clear the drill away", async () => {
    const directory = stateDirectory(settings.stateDir, settings.environment);
    await tools.engine.down(stageProject(settings.project, directory, tools), true);
    await tools.engine.down(settings.project, true);
    for (const { reference } of await tools.engine.tagged(keptPrefix(settings.project))) {
      await tools.engine.untag(reference);
    }
    rmSync(directory, { recursive: true, force: true });
  });
}
