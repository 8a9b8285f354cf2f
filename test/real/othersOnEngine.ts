import { spawnSync } from "node:child_process";

/** The names of the containers that run on this machine's engine and are no test's. */
export function othersOnEngine(): string[] {
  const { stdout } = spawnSync("docker", ["ps", "--format", "{{.Names}}"], { encoding: "utf8" });
  return stdout.split("\n").filter((name) => name !== "" && !name.startsWith("letta-test-"));
}
