import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

/**
 * Takes every connection that a database's server has, for so many seconds: one session has
 * Postgres connect to itself for as long, again and again.
 * @param container the server's
 * @param user a superuser
 * @returns when new connections are refused; it ends when the last of them is free again
 */
export async function takeConnections(
  container: string,
  seconds: number,
  user = "letta",
): Promise<ChildProcess> {
  const psql = ["exec", container, "psql", "-U", user, "-d", "postgres", "-qAt"];
  const all = `DO $$
  DECLARE taken int := 0;
  BEGIN
    WHILE clock_timestamp() < now() + interval '${seconds} s' LOOP
      BEGIN
        PERFORM dblink_connect('c' || taken, 'dbname=letta user=${user}');
        taken := taken + 1;
      EXCEPTION WHEN sqlclient_unable_to_establish_sqlconnection THEN
        PERFORM pg_sleep(0.02); -- one may become free
      END;
    END LOOP;
  END $$`;
  const statements = ["CREATE EXTENSION IF NOT EXISTS dblink", all];
  const taken = spawn("docker", [...psql, ...statements.flatMap((one) => ["-c", one])], {
    stdio: ["ignore", "ignore", "inherit"],
  });
  for (;;) {
    const asked = spawnSync("docker", [...psql, "-c", "SELECT 1"]);
    if (/too many clients/.test(asked.stderr.toString())) return taken;
    if (taken.exitCode !== null) throw new Error("they ended before anybody was refused");
    await sleep(50);
  }
}
