import type { Engine } from "../docker/engine.ts";
import { retryWhenFull } from "./psqlClient.ts";
import { type BundledPlace, systemUser } from "./sql.ts";

/**
 * Logs into the bundled database over its container's own address, where it asks for the
 * password; its socket trusts everybody.
 * @returns what Postgres said against it; undefined where the password opens it
 */
export async function login(engine: Engine, place: BundledPlace): Promise<string | undefined> {
  const argv = ["sh", "-c", 'exec psql -X -q -h "$(hostname)" -c "SELECT 1"'];
  const environment = {
    PGPASSWORD: place.password,
    PGUSER: place.user,
    PGDATABASE: place.name,
    LC_ALL: "C",
  };
  const { code, stderr } = await retryWhenFull(
    () => engine.exec(place.container, argv, { environment, user: systemUser }),
    (ran) => ran.stderr,
  );
  return code === 0 ? undefined : (stderr.trim().split("\n")[0] ?? "");
}

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
