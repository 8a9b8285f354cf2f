import { Problem } from "../common/problem.ts";
import { headsOf } from "../database/history.ts";
import type { Release } from "../state/release.ts";
import { newestGood, updateRelease } from "../state/releases.ts";
import { planChanges } from "./planChanges.ts";
import { madeDigests } from "./madeDigests.ts";
import { pastTarget } from "./target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { describeRelease } from "./describeRelease.ts";
import { imageHistory } from "./imageHistory.ts";
import type { Session } from "./session.ts";
import { currentState } from "./currentState.ts";

/**
 * Rewrites the manifest of the release that serves, after it was damaged: from its own files,
 * from what runs, and from what the database says. Where these do not agree nothing is made
 * up, and the release before counts as the last good one.
 * @param id the damaged one's
 * @returns whether it could be rebuilt
 */
export async function rebuildRelease(
  settings: Settings,
  id: string,
  session: Session,
): Promise<boolean> {
  const { directory, context } = session;
  const previous = newestGood(directory);
  if (previous !== undefined && previous.id > id) return false; // the past is not guessed
  const observed = await context.engine.containers(settings.project);
  try {
    const own = { id, restores: id, services: {} } as unknown as Release;
    const preparation = { id, directory, observed, secretKey: undefined, keeps: true };
    const target = await pastTarget(settings, own, preparation, context);
    const { stack } = target.prepared;
    const { idByReference, bySetting } = target.images;
    const changes = planChanges(stack, observed, idByReference, "idle");
    // Without its key nothing is known of secrets: those are checked by the verification that follows.
    const differing = changes.filter((one) => one.action !== "none");
    const postgres = bySetting.get("POSTGRES_IMAGE")!;
    const seen = await currentState(settings, directory, stack.server, postgres, context);
    if (differing.length > 0 || seen.revision === undefined) return false;
    const history = await imageHistory(
      bySetting.get("LETTA_IMAGE")!,
      stack.server,
      preparation,
      context,
    );
    const manifest = describeRelease(
      {
        kind: "deploy",
        id,
        present: previous,
        heads: headsOf(history),
        revision: seen.revision,
        databaseStrategy: "none",
        backup: null,
        verifications: [],
        rehearsal: null,
      },
      { ...target, restores: null },
      { ...session, reason: "rebuilt from what runs, as its manifest was damaged" },
    );
    const services = await madeDigests(manifest, undefined, stack.project, directory, context);
    updateRelease(directory, { ...manifest, outcome: "good", services, seconds: 0 });
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
