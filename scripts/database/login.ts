import type { Engine } from "../engine/engine.ts";
import type { BundledPlace } from "./sql.ts";

/**
 * Logs into the bundled database over its container's own address, where it asks for the
 * password; its socket trusts everybody.
 * @returns what Postgres said against it; undefined where the password opens it
 */
export async function login(engine: Engine, place: BundledPlace): Promise<string | undefined> {
  const { code, stderr } = await engine.exec(
    place.container,
    ["sh", "-c", 'exec psql -X -q -h "$(hostname)" -c "SELECT 1"'],
    {
      environment: {
        PGPASSWORD: place.password,
        PGUSER: place.user,
        PGDATABASE: place.name,
        LC_ALL: "C",
      },
    },
  );
  return code === 0 ? undefined : (stderr.trim().split("\n")[0] ?? "");
}
