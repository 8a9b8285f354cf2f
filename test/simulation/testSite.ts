import assert from "node:assert/strict";
import type { Command, Ended } from "./command.ts";
import { replaceModules } from "./replaceModules.ts";
import type { ClusterOptions, SimulatedServers } from "./servers.ts";
import type { Site } from "./site.ts";

// What tests of one simulated site share. The tool's modules are loaded once others stand for some of them.

replaceModules();
const { emptySite, enterSite } = await import("./site.ts");
const { runCommand } = await import("./command.ts");

/** A machine on which nothing has run yet. */
export function newSite(seed = 1, database: ClusterOptions = {}): Site {
  const site = emptySite(seed, database);
  enterSite(site);
  return site;
}

/**
 * A site after deploys, one after the other.
 * @param isFit chooses among the servers that chance gives
 */
export async function deployed(
  versions: readonly string[],
  isFit: (servers: SimulatedServers) => boolean = () => true,
  database: ClusterOptions = {},
): Promise<Site> {
  let seed = 1;
  while (!isFit(emptySite(seed).servers)) seed += 1;
  const site = newSite(seed, database);
  for (const version of versions) expectEnd(await run(site, { kind: "deploy", version }), "done");
  return site;
}

/** Runs a command until it has ended. */
export function run(site: Site, command: Command): Promise<Ended> {
  return site.world.until(runCommand(site, command, []));
}

/** Fails with what the command shown where it ended in another way. */
export function expectEnd(
  one: Ended,
  outcome: Ended["outcome"],
  code?: string,
  exit?: number,
): Ended {
  const reported = [one.problem?.message, ...(one.problem?.details ?? []), String(one.bug ?? "")];
  assert.deepEqual(
    [one.outcome, one.problem?.code, one.problem?.exit],
    [outcome, code, exit],
    reported.join("\n"),
  );
  return one;
}

/** The version of the server that is there. */
export function serving({ servers }: Site): string {
  return servers.tagOf(servers.part("server")!);
}
