import { fingerprint } from "../ledger/backups.ts";
import type { Release } from "../ledger/release.ts";
import { secretKey } from "../ledger/secretKey.ts";
import { secretDigests } from "../preparation/prepareStack.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";
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
  readonly way: Release["way"];
  readonly backup: string | null;
  readonly proofs: Release["proofs"];
  readonly rehearsal: unknown;
  readonly titles?: Readonly<Record<string, string>>;
  /** How the server failed already before anything was touched. */
  readonly before?: Release["before"];
}

/** A nonce that marks what one run makes, so that no other run takes it for its own. */
export function newRun({ randomBytes }: Pick<Tools, "randomBytes">): string {
  return randomBytes(8).toString("hex");
}

/** The sheet of a release that is about to begin. */
export function describeRelease(
  parts: ReleaseParts,
  { settings, prepared, images, restores }: Target,
  { directory, tools, by, reason }: Pick<Session, "directory" | "tools" | "by" | "reason">,
): Release {
  const key = secretKey(directory, tools.randomBytes);
  const digestOf = secretDigests(settings, key);
  const services = prepared.stack.services.map((service) => {
    const { labels: carried, image } = service;
    const imageId = images.idByReference.get(image) ?? "";
    const sheet = {
      image,
      imageId,
      name: images.known?.get(imageId)?.name ?? null,
      repoDigest: images.known?.get(imageId)?.repoDigest ?? null,
      digest: carried[labels.digest] ?? "",
      release: carried[labels.release] ?? parts.id,
    };
    return [service.name, sheet] as const;
  });
  const { present, before = [], ...own } = parts;
  const encryptionKey = fingerprint(settings.secrets.get("LETTA_ENCRYPTION_KEY"));
  const place = databasePlace(settings, key);
  return {
    ...own,
    ...(before.length > 0 ? { before } : {}),
    ...(encryptionKey === undefined ? {} : { encryptionKey }),
    ...(place === undefined ? {} : { databasePlace: place }),
    run: parts.run ?? newRun(tools),
    format: 2,
    project: settings.project,
    environment: settings.environment,
    tag: settings.get("LETTA_VERSION"),
    created: new Date(tools.now()).toISOString(),
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
