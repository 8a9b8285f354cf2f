import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { updateServices } from "../../scripts/deploy/updateServices.ts";
import type { StepRecord } from "../../scripts/common/reporter.ts";
import type { Change } from "../../scripts/deploy/planChanges.ts";
import type { Context } from "../../scripts/state/context.ts";
import { undo } from "../../scripts/deploy/up.ts";
import { readSettings, type Settings } from "../../scripts/settings/readSettings.ts";
import type { Stack } from "../../scripts/stack/renderStack.ts";
import { simulatedEngine, type Simulation } from "../fakes/simulatedEngine.ts";
import { exampleSecrets, exampleStack, root } from "../stack/exampleStack.ts";

const folder = mkdtempSync(join(tmpdir(), "simulated-rollout-"));
after(() => rmSync(folder, { recursive: true }));

/** dev as it is committed, with the state of its own and ports that no one listens on. */
export function exampleSettings(): Settings {
  const ports = [
    "PORT",
    "POSTGRES_PUBLISH_PORT",
    "OTEL_GRPC_PORT",
    "OTEL_HTTP_PORT",
    "OTEL_HEALTH_PORT",
  ];
  return readSettings({
    environment: "dev",
    root,
    processEnvironment: {
      ...exampleSecrets,
      ...Object.fromEntries(ports.map((name, index) => [name, String(29_310 + index)])),
      OTEL_METRICS_PORT: "29319",
      STATE_DIR: mkdtempSync(join(folder, "state-")),
    },
  });
}

export interface Rollout {
  readonly engine: ReturnType<typeof simulatedEngine>;
  readonly context: Context;
  /** Ctrl-C. */
  readonly interrupt: () => void;
  readonly steps: readonly StepRecord[];
}

/** A rollout's tools on a simulated engine, with a clock that a test may set. */
export function rolloutOn(simulation: Simulation, now: () => number = () => 0): Rollout {
  const engine = simulatedEngine(simulation);
  const stop = new AbortController();
  const steps: StepRecord[] = [];
  return {
    engine,
    steps,
    interrupt: () => stop.abort(),
    context: {
      engine,
      now,
      signal: stop.signal,
      randomBytes: (count) => Buffer.alloc(count, 7),
      processEnvironment: {},
      reporter: {
        steps,
        note: () => undefined,
        confirm: () => Promise.resolve(),
        async step(name, work) {
          try {
            const result = await work(() => undefined);
            steps.push({ name, seconds: 0, outcome: "done" });
            return result;
          } catch (error) {
            steps.push({ name, seconds: 0, outcome: "failed" });
            throw error;
          }
        },
      },
    },
  };
}

/** The same act for every service of a stack. */
export function changesOf(stack: Stack, action: Change["action"]): Change[] {
  return stack.services.map((one) => ({ service: one.name, action, causes: ["a test"] }));
}

/** Executes changes as `up` does: what was begun and interrupted is undone. */
export async function roll(
  on: Rollout,
  stack: Stack,
  changes: readonly Change[],
  fast = false,
): Promise<void> {
  const settings = exampleSettings();
  const file = join(folder, "compose.yaml");
  writeFileSync(file, stack.text);
  try {
    const execution = { settings, stack, file, changes, postgres: "postgres:17", fast };
    await updateServices(execution, on.context);
  } catch (error) {
    if (on.context.signal.aborted) throw await undo(settings, stack, changes, on.context);
    throw error;
  }
}

export const devStack = exampleStack("dev");
