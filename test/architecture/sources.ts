import { globSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";

export const root = join(import.meta.dirname, "..", "..");

/** A file of scripts/ as the architecture test sees it. */
export interface SourceFile {
  /** Relative to the project: "scripts/state/lock.ts". */
  readonly path: string;
  /** The folder it is in; "entries" for what may be run. */
  readonly module: string;
  readonly name: string;
  readonly text: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly string[];
}

const imported = /(?:\bfrom|\bimport)\s*\(?\s*"([^"]+)"/g;

/** Every TypeScript file under scripts/. */
export function sources(): SourceFile[] {
  return globSync("scripts/**/*.ts", { cwd: root })
    .sort()
    .map((path) => {
      const text = readFileSync(join(root, path), "utf8");
      const code = text.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
      const [, module = ""] = path.split("/");
      return {
        path,
        text,
        code,
        name: basename(path, ".ts"),
        module: module.endsWith(".ts") ? "entries" : module,
        imports: [...code.matchAll(imported)].map((match) => match[1]!),
      };
    });
}

/** Where a relative import leads, relative to the project. */
export function target(file: SourceFile, specifier: string): string {
  return normalize(join(dirname(file.path), specifier));
}
