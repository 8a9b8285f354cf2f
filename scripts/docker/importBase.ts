import { join } from "node:path";
import { Problem } from "../common/problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Imports the base image that docker/base/rootfs.sh makes. `docker import` takes an empty or cut
 * stream too, so it goes under a name of its own first, and gets the tag that later runs look for
 * when the script has succeeded and a program of the image has run.
 * @param mirror a Debian mirror's address
 * @throws Problem BUILD_FAILED
 */
export async function importBase(
  environment: Environment,
  root: string,
  mirror: string,
  tag: string,
): Promise<void> {
  const { $ } = await import("zx");
  const script = join(root, "docker", "base", "rootfs.sh");
  const incoming = `${tag}-incoming`;
  const run = $({ env: environment as NodeJS.ProcessEnv, quiet: true, nothrow: true });
  try {
    for (const step of [
      () => run`set -o pipefail; sh ${script} ${mirror} | docker import - ${incoming}`,
      () => run`docker run --rm --network none ${incoming} /bin/true`,
      () => run`docker tag ${incoming} ${tag}`,
    ]) {
      const done = await step();
      if (done.exitCode === 0) continue;
      throw new Problem("BUILD_FAILED", `${tag} could not be made`, {
        details: done.stderr.trim().split("\n").slice(-8),
        next: "npm run doctor -- dev",
      });
    }
  } finally {
    await run`docker rmi ${incoming}`;
  }
}
