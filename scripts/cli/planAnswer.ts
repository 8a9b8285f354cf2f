import { settingsOf, type Answer, type Asked } from "./command.ts";
import type { Terminal } from "./narrate.ts";
import { table } from "./table.ts";

/** What an `up` would do now, and why: read from the engine, written nowhere. */
export async function planAnswer(asked: Asked, terminal: Terminal): Promise<Answer> {
  const settings = await settingsOf(asked, terminal, true);
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
