import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "../settings/readSettings.ts";
import type { Context } from "../state/context.ts";
import { type Events, readEvents } from "../state/journal.ts";
import { lockHolder, stateLock } from "../state/lock.ts";
import type { Release } from "../state/release.ts";
import { damagedReleases, readReleases } from "../state/releases.ts";

/** A release as `releases` tells it. */
export interface ListedRelease {
  readonly id: string;
  readonly tag: string;
  readonly created: string;
  readonly outcome: string;
  readonly kind: string;
  /** The server's image, by its id. */
  readonly digest: string | null;
  readonly revision: string | null;
  readonly restores: string | null;
  readonly databaseStrategy: string | null;
  /** Checks that failed as the server failed before it. */
  readonly unverified: readonly string[];
  /** Whether a rollback can bring it back; `reason` says why not. */
  readonly restorable: boolean;
  readonly reason: string | null;
}

/**
 * Every release, newest first, and whether it can be gone back to: a good one whose images
 * are all on the engine. Nothing is pulled.
 */
export async function listReleases(settings: Settings, context: Context): Promise<ListedRelease[]> {
  const directory = join(settings.stateDir, settings.environment);
  const releases = readReleases(directory);
  const requested = new Set(
    releases.flatMap((one) => Object.values(one.services).map((service) => service.imageId)),
  );
  const here = new Set<string>();
  await Promise.all(
    [...requested].map(async (id) => {
      if (id !== "" && (await context.engine.image(id)) !== undefined) here.add(id);
    }),
  );
  const listed = releases.map((one): ListedRelease => {
    const reason = whyNot(one, here);
    return {
      id: one.id,
      tag: one.tag,
      created: one.created,
      outcome: one.outcome,
      kind: one.kind,
      digest: one.services["server"]?.imageId ?? null,
      revision: one.revision.join(" ") || null,
      restores: one.restores === one.id ? null : one.restores,
      databaseStrategy: one.databaseStrategy,
      unverified: one.unverified ?? [],
      restorable: reason === null,
      reason,
    };
  });
  const damaged = damagedReleases(directory).map(({ id, why }): ListedRelease => ({
    id,
    tag: "",
    created: "",
    outcome: "damaged",
    kind: "",
    digest: null,
    revision: null,
    restores: null,
    databaseStrategy: null,
    unverified: [],
    restorable: false,
    reason: `its manifest ${why}`,
  }));
  return [...listed, ...damaged].sort((a, b) => (a.id < b.id ? 1 : -1));
}

function whyNot(release: Release, here: ReadonlySet<string>): string | null {
  if (release.outcome === "begun") return "it was begun and not ended";
  if (release.outcome === "failed") return "it never was good";
  const missing = Object.entries(release.services).filter(([, one]) => !here.has(one.imageId));
  if (missing.length === 0) return null;
  const names = missing.map(([name, one]) => `${name} (${one.name ?? one.imageId})`);
  return `not on the engine: ${names.join(", ")}`;
}

/** The newest commands of an environment, the one that runs now among them. */
export async function readHistory(settings: Settings, limit: number): Promise<Events> {
  const directory = join(settings.stateDir, settings.environment);
  if (!existsSync(directory)) return { events: [], damaged: 0 };
  const holder = await lockHolder(stateLock(directory));
  return readEvents(directory, limit, holder !== undefined);
}
