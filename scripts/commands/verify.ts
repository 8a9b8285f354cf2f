import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";
import type { Context } from "../state/context.ts";
import type { Settings } from "../settings/readSettings.ts";
import type { Check } from "../checks/check.ts";

await command({
  name: "verify",
  description:
    "Verify what runs now: health, versions, what is sent read back from every sink, drift.",
  environment: "first",
  options: [
    ["--failover", "take the sink away from a throw-away twin of the telemetry, and count"],
  ],
  examples: [
    "npm run verify -- dev",
    "npm run -s verify -- dev --json",
    "npm run verify -- prod --failover",
  ],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal);
    const [{ verifyStack }, { createContext }, { table }] = await Promise.all([
      import("../deploy/verifyStack.ts"),
      import("./createContext.ts"),
      import("./table.ts"),
    ]);
    const context = createContext(terminal);
    const verification = await verifyStack(settings, context);
    const { drift } = verification;
    const checks = input.options["failover"]
      ? await withFailover(verification.checks, settings, context)
      : verification.checks;
    const failed = checks.filter((one) => one.outcome === "failed").length;
    const mark = { passed: "✓", failed: "✗", skipped: "-" } as const;
    const rows = checks.map((one) => [mark[one.outcome], one.name, one.detail]);
    const drifted = drift
      .map((one) => `  drift: ${one.service}: ${one.causes.join(", ")}\n`)
      .join("");
    const { outcomeCode } = await import("./commandDefinition.ts");
    return {
      result: { checks, drift, ...outcomeCode(failed, drift.length, input.environment).fields },
      text: `${table(rows)}${drifted}`,
      ...outcomeCode(failed, drift.length, input.environment).exit,
    };
  },
});

/** The checks with the one that is only made when it is asked for. */
async function withFailover(checks: readonly Check[], settings: Settings, context: Context) {
  const { verifyFailover } = await import("../deploy/failOver.ts");
  const made = await verifyFailover(settings, context);
  return checks.map((one) => (one.name === made.name ? made : one));
}
