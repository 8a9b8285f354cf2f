import { renameSync } from "node:fs";
import { Problem } from "../common/problem.ts";
import { releaseFormat } from "./release.ts";
import { readRelease, releaseIds, manifestPath } from "./releases.ts";

/** What is asked of a command that writes is about the newest ones, however many there are. */
const looksAt = 200;

/** A quarantined manifest. */
export interface Quarantined {
  readonly id: string;
  readonly why: string;
  /** Where its bytes are now. */
  readonly retained: string;
}

/**
 * Moves the damaged ones of the newest 200 manifests away, every byte retained, before a
 * command writes. Older ones stay where they are; readers skip them. The journal
 * stays too: each of its lines has a checksum, so damage costs the damaged lines only.
 * @throws Problem STATE_UNUSABLE for a manifest of a later format: nothing of it is guessed
 */
export function quarantineDamaged(directory: string, now: Date): Quarantined[] {
  const damaged = releaseIds(directory)
    .slice(0, looksAt)
    .flatMap((id) => {
      const read = readRelease(directory, id);
      const { why, laterFormat } = "why" in read ? read : {};
      if (laterFormat !== undefined) throw later(manifestPath(directory, id), laterFormat);
      return why === undefined || why === "is missing" ? [] : [{ id, why }];
    });
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return damaged.map(({ id, why }) => {
    const path = manifestPath(directory, id);
    const retained = `${path}.corrupt-${stamp}`;
    renameSync(path, retained);
    return { id, why, retained };
  });
}

function later(path: string, format: number): Problem {
  return new Problem(
    "STATE_UNUSABLE",
    `${path}: expected a format up to ${releaseFormat}, found ${format}`,
    { next: "use the version of this tool that wrote it, or a later one" },
  );
}
