import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";
import type { Tools } from "./parts/tools.ts";
import type { Settings } from "./settings/readSettings.ts";
import type { Check } from "./verification/check.ts";

await command({
  name: "verify",
  about: "Prove what runs now: health, versions, what is sent read back from every sink, drift.",
  environment: "first",
  options: [
    ["--failover", "take the sink away from a throw-away twin of the telemetry, and count"],
  ],
  examples: [
    "npm run verify -- dev",
    "npm run -s verify -- dev --json",
    "npm run verify -- prod --failover",
  ],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal);
    const [{ verifyStack }, { toolsOf }, { table }] = await Promise.all([
      import("./proof/verifyStack.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/table.ts"),
    ]);
    const tools = toolsOf(terminal);
    const proof = await verifyStack(settings, tools);
    const { drift } = proof;
    const checks = asked.options["failover"]
      ? await withFailover(proof.checks, settings, tools)
      : proof.checks;
    const failed = checks.filter((one) => one.outcome === "failed").length;
    const mark = { passed: "✓", failed: "✗", skipped: "-" } as const;
    const rows = checks.map((one) => [mark[one.outcome], one.name, one.detail]);
    const drifted = drift
      .map((one) => `  drift: ${one.service}: ${one.causes.join(", ")}\n`)
      .join("");
    const { outcomeCode } = await import("./cli/outcomeCode.ts");
    return {
      result: { checks, drift, ...outcomeCode(failed, drift.length, asked.environment).fields },
      text: `${table(rows)}${drifted}`,
      ...outcomeCode(failed, drift.length, asked.environment).exit,
    };
  },
});

/** The checks with the one that is only made when it is asked for. */
async function withFailover(checks: readonly Check[], settings: Settings, tools: Tools) {
  const { verifyFailover } = await import("./proof/verifyFailover.ts");
  const made = await verifyFailover(settings, tools);
  return checks.map((one) => (one.name === made.name ? made : one));
}
