import type { RollbackAsked } from "../rollout/rollback.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Answer } from "./declaration.ts";
import type { Terminal } from "./narrate.ts";

/** What a deploy or a rollback would do now, and why: read, written nowhere. */
export async function releasePlanAnswer(
  settings: Settings,
  rollback: Pick<RollbackAsked, "wanted" | "way" | "onlyConfiguration"> | undefined,
  terminal: Terminal,
): Promise<Answer> {
  const [{ planRollout }, { describePreflight, planPreflight }, { toolsOf }] = await Promise.all([
    import("../rollout/planRollout.ts"),
    import("../rollout/planPreflight.ts"),
    import("./toolsOf.ts"),
  ]);
  const tools = toolsOf(terminal);
  const plan = await planRollout(settings, rollback, tools);
  const { decision, images, cutover } = plan;
  const { schema, changes } = decision;
  const kind = rollback === undefined ? "deploy" : "rollback";
  const preflight = await planPreflight(settings, plan, kind, tools);
  const lines = [...plan.lines, ...describePreflight(preflight)];
  return {
    result: {
      engine: tools.engine.endpoint,
      changes,
      images,
      database: {
        revision: schema.revision === undefined ? null : schema.revision.join(" "),
        heads: schema.heads,
        action: schema.action,
        why: schema.why,
        migrations: schema.migrations,
        ways: schema.ways,
        limits: decision.limits,
      },
      cutover,
      preflight,
      plan: lines,
    },
    text: lines.map((line) => `${line}\n`).join(""),
  };
}
