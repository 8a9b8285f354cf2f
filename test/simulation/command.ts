import { asProblem } from "../../scripts/commands/commandDefinition.ts";
import { Problem } from "../../scripts/common/problem.ts";
import type { Context } from "../../scripts/state/context.ts";
import type { DatabaseOption } from "../../scripts/deploy/planSchema.ts";
import { backUp } from "../../scripts/deploy/backUp.ts";
import { deploy } from "../../scripts/deploy/deploy.ts";
import { describePreflight, planPreflight, planRollout } from "../../scripts/deploy/planRollout.ts";
import { restore } from "../../scripts/deploy/restore.ts";
import { rollback } from "../../scripts/deploy/rollback.ts";
import { onMachine } from "./machine.ts";
import { settingsFor, siteFrom, type From, type Site, type SiteSettings } from "./site.ts";
import type { Fault, SimulatedProcess } from "./world.ts";

/** A command as someone types it. */
export interface Command {
  readonly kind: "deploy" | "rollback" | "restore" | "backup" | "plan";
  /** What env/prod.env says, or the command line does. */
  readonly version: string;
  /** A release or a tag to go back to. */
  readonly to?: string;
  readonly databaseStrategy?: DatabaseOption;
  readonly wait?: boolean;
  /** Whether --end-sessions is given; without a terminal no one can be asked. */
  readonly endSessions?: boolean;
  /** Else from the first checkout, whose state is there. */
  readonly from?: From;
  /** Whether --despite-failures is given. */
  readonly despiteFailures?: boolean;
  readonly adoptState?: boolean;
  /** What DEPLOY_STRATEGY says. */
  readonly strategy?: NonNullable<SiteSettings["strategy"]>;
  /** Whether Redis is part of the stack. */
  readonly redis?: boolean;
  /** Whether --foreign is given. */
  readonly foreign?: boolean;
}

/** What became of it. */
export interface Ended {
  readonly command: Command;
  /** As the command saw it. */
  readonly site: Site;
  readonly outcome: "done" | "failed" | "dead";
  readonly problem: Problem | undefined;
  /** What was thrown, where it is no Problem: a bug. */
  readonly bug: unknown;
  readonly release: string | undefined;
  readonly databaseStrategy: string | null | undefined;
  readonly notes: readonly string[];
}

/** Runs a command in a process of its own. */
export async function runCommand(
  first: Site,
  command: Command,
  faults: readonly Fault[],
): Promise<Ended> {
  const site = siteFrom(first, command.from);
  const notes: string[] = [];
  const ended = (outcome: Ended["outcome"], more: Partial<Ended> = {}): Ended => ({
    command,
    site,
    outcome,
    problem: undefined,
    bug: undefined,
    release: undefined,
    databaseStrategy: undefined,
    notes,
    ...more,
  });
  try {
    const result = await site.world.begin(faults, (process) =>
      onMachine(site.servers, () => perform(command, site, contextFor(site, process, notes))),
    );
    if (result === "dead") return ended("dead");
    return ended("done", result);
  } catch (error) {
    const problem = asProblem(error);
    return ended("failed", problem ? { problem } : { bug: error });
  }
}

async function perform(
  command: Command,
  { servers, stateDir }: Site,
  context: Context,
): Promise<{ release: string; databaseStrategy: string | null }> {
  const { kind, version, to, databaseStrategy, wait = false, strategy = "auto" } = command;
  const { endSessions = true, despiteFailures = true, adoptState = false, redis = false } = command;
  const { isExternal } = servers.cluster;
  const settings = settingsFor(version, { isExternal, stateDir, strategy, redis });
  const asked = { reason: null, wait, recreate: [], endSessions, despiteFailures, adoptState };
  if (kind === "deploy") return deploy(settings, asked, context);
  if (kind === "restore") return restore(settings, { ...asked, requested: to }, context);
  if (kind === "plan") {
    const plan = await planRollout(settings, undefined, context);
    const preflight = await planPreflight(settings, plan, "deploy", context);
    for (const line of describePreflight(preflight)) context.reporter.note(line);
    return { release: "", databaseStrategy: null };
  }
  if (kind === "backup") {
    await backUp(settings, asked, context);
    return { release: "", databaseStrategy: null };
  }
  const { foreign = false } = command;
  const more = { requested: to, databaseStrategy, fromDump: [], onlyConfiguration: false, foreign };
  return rollback(settings, { ...asked, ...more }, context);
}

function contextFor(
  { world, engine, installation }: Site,
  process: SimulatedProcess,
  notes: string[],
): Context {
  return {
    engine,
    now: () => world.nowMs,
    // The key of the secrets' digests is the same in each installation: so are rendered stacks.
    randomBytes: (count) =>
      count === 32 ? Buffer.alloc(count, installation.number) : world.random.bytes(count),
    signal: process.stop.signal,
    processEnvironment: {},
    reporter: {
      steps: [],
      note: (text) => {
        notes.push(text);
        world.note(`# ${text}`);
      },
      confirm: (question, lines, flag) => {
        if (flag === undefined) return Promise.resolve();
        const parts = { details: lines, next: `the same command with -- ${flag}` };
        return Promise.reject(new Problem("CONFIRMATION_NEEDED", question, parts));
      },
      step: async (name, work, outcome) => {
        world.note(`## ${name}`);
        const result = await work(() => undefined);
        const came = outcome?.(result) ?? "";
        if (came !== "") {
          notes.push(`${name}: ${came}`);
          world.note(`# ${came}`);
        }
        return result;
      },
    },
  };
}
