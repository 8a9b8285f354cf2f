import { databaseName } from "../database/databaseName.ts";
import { dropScratch } from "../database/dropScratch.ts";
import type { Mark } from "../database/marks.ts";
import type { Proof } from "../ledger/release.ts";
import type { Rollout } from "./carryOut.ts";
import type { Session } from "./session.ts";
import { openStage, play, type Actor } from "./stage.ts";

/**
 * Boots the target's server on a copy, without its migration, and uses it. The copy is gone then.
 * @param scratch marks the copy
 * @throws Problem REHEARSAL_FAILED where it does not boot, or does not work
 */
export async function playTarget(
  rollout: Rollout,
  scratch: Mark,
  { directory, tools }: Session,
): Promise<Proof> {
  const { target, settings, situation, schema } = rollout;
  const server = situation.database!;
  const database = databaseName(server.name, scratch);
  const tag = target.settings.get("LETTA_VERSION");
  const actor: Actor = { stack: target.prepared.stack, settings: target.settings };
  const stage = await openStage(
    new Map([["target", actor]]),
    { server, database },
    { settings, directory },
    tools,
  );
  const started = tools.now();
  try {
    const { requests } = await tools.say.step(
      `${tag} on the copy`,
      () => play(stage, "target"),
      (played) =>
        `boots in ${played.bootSeconds.toFixed(1)} s, answers ${played.requests} requests`,
    );
    return {
      image: target.images.bySetting.get("LETTA_IMAGE")!,
      revision: schema.revision ?? [],
      way: "keep",
      passed: true,
      detail: `${tag} answered ${requests} requests on a copy`,
      at: new Date(tools.now()).toISOString(),
      seconds: (tools.now() - started) / 1000,
    };
  } finally {
    await stage.close();
    await dropScratch(server, scratch);
  }
}
