import { isCompatible, type Rehearsal } from "./rehearse.ts";

/** In seconds: requests do not notice a pause that is longer by this. */
const shortCopy = 1;

/**
 * Whether a migrating deploy copies the live database while requests are paused. Where the old server
 * serves on through the migration, the copy is never put live: acknowledged writes would be missing in it
 * (`planDatabaseRollback`). So a copy that would make the pause depend on the database's size is left out; the
 * verified backup from before the rehearsal stays. Pure.
 * @param oldServerStays whether the old server is left running on the database
 */
export function takesSnapshot(
  rehearsal: Pick<Rehearsal, "sideBySide" | "rollbackCheck" | "copySeconds">,
  oldServerStays: boolean,
): boolean {
  return !(oldServerStays && isCompatible(rehearsal) && rehearsal.copySeconds > shortCopy);
}
