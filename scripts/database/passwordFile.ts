import type { Engine } from "../docker/engine.ts";

/** Where Compose put it when it started the container; the health check reads it there. */
const path = "/run/secrets/postgres_password";

/**
 * Writes the present password into the running container of a bundled database. Its health check
 * logs in with it, and would fail from a changed password on until the container is made anew.
 */
export async function writePasswordFile(
  engine: Engine,
  container: string,
  password: string,
): Promise<void> {
  await engine.exec(container, ["sh", "-c", `cat > ${path}`], { stdin: password });
}
