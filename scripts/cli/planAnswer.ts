import type { Settings } from "../settings/readSettings.ts";
import type { Answer } from "./declaration.ts";
import type { Terminal } from "./narrate.ts";
import { table } from "./table.ts";

/** What an `up` would do now, and why: read from the engine, written nowhere. */
export async function planAnswer(settings: Settings, terminal: Terminal): Promise<Answer> {
  const [{ observeChanges }, { toolsOf }, { describeEngine }] = await Promise.all([
    import("../rollout/observeChanges.ts"),
    import("./toolsOf.ts"),
    import("../engine/endpoint.ts"),
  ]);
  const tools = toolsOf(terminal);
  const seen = await observeChanges(settings, tools);
  const rows = seen.changes.map((one) => [one.service, one.action, one.causes.join(", ")]);
  const images = seen.images.map((one) => [
    one.role,
    one.source,
    `${one.reference} (${one.cause})`,
  ]);
  return {
    result: {
      engine: tools.engine.endpoint,
      changes: seen.changes,
      images: seen.images,
      database: seen.database,
      cutover: seen.cutover,
    },
    text: `${describeEngine(tools.engine)}\n${table(rows)}\nimages:\n${table(images)}`,
  };
}
