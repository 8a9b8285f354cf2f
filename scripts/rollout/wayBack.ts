import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { databases } from "../database/databases.ts";
import { headsOf } from "../database/history.ts";
import { revision } from "../database/revision.ts";
import { keptName, scratchName } from "../database/scratchName.ts";
import type { DatabaseServer } from "../database/sql.ts";
import { swapNames } from "../database/swapNames.ts";
import type { Release } from "../ledger/release.ts";
import { keepRelease, nextReleaseId, updateRelease } from "../ledger/releases.ts";
import { secretKey } from "../ledger/secretKey.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Stack } from "../stack/renderStack.ts";
import { withoutMigration } from "../stack/withoutMigration.ts";
import { activate } from "./activate.ts";
import { describeRelease } from "./describeRelease.ts";
import { gatherEvidence } from "./evidence.ts";
import { imageHistory } from "./imageHistory.ts";
import { newestGood } from "../ledger/releases.ts";
import { labelParts } from "./prepareStack.ts";
import { readyDatabase } from "./readyDatabase.ts";
import { repair, repairsFor } from "./repairs.ts";
import type { Session } from "./session.ts";
import { settingsText } from "./settingsText.ts";
import { situation } from "./situation.ts";
import { stopAll } from "./stopAll.ts";
import { pastTarget } from "./target.ts";
import type { Tools } from "./tools.ts";

export interface WayBackAsked {
  /** The release that did not come to be good. */
  readonly failed: Release;
  /** The settings of now. */
  readonly settings: Settings;
  /** Why it failed. */
  readonly error: unknown;
}

/**
 * Goes back to the last good release after a failure, database included, and proves it.
 * What the failed release made of the database stays under another name.
 * @returns the Problem to end with: ROLLED_BACK where the former release serves again, else
 *   STEP_FAILED with what runs now and the next command
 */
export async function wayBack(asked: WayBackAsked, session: Session): Promise<Problem> {
  const { failed, settings, error } = asked;
  const { directory } = session;
  // From here on Ctrl-C would leave nothing that serves.
  const tools = { ...session.tools, signal: new AbortController().signal };
  const cause = error instanceof Problem ? error : undefined;
  const why = cause?.message ?? (error as Error).message;
  updateRelease(directory, { ...failed, outcome: "failed" });
  const present = newestGood(directory);
  try {
    await gatherEvidence(settings, directory, failed.id, tools);
    if (present === undefined) return nothingBefore(asked, why, session.tools.signal.aborted);
    tools.say.note(`${why}: going back to release ${present.id} (${present.tag})`);
    const back = await goBack({ ...asked, present, why }, { ...session, tools });
    const interrupted = session.tools.signal.aborted ? "interrupted: " : "";
    return new Problem(
      "ROLLED_BACK",
      `${interrupted}release ${failed.id} (${failed.tag}) failed, ${present.tag} serves again as release ${back.id}, proven`,
      {
        details: [why, ...(cause?.details ?? [])],
        next: cause?.next ?? `npm run logs -- ${settings.environment}`,
        cause: error,
      },
    );
  } catch (second) {
    return stranded(asked, why, second, tools);
  }
}

interface Return extends WayBackAsked {
  readonly present: Release;
  readonly why: string;
}

