import assert from "node:assert/strict";
import type { Ran, Workspace } from "./workspace.ts";

export interface Change {
  readonly service: string;
  readonly action: string;
  readonly causes: readonly string[];
}

/** Brings dev up, whatever comes of it. @returns also the one object that it wrote */
export async function bringUp(
  place: Workspace,
  more: Readonly<Record<string, string>> = {},
  args: readonly string[] = [],
): Promise<{
  readonly ran: Ran;
  readonly said: Record<string, unknown> & { readonly changes: readonly Change[] };
}> {
  const ran = await place.run("up", ["dev", "--yes", "--json", ...args], more);
  const lines = ran.stdout.trim().split("\n");
  assert.equal(lines.length, 1, `expected one JSON object, got:\n${ran.stdout}\n${ran.stderr}`);
  return { ran, said: JSON.parse(lines[0]!) as Record<string, unknown> & { changes: Change[] } };
}

/** What was done, and why. */
export const touched = (changes: readonly Change[]): string[] =>
  changes
    .filter((one) => one.action !== "none")
    .map((one) => `${one.action} ${one.service}: ${one.causes.join(", ")}`);
