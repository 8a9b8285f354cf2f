import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LineCounter, parseDocument, stringify } from "yaml";
import { Problem } from "../common/problem.ts";
import { fillSettings, type Lookup } from "../settings/fillSettings.ts";
import { judgeConfiguration } from "./judgeConfiguration.ts";

type Node = { [key: string]: unknown };

/**
 * The collector's configuration from fragments of otel/: maps merge, and the lists of a
 * pipeline and of the extensions grow from one fragment to the next.
 * @param root the project's directory
 * @param fragments names without ending, lowest first
 * @returns YAML text, the same bytes for the same parts
 * @throws Problem COLLECTOR_INVALID with every fault
 */
export function composeConfiguration(
  root: string,
  fragments: readonly string[],
  lookup: Lookup,
): string {
  const faults: string[] = [];
  const unknown = new Set<string>();
  const configuration = fragments.reduce<Node>((below, name) => {
    const file = `otel/${name}.yaml`;
    const lines = new LineCounter();
    const document = parseDocument(readFileSync(join(root, file), "utf8"), { lineCounter: lines });
    for (const error of document.errors) {
      faults.push(`${file}:${lines.linePos(error.pos[0]).line}: ${error.message.split("\n")[0]}`);
    }
    if (document.errors.length > 0) return below;
    return merge(below, fill(document.toJS(), lookup, unknown) as Node);
  }, {});
  faults.push(...[...unknown].map((name) => `otel/: \${${name}}: expected a declared setting`));
  if (faults.length === 0) faults.push(...judgeConfiguration(configuration));
  if (faults.length > 0) {
    throw new Problem("COLLECTOR_INVALID", "the collector's configuration is not usable", {
      details: faults,
    });
  }
  return stringify(configuration, { compat: "yaml-1.1", lineWidth: 0 });
}

/** A number that a setting brought as text is a number for the collector. */
function fill(value: unknown, lookup: Lookup, unknown: Set<string>): unknown {
  if (typeof value === "string") {
    const filled = fillSettings(value, lookup, unknown);
    return filled !== value && /^(0|[1-9]\d{0,14})$/.test(filled) ? Number(filled) : filled;
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, lookup, unknown));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, fill(inner, lookup, unknown)]),
  );
}

function merge(below: Node, above: Node): Node {
  const merged: Node = { ...below };
  for (const [key, value] of Object.entries(above)) {
    const before = merged[key];
    if (Array.isArray(before) && Array.isArray(value)) merged[key] = [...before, ...value];
    else if (isNode(before) && isNode(value)) merged[key] = merge(before, value);
    else merged[key] = value;
  }
  return merged;
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
