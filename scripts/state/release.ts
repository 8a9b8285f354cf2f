import * as v from "valibot";
import { failureKinds, type FailureKind } from "../common/failureKind.ts";

/** Of the manifests this version writes; it reads earlier ones too, and refuses later ones. */
export const releaseFormat = 2;

/** One service as it ran in a release. */
export interface ReleasedService {
  readonly image: string;
  readonly imageId: string;
  /** Of what it was rendered from. */
  readonly digest: string;
  /** The release that made its container. */
  readonly release: string;
  /** What the image was called when it was chosen, for people: `image` may be its id. */
  readonly name?: string | null;
  /** By what digest a registry knows the image; null where none does. */
  readonly repoDigest?: string | null;
  /** Keyed digest of what the container was made with. */
  readonly made?: string | null;
}

/** A rollback that was rehearsed on a copy. */
export interface Verification {
  /** Image id of the server that was tried. */
  readonly image: string;
  readonly revision: readonly string[];
  readonly databaseStrategy: "keep";
  readonly passed: boolean;
  readonly detail: string;
  readonly at: string;
  readonly seconds: number;
}

/** What became of the database. */
export type DatabaseStrategy = "none" | "migrate" | "keep" | "copy" | "downgrade" | "restore";

/** A release as it is stored: one unit of images, settings, rendered stack and configuration. */
export interface Release {
  readonly format: number;
  /** Null in manifests of format 1. */
  readonly project: string | null;
  readonly environment: string | null;
  readonly id: string;
  /** Random: marks the databases that this run made. Missing in manifests of earlier versions. */
  readonly run?: string;
  readonly tag: string;
  readonly created: string;
  readonly outcome: "begun" | "good" | "failed";
  readonly kind: "up" | "deploy" | "rollback" | "restore";
  /** The release that was good before; null for the first. */
  readonly from: string | null;
  /** The release whose content a rollback brought back; its own id otherwise. */
  readonly restores: string | null;
  /** Who asked for it: "user@host". */
  readonly by: string;
  readonly reason: string | null;
  readonly seconds: number | null;
  readonly databaseStrategy: DatabaseStrategy | null;
  readonly services: Readonly<Record<string, ReleasedService>>;
  /** What the database was at when it was good. */
  readonly revision: readonly string[];
  /** What its server's image brings a database to. */
  readonly heads: readonly string[];
  /** A keyed digest of each secret: shows that one changed, and nothing else. */
  readonly secrets: Readonly<Record<string, string>>;
  /** Of LETTA_ENCRYPTION_KEY (see fingerprint): compared whatever became of the digests' own key. */
  readonly encryptionKey?: string;
  /** Keyed digest of where its external database is, see `databasePlace`; missing for the bundled one. */
  readonly databasePlace?: string;
  /** The backup taken before it. */
  readonly backup: string | null;
  readonly verifications: readonly Verification[];
  /** How it did worse than the release before, where it still stayed. */
  readonly worse?: string;
  /** How the server failed already before anything was touched. */
  readonly before?: readonly FailureKind[];
  /** Checks that fail as the server failed before, so that nothing was rolled back for them. */
  readonly unverified?: readonly string[];
  /** What the rehearsal saw; for people. */
  readonly rehearsal: unknown;
  /** What a revision is called, by revision. */
  readonly titles?: Readonly<Record<string, string>>;
}

const id = v.pipe(v.string(), v.regex(/^\d{6}$/));
const text = v.string();
const texts = v.array(text);
const seconds = v.nullable(v.number());

const earliest = {
  id,
  tag: text,
  created: text,
  outcome: v.picklist(["begun", "good", "failed"]),
  services: v.record(
    text,
    v.object({
      image: text,
      imageId: text,
      digest: text,
      release: text,
      name: v.exactOptional(v.nullable(text)),
      repoDigest: v.exactOptional(v.nullable(text)),
      made: v.exactOptional(v.nullable(text)),
    }),
  ),
  revision: texts,
};

const formats = {
  1: v.pipe(
    v.object({ format: v.literal(1), ...earliest }),
    v.transform((old): Release => ({
      ...old,
      project: null,
      environment: null,
      kind: "up",
      from: null,
      restores: old.id,
      by: "unknown",
      reason: null,
      seconds: null,
      databaseStrategy: null,
      // A good release was migrated to its own heads.
      heads: old.outcome === "good" ? old.revision : [],
      secrets: {},
      backup: null,
      verifications: [],
      rehearsal: null,
    })),
  ),
  2: v.object({
    format: v.literal(releaseFormat),
    project: v.nullable(text),
    environment: v.nullable(text),
    ...earliest,
    run: v.exactOptional(text),
    kind: v.picklist(["up", "deploy", "rollback", "restore"]),
    from: v.nullable(id),
    restores: v.nullable(id),
    by: text,
    reason: v.nullable(text),
    seconds,
    databaseStrategy: v.nullable(
      v.picklist(["none", "migrate", "keep", "copy", "downgrade", "restore"]),
    ),
    heads: texts,
    secrets: v.record(text, text),
    encryptionKey: v.exactOptional(text),
    databasePlace: v.exactOptional(text),
    backup: v.nullable(text),
    verifications: v.array(
      v.object({
        image: text,
        revision: texts,
        databaseStrategy: v.literal("keep"),
        passed: v.boolean(),
        detail: text,
        at: text,
        seconds: v.number(),
      }),
    ),
    rehearsal: v.optional(v.unknown(), null),
    titles: v.exactOptional(v.record(text, text)),
    worse: v.exactOptional(text),
    before: v.exactOptional(v.array(v.picklist(failureKinds))),
    unverified: v.exactOptional(texts),
  }),
} satisfies Record<number, v.GenericSchema<unknown, Release>>;

/** Why a manifest cannot be read. */
export interface ManifestFault {
  readonly why: string;
  /** Set where nothing is broken: a later version of this tool wrote it, in this format. */
  readonly laterFormat?: number;
  /** Set where nothing is broken either: a version before 0.2.0 wrote it, in other words. */
  readonly isEarlier?: true;
}

/** Reads a release's manifest, of this format or an earlier one. */
export function parseRelease(manifest: string): Release | ManifestFault {
  const read = parsed(manifest);
  if (read === undefined) return { why: manifest.trim() === "" ? "is empty" : "is not whole JSON" };
  const { format } = (read ?? {}) as { format?: unknown };
  const schema = format === 1 || format === releaseFormat ? formats[format] : undefined;
  if (schema === undefined) {
    const why = `expected a format up to ${releaseFormat}, got ${String(format)}`;
    const later = typeof format === "number" && format > releaseFormat;
    return later ? { why, laterFormat: format } : { why };
  }
  if (typeof read === "object" && read !== null && "way" in read)
    return { why: "was written by a version before 0.2.0", isEarlier: true };
  const judged = v.safeParse(schema, read);
  if (judged.success) return judged.output;
  const [issue] = judged.issues;
  const place = v.getDotPath(issue) ?? "the manifest";
  return { why: `${place}: expected ${issue.expected ?? "less"}, got ${issue.received}` };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
