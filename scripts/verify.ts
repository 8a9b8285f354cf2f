import { command, settingsOf } from "./cli/command.ts";

await command({
  name: "verify",
  about: "Prove what runs now: health, versions, a canary through the telemetry, drift.",
  environment: "first",
  examples: ["npm run verify -- dev", "npm run -s verify -- dev --json"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal);
    const [{ verifyStack }, { toolsOf }, { table }] = await Promise.all([
      import("./rollout/verifyStack.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/table.ts"),
    ]);
    const { checks, drift } = await verifyStack(settings, toolsOf(terminal));
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