async function goBack(asked: Return, session: Session): Promise<Release> {
  const { failed, settings, present, why } = asked;
  const { directory, tools } = session;
  const key = secretKey(directory, tools.randomBytes);
  const id = nextReleaseId(directory);
  const observed = await tools.engine.containers(settings.project);
  const making = { id, directory, observed, secretKey: key };
  const target = await pastTarget(settings, present, making, tools);
  const { server: role } = target.prepared.stack;
  const image = target.images.bySetting.get("LETTA_IMAGE")!;
  const postgres = target.images.bySetting.get("POSTGRES_IMAGE")!;
  await stopAll(target.prepared.stack, [role.service, role.migrate], tools, "stop what failed");
  const origin = present.restores ?? present.id;
  const past = join(directory, "releases", origin, "compose.yaml");
  await readyDatabase(target.settings, target.prepared.stack, past, postgres, tools);
  const seen = await situation(settings, directory, role, postgres, tools);
  const heads = headsOf(await imageHistory(image, role, tools));
  const way = seen.database
    ? await databaseBack(seen.database, { failed, present, heads, image, role }, tools)
    : "none";
  const stack =
    way === "keep"
      ? withoutMigration(
          target.prepared.stack,
          labelParts(target.settings, { release: id, observed, secretKey: key }),
        )
      : target.prepared.stack;
  const whole = { ...target, prepared: { ...target.prepared, stack } };
  const parts = {
    kind: "rollback",
    id,
    present,
    heads,
    revision: way === "keep" ? present.revision : heads,
    way,
    backup: null,
    proofs: [],
    rehearsal: null,
  } as const;
  const reason = `way back from ${failed.id}: ${why}`;
  const sheet = describeRelease(parts, whole, { ...session, reason });
  const file = keepRelease(directory, sheet, {
    "compose.yaml": stack.text,
    "collector.yaml": target.prepared.collector,
    "settings.env": settingsText(target.settings),
  });
  const repairs =
    way === "keep" ? await repairsFor(role, failed.tag, target.settings.get("LETTA_VERSION")) : [];
  const activation = {
    sheet,
    target: whole,
    directory,
    file,
    incident: true,
    awayWork: async (server: DatabaseServer) => repair(server.database(), repairs),
  };
  return (await activate(activation, tools)).release;
}

/**
 * Brings the database back to where the former server can serve on it, by what is found
 * there: this may be the second try, after a kill.
 */
async function databaseBack(
  server: DatabaseServer,
  {
    failed,
    present,
    heads,
    image,
    role,
  }: {
    readonly failed: Release;
    readonly present: Release;
    readonly heads: readonly string[];
    readonly image: string;
    readonly role: Stack["server"];
  },
  tools: Tools,
): Promise<"none" | "keep"> {
  const names = await databases(server);
  const kept = keptName(server.name, failed.id);
  const before = scratchName(server.name, "before", failed.id);
  const next = scratchName(server.name, "next", failed.id);
  const at = await revision(server.database(), role.revisionQuery);
  const is = (revisions: readonly string[]) => at.join(" ") === revisions.join(" ");
  const proven = failed.proofs.some((one) => one.passed && one.image === image && is(one.revision));
  // The migration went through, and this very server was proven on its outcome: nothing that
  // was written since is lost.
  if (failed.way === "migrate" && is(failed.heads) && !is(heads) && proven) return "keep";
  if (names.has(before)) {
    await tools.say.step(`the database as it was before; the failed one stays as ${kept}`, () =>
      swapNames(server, [
        [server.name, kept],
        [before, server.name],
      ]),
    );
  } else if (names.has(kept) && is(failed.heads)) {
    await tools.say.step(`the former database; the failed one stays as ${kept}`, () =>
      swapNames(server, [
        [kept, next],
        [server.name, kept],
        [next, server.name],
      ]),
    );
  }
  const now = await revision(server.database(), role.revisionQuery);
  if (now.join(" ") === heads.join(" ")) return "none";
  // It had served on a schema newer than its own: it still can.
  if (now.join(" ") === present.revision.join(" ")) return "keep";
  throw new Problem(
    "STEP_FAILED",
    `the database is at ${now.join(", ")}, ${present.tag} needs ${heads.join(", ")}`,
  );
}

function nothingBefore({ failed, settings, error }: WayBackAsked, why: string, cut: boolean) {
  const cause = error instanceof Problem ? error : undefined;
  return new Problem(
    cut ? "INTERRUPTED" : "STEP_FAILED",
    `release ${failed.id} (${failed.tag}) failed, and there is no good release to go back to: ${why}`,
    {
      details: cause?.details ?? [],
      next: cause?.next ?? `npm run status -- ${settings.environment}`,
      cause: error,
    },
  );
}

async function stranded(
  { failed, settings }: WayBackAsked,
  why: string,
  second: unknown,
  tools: Tools,
): Promise<Problem> {
  const details = [`first: ${why}`, `then: ${(second as Error).message}`];
  if (second instanceof Problem) details.push(...second.details);
  try {
    for (const one of await tools.engine.containers(settings.project)) {
      details.push(`${one.service}: ${one.state}, ${one.health}, ${one.image}`);
    }
  } catch {
    details.push("the engine does not say what runs now");
  }
  return new Problem("STEP_FAILED", `release ${failed.id} failed, and so did the way back`, {
    details,
    next: `npm run rollback -- --env ${settings.environment}`,
    cause: second,
  });
}
