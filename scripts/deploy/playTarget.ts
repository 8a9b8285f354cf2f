import { dropScratch } from "../database/alterDatabases.ts";
import { databaseName, type Mark } from "../database/databaseNames.ts";
import type { Verification } from "../state/release.ts";
import { openRehearsalEnvironment, play, type RehearsedServer } from "./rehearsalEnvironment.ts";
import type { Rollout } from "./rollout.ts";
import type { Session } from "./session.ts";

/**
 * Boots the target's server on a copy, without its migration, and uses it. The copy is gone then.
 * @param scratch marks the copy
 * @throws Problem REHEARSAL_FAILED where it does not boot, or does not work
 */
export async function playTarget(
  rollout: Rollout,
  scratch: Mark,
  { directory, context }: Session,
): Promise<Verification> {
  const { target, settings, currentState, schema } = rollout;
  const server = currentState.database!;
  const database = databaseName(server.name, scratch);
  const tag = target.settings.get("LETTA_VERSION");
  const rehearsedServer: RehearsedServer = {
    stack: target.prepared.stack,
    settings: target.settings,
  };
  const rehearsalEnvironment = await openRehearsalEnvironment(
    new Map([["target", rehearsedServer]]),
    { server, database },
    { settings, directory },
    context,
  );
  const started = context.now();
  try {
    const { requests } = await context.reporter.step(
      `rehearse: ${tag} on the copy`,
      () => play(rehearsalEnvironment, "target"),
      (played) =>
        `boots in ${played.bootSeconds.toFixed(1)} s, answers ${played.requests} requests`,
    );
    return {
      image: target.images.bySetting.get("LETTA_IMAGE")!,
      revision: schema.revision ?? [],
      databaseStrategy: "keep",
      passed: true,
      detail: `${tag} answered ${requests} requests on a copy`,
      at: new Date(context.now()).toISOString(),
      seconds: (context.now() - started) / 1000,
    };
  } finally {
    await rehearsalEnvironment.close();
    await dropScratch(server, scratch);
  }
}
