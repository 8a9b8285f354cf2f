import { Problem } from "../common/problem.ts";
import { headsOf } from "../database/history.ts";
import type { Release } from "../ledger/release.ts";
import { newestGood, updateRelease } from "../ledger/releases.ts";
import { planChanges } from "../parts/planChanges.ts";
import { madeDigests } from "../preparation/madeDigests.ts";
import { pastTarget } from "../preparation/target.ts";
import type { Settings } from "../settings/readSettings.ts";
import { describeRelease } from "./describeRelease.ts";
import { imageHistory } from "./imageHistory.ts";
import type { Session } from "./session.ts";
import { situation } from "./situation.ts";

/**
 * Writes the sheet of the release that serves anew, after it was damaged: from its own files,
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
  const { directory, tools } = session;
  const former = newestGood(directory);
  if (former !== undefined && former.id > id) return false; // the past is not guessed
  const observed = await tools.engine.containers(settings.project);
  try {
    const own = { id, restores: id, services: {} } as unknown as Release;
    const making = { id, directory, observed, secretKey: undefined, keeps: true };
    const target = await pastTarget(settings, own, making, tools);
    const { stack } = target.prepared;
    const { idByReference, bySetting } = target.images;
    const changes = planChanges(stack, observed, idByReference, "idle");
    // Without its key nothing is known of secrets: those are judged by the proof that follows.
    const differing = changes.filter((one) => one.action !== "none");
    const postgres = bySetting.get("POSTGRES_IMAGE")!;
    const seen = await situation(settings, directory, stack.server, postgres, tools);
    if (differing.length > 0 || seen.revision === undefined) return false;
    const history = await imageHistory(bySetting.get("LETTA_IMAGE")!, stack.server, making, tools);
    const sheet = describeRelease(
      {
        kind: "deploy",
        id,
        present: former,
        heads: headsOf(history),
        revision: seen.revision,
        way: "none",
        backup: null,
        proofs: [],
        rehearsal: null,
      },
      { ...target, restores: null },
      { ...session, reason: "rebuilt from what runs, as its sheet was damaged" },
    );
    const services = await madeDigests(sheet, undefined, stack.project, directory, tools);
    updateRelease(directory, { ...sheet, outcome: "good", services, seconds: 0 });
    return true;
  } catch (error) {
    if (error instanceof Problem) return false;
    throw error;
  }
}
