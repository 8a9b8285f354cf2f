import { renameSync } from "node:fs";
import { Problem } from "../common/problem.ts";
import { releaseFormat } from "./release.ts";
import { readRelease, releaseIds, sheetPath } from "./releases.ts";

/** What is asked of a command that writes is about the newest ones, however many there are. */
const looksAt = 200;

/** A sheet that was set aside. */
export interface SetAside {
  readonly id: string;
  readonly why: string;
  /** Where its bytes are now. */
  readonly kept: string;
}

/**
 * Puts the damaged ones of the newest 200 sheets out of the way, every byte kept, before a
 * command writes. Older ones stay where they are; whoever reads passes them over. The journal
 * stays too: each of its lines proves itself, so damage costs the damaged lines only.
 * @throws Problem STATE_UNUSABLE for a sheet of a later format: nothing of it is guessed
 */
export function setAsideDamaged(directory: string, now: Date): SetAside[] {
  const damaged = releaseIds(directory)
    .slice(0, looksAt)
    .flatMap((id) => {
      const read = readRelease(directory, id);
      const { why, laterFormat } = "why" in read ? read : {};
      if (laterFormat !== undefined) throw later(sheetPath(directory, id), laterFormat);
      return why === undefined || why === "is missing" ? [] : [{ id, why }];
    });
  const stamp = now.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return damaged.map(({ id, why }) => {
    const path = sheetPath(directory, id);
    const kept = `${path}.corrupt-${stamp}`;
    renameSync(path, kept);
    return { id, why, kept };
  });
}

function later(path: string, format: number): Problem {
  return new Problem(
    "STATE_UNUSABLE",
    `${path}: expected a format up to ${releaseFormat}, found ${format}`,
    { next: "use the version of this tool that wrote it, or a later one" },
  );
}
