import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LineCounter, parseDocument } from "yaml";
import { Problem } from "../common/problem.ts";

/** A Compose source file as plain data. */
export interface Source {
  readonly file: string;
  readonly content: Record<string, unknown>;
}

/**
 * Reads Compose source files.
 * @param root the project's directory
 * @param files paths relative to it
 * @throws Problem SOURCE_INVALID with every syntax error as file:line
 */
export function readSources(root: string, files: readonly string[]): Source[] {
  const faults: string[] = [];
  const sources = files.map((file) => {
    const lines = new LineCounter();
    const text = readFileSync(join(root, file), "utf8");
    const document = parseDocument(text, { lineCounter: lines, merge: true });
    for (const error of [...document.errors, ...document.warnings]) {
      const { line } = lines.linePos(error.pos[0]);
      faults.push(`${file}:${line}: ${error.message.split("\n")[0]}`);
    }
    const content: unknown = document.errors.length === 0 ? document.toJS() : {};
    if (content === null || typeof content !== "object" || Array.isArray(content)) {
      faults.push(`${file}:1: expected a map, got something else`);
    }
    return { file, content: content as Record<string, unknown> };
  });
  if (faults.length > 0) {
    throw new Problem("SOURCE_INVALID", "the stack's sources cannot be read", { details: faults });
  }
  return sources;
}
