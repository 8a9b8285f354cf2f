import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Decision } from "./decide.ts";
import { describeSchema } from "./describePlan.ts";

/**
 * A database that the image cannot serve on, and no verified strategy.
 * @throws Problem ROLLBACK_UNSAFE with the ways, REVISION_UNKNOWN
 */
export function assertSafe(
  { schema }: Decision,
  settings: Settings,
  command: "deploy" | "rollback",
): void {
  if (schema.action !== "refuse") return;
  if (schema.strategies.length === 0) {
    throw new Problem("REVISION_UNKNOWN", schema.why, {
      details: [`the image's head is ${schema.heads.join(", ")}`],
      next: `npm run releases -- ${settings.environment}`,
    });
  }
  const tag = settings.get("LETTA_VERSION");
  const env = settings.environment === "prod" ? "" : ` --env ${settings.environment}`;
  throw new Problem("ROLLBACK_UNSAFE", `${command} refused, nothing was touched: ${schema.why}`, {
    details: describeSchema(schema).slice(1),
    next: `npm run rollback -- ${tag} --database auto${env}`,
  });
}
