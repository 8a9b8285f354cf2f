import type { DatabaseServer } from "../database/sql.ts";
import { databaseOf } from "../parts/databaseOf.ts";
import type { Tools } from "../parts/tools.ts";
import type { Target } from "../preparation/target.ts";

/** The database's server as it runs now. */
export async function databaseServing(target: Target, tools: Tools): Promise<DatabaseServer> {
  const { settings, images } = target;
  const containers = await tools.engine.containers(settings.project);
  const container = containers.find((one) => one.service === "postgres")?.id;
  const image = images.bySetting.get("POSTGRES_IMAGE")!;
  return databaseOf(settings, { container, image }, tools);
}
