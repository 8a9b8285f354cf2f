import { fingerprint } from "../state/backups.ts";
import type { Release } from "../state/release.ts";
import { secretKey } from "../state/secretKey.ts";
import { secretDigests } from "./prepareStack.ts";
import type { Context } from "../state/context.ts";
import type { Target } from "./target.ts";
import { labels } from "../stack/renderStack.ts";
import { secretValues } from "../stack/secretValues.ts";
import { databasePlace } from "./refuseOtherPlace.ts";
import type { Session } from "./session.ts";

export interface ReleaseParts {
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
