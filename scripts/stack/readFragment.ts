import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isMap, isScalar, isSeq, LineCounter, parseDocument, Scalar } from "yaml";
import { fillSettings, type Lookup } from "../settings/fillSettings.ts";

export type Section = { [key: string]: unknown };

export interface Fragment {
  readonly configuration: Section;
  /** Where each key stands, as "file:line" by its path; an item of a list as "path[item]". */
  readonly places: ReadonlyMap<string, string>;
  /** What cannot be read or filled, one line each. */
  readonly faults: readonly string[];
}

/** In these, a text is a statement of OTTL, and a setting a part of one of its literals. */
const statements = /^processors\.(?:transform|filter)\b/;

/**
 * A fragment of otel/ with the settings written in: where `${NAME}` stands plain, digits become a
 * number, in quotes they stay a text. Secrets stay `${NAME}`.
 * @param root the project's directory
 * @param name the file's name without its ending
 */
export function readFragment(root: string, name: string, lookup: Lookup): Fragment {
  const file = `otel/${name}.yaml`;
  const lines = new LineCounter();
  const document = parseDocument(readFileSync(join(root, file), "utf8"), { lineCounter: lines });
  const places = new Map<string, string>();
  const faults: string[] = [];
  const place = (offset: number) => `${file}:${lines.linePos(offset).line}`;
  for (const error of document.errors) {
    faults.push(`${place(error.pos[0])}: ${error.message.split("\n")[0]}`);
  }
  if (faults.length > 0) return { configuration: {}, places, faults };

  const fill = (scalar: Scalar, path: string): unknown => {
    if (typeof scalar.value !== "string") return scalar.value;
    const at = place(scalar.range?.[0] ?? 0);
    const unknown = new Set<string>();
    const found: Lookup = (input) => {
      const setting = lookup(input);
      if (setting?.value === "") faults.push(`${at}: ${input}: expected a value, got nothing`);
      if (setting === undefined || !statements.test(path)) return setting;
      return { ...setting, value: setting.value.replaceAll(/["\\]/g, String.raw`\$&`) };
    };
    const filled = fillSettings(scalar.value, found, unknown);
    for (const one of unknown) {
      const shown = one.startsWith("$") ? one : `\${${one}}`;
      faults.push(`${at}: ${shown}: expected a declared setting`);
    }
    const plain = scalar.type === Scalar.PLAIN && filled !== scalar.value;
    return plain && /^(?:0|[1-9]\d{0,14})(?:\.\d+)?$/.test(filled) ? Number(filled) : filled;
  };
  const walk = (node: unknown, path: string): unknown => {
    if (isMap(node)) {
      return Object.fromEntries(
        node.items.map(({ key, value }) => {
          const own = String(isScalar(key) ? key.value : key);
          const below = path === "" ? own : `${path}.${own}`;
          if (isScalar(key)) places.set(below, place(key.range?.[0] ?? 0));
          return [own, walk(value, below)];
        }),
      );
    }
    if (isSeq(node)) {
      return node.items.map((item) => {
        const below = `${path}[${isScalar(item) ? item.value : ""}]`;
        if (isScalar(item)) places.set(below, place(item.range?.[0] ?? 0));
        return walk(item, below);
      });
    }
    return isScalar(node) ? fill(node, path) : null;
  };
  return { configuration: (walk(document.contents, "") ?? {}) as Section, places, faults };
}
