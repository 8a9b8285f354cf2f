/** What the simulation knows of a version of the server: as the fake server's, see test/fakes/server. */
export interface Version {
  /** Its image's migrations, oldest first. */
  readonly line: readonly string[];
  /** One of them fails half-way, after a part of it was committed. */
  readonly fails?: string;
  /** It never becomes healthy, or ends by itself after three seconds. */
  readonly ends?: "unhealthy" | "crash";
}

export const versions: Readonly<Record<string, Version>> = {
  "1.0.0": { line: ["r1"] },
  "1.1.0": { line: ["r1"] },
  "2.0.0": { line: ["r1", "r2"] },
  /** Two migrations, both borne by the servers before it. */
  "2.5.0": { line: ["r1", "r2", "r8"] },
  "3.0.0": { line: ["r1", "r2", "r3"] },
  "4.0.0": { line: ["r1", "r2", "r3", "r4"] },
  "5.0.0": { line: ["r1", "r2", "r3", "r4", "r5"], fails: "r5" },
  "6.0.0": { line: ["r1", "r2", "r6"], ends: "unhealthy" },
  "7.0.0": { line: ["r1", "r2", "r7"], ends: "crash" },
};

/** What `history` in compose/server.yaml prints. */
export function printedHistory({ line }: Version): string {
  return line.map((one, at) => `${one}\t${line[at - 1] ?? ""}\tabout ${one}\n`).join("");
}
