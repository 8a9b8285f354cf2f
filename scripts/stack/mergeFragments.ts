import type { Lookup } from "../settings/fillSettings.ts";
import { readFragment, type Fragment, type Section } from "./readFragment.ts";

/**
 * Fragments of otel/ laid over one another: maps merge, lists grow, anything else is replaced.
 * A place is that of the highest fragment which has the key.
 * @param names without ending, lowest first
 */
export function mergeFragments(root: string, names: readonly string[], lookup: Lookup): Fragment {
  const fragments = names.map((name) => readFragment(root, name, lookup));
  return {
    configuration: fragments.reduce<Section>((below, one) => merge(below, one.configuration), {}),
    places: new Map(fragments.flatMap((one) => [...one.places])),
    faults: fragments.flatMap((one) => one.faults),
  };
}

function merge(below: Section, above: Section): Section {
  const merged: Section = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const before = merged[key];
    if (Array.isArray(before) && Array.isArray(value)) merged[key] = [...before, ...value];
    else if (isSection(before) && isSection(value)) merged[key] = merge(before, value);
    else merged[key] = value;
  }
  return merged;
}

function isSection(value: unknown): value is Section {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
