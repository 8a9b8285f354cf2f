import type { Settings } from "../settings/readSettings.ts";
import type { Answer } from "./declaration.ts";
import type { Terminal } from "./narrate.ts";
import { table } from "./table.ts";

/** What an `up` would do now, and why: read from the engine, written nowhere. */
export async function planAnswer(settings: Settings, terminal: Terminal): Promise<Answer> {
  const [{ observeChanges }, { toolsOf }] = await Promise.all([
    import("../rollout/observeChanges.ts"),
    import("./toolsOf.ts"),
  ]);
  const seen = await observeChanges(settings, toolsOf(terminal));
  const rows = seen.changes.map((one) => [one.service, one.action, one.causes.join(", ")]);
  const images = seen.images.map((one) => [
    one.role,
    one.source,
    `${one.reference} (${one.cause})`,
  ]);
  return {
    result: {
      changes: seen.changes,
      images: seen.images,
      database: seen.database,
      cutover: seen.cutover,
    },
    text: `${table(rows)}\nimages:\n${table(images)}`,
  };
}
