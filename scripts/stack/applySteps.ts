import { compare } from "semver";
import type { Section } from "./readFragment.ts";
import { versionSteps, type Edit } from "./versionSteps.ts";

/** A composition for 0.96.0, made into one for a later version. */
export function applySteps(configuration: Section, version: string): Section {
  return versionSteps
    .filter((step) => compare(step.version, version) <= 0)
    .flatMap((step) => step.edits ?? [])
    .reduce(apply, configuration);
}

/** The feature gates a version is started with, in the notation of --feature-gates; "" for none. */
export function collectorGates(version: string): string {
  return versionSteps
    .filter((step) => compare(step.version, version) <= 0)
    .flatMap((step) => step.gates ?? [])
    .join(",");
}

function apply(configuration: Section, edit: Edit): Section {
  if ("everywhere" in edit) return replace(configuration, edit) as Section;
  return below(configuration, edit.under, (section) => {
    const retained = Object.entries(section).filter(([key]) => !(edit.remove ?? []).includes(key));
    return { ...Object.fromEntries(retained), ...edit.set };
  });
}

function replace(value: unknown, edit: Extract<Edit, { everywhere: string }>): unknown {
  if (Array.isArray(value)) return value.map((item) => replace(item, edit));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [
      key,
      key === edit.everywhere && inner === edit.from ? edit.to : replace(inner, edit),
    ]),
  );
}

/** Changes the section at a path; without one, nothing. */
function below(
  section: Section,
  path: readonly string[],
  change: (section: Section) => Section,
): Section {
  const [key, ...rest] = path;
  if (key === undefined) return change(section);
  const inner = section[key];
  if (typeof inner !== "object" || inner === null) return section;
  return { ...section, [key]: below(inner as Section, rest, change) };
}
