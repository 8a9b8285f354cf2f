import { durationMs } from "../common/durationMs.ts";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";
import { redaction } from "../common/redaction.ts";
import { runHook } from "../docker/runHook.ts";
import type { Context } from "../state/context.ts";
import type { Rollout } from "./runPlan.ts";

export type HookName =
  | "pre-deploy"
  | "post-deploy"
  | "pre-rollback"
  | "post-rollback"
  | "pre-migrate";

/** Of its output: enough to see what it did. */
const shownLines = 12;

/**
 * Runs an operator's own executable in hooks/, if there is one. What comes before an act stops
 * it by failing; what comes after has nothing to stop: it is reported.
 * @throws Problem HOOK_FAILED
 */
export async function callHook(
  name: HookName,
  { rollout, directory }: { readonly rollout: Rollout; readonly directory: string },
  context: Context,
): Promise<void> {
  const { settings, target, currentState, id, kind } = rollout;
  const call = () =>
    runHook(join("hooks", name), {
      cwd: settings.root,
      timeoutMs: durationMs(settings.get("HOOK_TIMEOUT")),
      signal: context.signal,
      environment: {
        ...context.processEnvironment,
        STACK_HOOK: name,
        STACK_KIND: kind,
        STACK_ENVIRONMENT: settings.environment,
        STACK_PROJECT: settings.project,
        STACK_RELEASE: id,
        STACK_FROM: currentState.present?.id ?? "",
        STACK_TAG: target.settings.get("LETTA_VERSION"),
        STACK_STATE: directory,
      },
    });
  if (!existsSync(join(settings.root, "hooks", name))) return;
  const hide = redaction(settings.sensitive());
  const last = (output: string) => hide(output).trim().split("\n").slice(-shownLines);
  try {
    await context.reporter.step(
      `hook ${name}`,
      async () => {
        const { outcome, exit, output } = await call();
        if (outcome === "passed" || outcome === "absent") return last(output).join(" | ");
        throw new Problem("HOOK_FAILED", `hooks/${name} ${outcome} (exit ${exit ?? "none"})`, {
          details: last(output),
          next: `hooks/${name}`,
        });
      },
      (output) => output,
    );
  } catch (error) {
    if (!name.startsWith("post-") || !(error instanceof Problem)) throw error;
    context.reporter.note([error.message, ...error.details].join("; "));
  }
}
