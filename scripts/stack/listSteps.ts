import { compare } from "semver";
import { versionSteps } from "./versionSteps.ts";

/** A step on the way from one version of the collector to another, as the plan shows it. */
export interface ListedStep {
  readonly version: string;
  readonly description: string;
  readonly source: string;
  /** To run on ClickHouse's database before the other version starts there. */
  readonly sql: readonly string[];
}

/**
 * What changes between two versions of the collector, in the order in which it is met; on the
 * way down the newest first.
 */
export function listSteps(from: string, to: string): ListedStep[] {
  const back = compare(from, to) > 0;
  const [low, high] = back ? [to, from] : [from, to];
  const passed = versionSteps
    .filter((step) => compare(step.version, low) > 0 && compare(step.version, high) <= 0)
    .map(({ version, description, source, schema = [], back: sqlBack = [] }) => ({
      version,
      description,
      source,
      sql: back ? sqlBack : schema,
    }));
  return back ? passed.reverse() : passed;
}
