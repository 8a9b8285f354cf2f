import type { Settings } from "../settings/readSettings.ts";
import { isOwnSetting } from "../settings/settingDefinitions.ts";
import { secretValues } from "../stack/proxyCertificate.ts";
import { labels } from "../stack/renderStack.ts";
import { fingerprint } from "../state/backups.ts";
import type { Context } from "../state/context.ts";
import type { Release } from "../state/release.ts";
import { keyedDigest, secretKey } from "../state/secretKey.ts";
import { databasePlace } from "./assertSamePlace.ts";
import { secretDigests } from "./prepareStack.ts";
import type { Session } from "./session.ts";
import type { Target } from "./target.ts";

interface ReleaseParts {
  readonly kind: Release["kind"];
  readonly id: string;
  /** The run's nonce, where it has marked something already. */
  readonly run?: string;
  /** The release that was good before. */
  readonly present: Release | undefined;
  readonly heads: readonly string[];
  /** What the database will be at. */
  readonly revision: readonly string[];
  readonly databaseStrategy: Release["databaseStrategy"];
  readonly backup: string | null;
  readonly verifications: Release["verifications"];
  readonly rehearsal: unknown;
  readonly titles?: Readonly<Record<string, string>>;
  /** How the server failed already before anything was touched. */
  readonly before?: Release["before"];
}

/** A nonce that marks what one run makes, so that no other run takes it for its own. */
export function newRun({ randomBytes }: Pick<Context, "randomBytes">): string {
  return randomBytes(8).toString("hex");
}

/** The manifest of a release that is about to begin. */
export function describeRelease(
  parts: ReleaseParts,
  { settings, prepared, images, restores }: Target,
  { directory, context, by, reason }: Pick<Session, "directory" | "context" | "by" | "reason">,
): Release {
  const key = secretKey(directory, context.randomBytes);
  const digestOf = secretDigests(settings, key);
  const services = prepared.stack.services.map((service) => {
    const { labels: copiedRows, image } = service;
    const imageId = images.idByReference.get(image) ?? "";
    const manifest = {
      image,
      imageId,
      name: images.known?.get(imageId)?.name ?? null,
      repoDigest: images.known?.get(imageId)?.repoDigest ?? null,
      digest: copiedRows[labels.digest] ?? "",
      release: copiedRows[labels.release] ?? parts.id,
    };
    return [service.name, manifest] as const;
  });
  const { present, before = [], ...own } = parts;
  const encryptionKey = fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY"));
  const place = databasePlace(settings, key);
  return {
    ...own,
    ...(before.length > 0 ? { before } : {}),
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
    ...(place === undefined ? {} : { databasePlace: place }),
    run: parts.run ?? newRun(context),
    format: 2,
    project: settings.project,
    environment: settings.environment,
    tag: settings.get("LETTA_VERSION"),
    created: new Date(context.now()).toISOString(),
    outcome: "begun",
    from: present?.id ?? null,
    restores: restores ?? parts.id,
    by,
    reason,
    seconds: null,
    services: Object.fromEntries(services),
    secrets: Object.fromEntries(
      [...secretValues(settings).keys()].map((name) => [name, digestOf(name) ?? ""]),
    ),
  };
}

/**
 * A release's services with a keyed digest of what each container was really made with, for
 * later comparison. A container that an earlier release made keeps the digest of then: what
 * was done to it since is drift, and stays so.
 * @param previous the good release before
 */
export async function madeDigests(
  release: Release,
  previous: Release | undefined,
  project: string,
  directory: string,
  context: Context,
): Promise<Release["services"]> {
  const key = secretKey(directory, context.randomBytes);
  const containers = await context.engine.containers(project);
  const seen = await Promise.all(containers.map((one) => context.engine.inspect(one.id)));
  const now = new Map(seen.map((one) => [one.service, keyedDigest(key, one.made)]));
  const services = Object.entries(release.services).map(([name, service]) => {
    const before = previous?.services[name];
    const isOld = before?.release === service.release && before.digest === service.digest;
    const made = (isOld ? before.made : undefined) ?? now.get(name) ?? null;
    return [name, { ...service, made }] as const;
  });
  return Object.fromEntries(services);
}

/**
 * A release's settings by name, one `NAME=value` a line: no secrets, and not what only says
 * how the tool goes about.
 */
export function settingsText(settings: Settings): string {
  return settings
    .entries()
    .filter((one) => !settings.secrets.has(one.name) && !isOwnSetting(one.name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((one) => `${one.name}=${one.value}\n`)
    .join("");
}
