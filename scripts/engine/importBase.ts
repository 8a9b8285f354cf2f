import { join } from "node:path";
import { Problem } from "../common/problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Imports the base image that docker/base/rootfs.sh makes.
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
  const made = await $({
    env: environment as NodeJS.ProcessEnv,
    quiet: true,
    nothrow: true,
  })`sh ${script} ${mirror} | docker import - ${tag}`;
  if (made.exitCode !== 0) {
    throw new Problem("BUILD_FAILED", `${tag} could not be made`, {
      details: made.stderr.trim().split("\n").slice(-8),
      next: "npm run doctor -- dev",
    });
  }
}
