import type { Release } from "../state/releases.ts";
import { keyedDigest, secretKey } from "../state/secretKey.ts";
import type { Context } from "../state/context.ts";

/**
 * A release's services with a keyed digest of what each container was really made with, for
 * later comparison. A container that an earlier release made keeps the digest of then: what
 * was done to it since is drift, and stays so.
 * @param previous the good release before
 */
export async function madeDigests(
  release: Release,
  previous: Release | undefined,
  project: string,
  directory: string,
  context: Context,
): Promise<Release["services"]> {
  const key = secretKey(directory, context.randomBytes);
  const containers = await context.engine.containers(project);
  const seen = await Promise.all(containers.map((one) => context.engine.inspect(one.id)));
  const now = new Map(seen.map((one) => [one.service, keyedDigest(key, one.made)]));
  const services = Object.entries(release.services).map(([name, service]) => {
    const before = previous?.services[name];
    const isOld = before?.release === service.release && before.digest === service.digest;
    const made = (isOld ? before.made : undefined) ?? now.get(name) ?? null;
    return [name, { ...service, made }] as const;
  });
  return Object.fromEntries(services);
}
