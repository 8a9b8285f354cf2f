import type { Release } from "../ledger/releases.ts";
import { keyedDigest, secretKey } from "../ledger/secretKey.ts";
import type { Tools } from "../parts/tools.ts";

/**
 * A release's services with a keyed digest of what each container was really made with, for
 * later comparison. A container that an earlier release made keeps the digest of then: what
 * was done to it since is drift, and stays so.
 * @param former the good release before
 */
export async function madeDigests(
  release: Release,
  former: Release | undefined,
  project: string,
  directory: string,
  tools: Tools,
): Promise<Release["services"]> {
  const key = secretKey(directory, tools.randomBytes);
  const containers = await tools.engine.containers(project);
  const seen = await Promise.all(containers.map((one) => tools.engine.inspect(one.id)));
  const now = new Map(seen.map((one) => [one.service, keyedDigest(key, one.made)]));
  const services = Object.entries(release.services).map(([name, service]) => {
    const before = former?.services[name];
    const isOld = before?.release === service.release && before.digest === service.digest;
    const made = (isOld ? before.made : undefined) ?? now.get(name) ?? null;
    return [name, { ...service, made }] as const;
  });
  return Object.fromEntries(services);
}
