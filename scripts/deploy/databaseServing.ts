import type { DatabaseServer } from "../database/sql.ts";
import { databaseOf } from "./databaseOf.ts";
import type { Context } from "../state/context.ts";
import type { Target } from "./target.ts";

/** The database's server as it runs now. */
export async function databaseServing(target: Target, context: Context): Promise<DatabaseServer> {
  const { settings, images } = target;
  const containers = await context.engine.containers(settings.project);
  const container = containers.find((one) => one.service === "postgres")?.id;
  const image = images.bySetting.get("POSTGRES_IMAGE")!;
  return databaseOf(settings, { container, image }, context);
}
