import type { Engine } from "../docker/engine.ts";
import { systemUser, type BundledPlace } from "./sql.ts";
import { retryWhenFull } from "./retryWhenFull.ts";

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
