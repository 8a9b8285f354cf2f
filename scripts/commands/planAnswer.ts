import type { RollbackInput } from "../deploy/rollback.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Answer } from "./commandDefinition.ts";
import { table } from "./table.ts";
import type { Terminal } from "./terminal.ts";

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

/** What a deploy or a rollback would do now, and why: read, written nowhere. */
export async function releasePlanAnswer(
  settings: Settings,
  rollback: Pick<RollbackInput, "requested" | "databaseStrategy" | "onlyConfiguration"> | undefined,
  terminal: Terminal,
): Promise<Answer> {
  const [{ planRollout }, { describePreflight, planPreflight }, { createContext }] =
    await Promise.all([
      import("../deploy/planRollout.ts"),
      import("../deploy/planRollout.ts"),
      import("./createContext.ts"),
    ]);
  const context = createContext(terminal);
  const plan = await planRollout(settings, rollback, context);
  const { decision, images, strategy } = plan;
  const { schema, changes } = decision;
  const kind = rollback === undefined ? "deploy" : "rollback";
  const preflight = await planPreflight(settings, plan, kind, context);
  const lines = [...plan.lines, ...describePreflight(preflight)];
  return {
    result: {
      engine: context.engine.endpoint,
      changes,
      images,
      database: {
        revision: schema.revision === undefined ? null : schema.revision.join(" "),
        heads: schema.heads,
        action: schema.action,
        why: schema.why,
        migrations: schema.migrations,
        strategies: schema.strategies,
        limits: decision.limits,
      },
      strategy,
      preflight,
      plan: lines,
    },
    text: lines.map((line) => `${line}\n`).join(""),
  };
}
