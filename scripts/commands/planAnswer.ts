import type { Settings } from "../settings/readSettings.ts";
import type { Answer } from "./commandDefinition.ts";
import type { Terminal } from "./terminal.ts";
import { table } from "./table.ts";

/** What an `up` would do now, and why: read from the engine, written nowhere. */
export async function planAnswer(settings: Settings, terminal: Terminal): Promise<Answer> {
  const [{ observeChanges }, { createContext }, { describeEngine }] = await Promise.all([
    import("../deploy/observeChanges.ts"),
    import("./createContext.ts"),
    import("../docker/endpoint.ts"),
  ]);
  const context = createContext(terminal);
  const seen = await observeChanges(settings, context);
  const rows = seen.changes.map((one) => [one.service, one.action, one.causes.join(", ")]);
  const images = seen.images.map((one) => [
    one.role,
    one.source,
    `${one.reference} (${one.cause})`,
  ]);
  return {
    result: {
      engine: context.engine.endpoint,
      changes: seen.changes,
      images: seen.images,
      database: seen.database,
      strategy: seen.strategy,
    },
    text: `${describeEngine(context.engine)}\n${table(rows)}\nimages:\n${table(images)}`,
  };
}
