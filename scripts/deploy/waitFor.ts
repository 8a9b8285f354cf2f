import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import type { Inspected } from "../docker/engine.ts";
import type { StackService } from "../stack/readServices.ts";
import { labels } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";

const pollMs = 100;

/** Of a broken part's log what is looked through for the cause. */
const lastLines = 200;

/**
 * Waits until a started part is what its dependents need: a service healthy, a job ended well.
 * Broken is not the same as slow: what cannot come any more ends the wait at once.
 * @param before how it was before it was asked to start: what still looks like that says nothing
 * @param limitSeconds after which slow counts as broken
 * @param isPatient whether a service that is unhealthy or ended may still come: under an overload that
 *   was there before, only the limit counts
 * @param signal undefined where stopping in the middle would leave something half done
 * @throws Problem STEP_FAILED with the service's last lines
 */
export async function waitFor(
  service: StackService,
  before: Inspected,
  limitSeconds: number,
  context: Context,
  signal: AbortSignal | undefined,
  isPatient = false,
): Promise<void> {
  const started = context.now();
  const container = before.id;
  // One that its engine was about to start again is started once without having failed anew.
  const restarts = before.restarts + (before.state === "restarting" ? 1 : 0);
  for (;;) {
    signal?.throwIfAborted();
    const seen = await context.engine.inspect(container);
    const notBegun = before.state !== "running" && seen.startedAt === before.startedAt;
    if (notBegun) {
      // Nothing to judge yet: exit code and health are those of the time before, also after a kill.
    } else if (service.kind === "job") {
      if (seen.state === "exited" && seen.exitCode === 0) return;
      if (seen.state === "exited" || seen.state === "dead") {
        throw await failure(
          service,
          container,
          `ended with exit code ${seen.exitCode ?? "unknown"}`,
          context,
        );
      }
    } else {
      if (seen.state === "running" && (seen.health === "healthy" || seen.health === "none")) return;
      // The engine keeps the words of earlier checks, also through a restart.
      const isNew = seen.healthAt !== before.healthAt;
      if (service.broken && isNew && new RegExp(service.broken.says).test(seen.healthOutput)) {
        throw hopeless(service, service.broken, seen.healthOutput);
      }
      if (seen.health === "unhealthy" && !isPatient)
        throw await failure(service, container, "is unhealthy", context);
      const hasEnded = seen.state === "exited" || seen.state === "dead";
      if (hasEnded || (seen.restarts > restarts && !isPatient)) {
        throw await failure(
          service,
          container,
          `stopped by itself (exit code ${seen.exitCode ?? "unknown"})`,
          context,
        );
      }
    }
    if (context.now() - started > limitSeconds * 1000) {
      const state = service.kind === "job" ? "has not ended" : "is not healthy";
      throw await failure(service, container, `${state} after ${limitSeconds} s`, context);
    }
    await sleep(pollMs);
  }
}

function hopeless(
  service: StackService,
  broken: NonNullable<StackService["broken"]>,
  output: string,
): Problem {
  const environment = service.labels[labels.environment] ?? "";
  return new Problem("STEP_FAILED", `${service.name}: ${broken.means}`, {
    details: output.trim().split("\n").slice(0, 1),
    next: broken.next.replaceAll("<env>", environment),
  });
}

async function failure(
  service: StackService,
  container: string,
  what: string,
  context: Context,
): Promise<Problem> {
  const log = await context.engine.tail(container, lastLines);
  const environment = service.labels[labels.environment] ?? "";
  return new Problem("STEP_FAILED", `${service.name} ${what}`, {
    details: errorExcerpt(log),
    next: `npm run logs -- ${environment} ${service.name}`,
  });
}

const excerptLines = 12;
const longestLine = 240;

/** How programs begin to say what went wrong: Python's `some.module.KeyError: `, Postgres' `ERROR: `. */
const says = /(^|[\s.])(\w*(Error|Exception)|ERROR|FATAL|PANIC|panic|error): /;

/**
 * Of a broken part's log, enough to see the cause: its last lines, and before them the last one
 * that names an error, as what is printed with that may be longer (SQLAlchemy adds the statement).
 */
export function errorExcerpt(log: string): string[] {
  const lines = log.split("\n");
  const last = lines.slice(-excerptLines);
  const cause = lines.findLast((one) => says.test(one));
  const reported = cause === undefined || last.includes(cause) ? last : [cause, ...last.slice(1)];
  return reported.map((line) => line.slice(0, longestLine));
}
