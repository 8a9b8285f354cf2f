import { command, settingsOf } from "./cli/command.ts";

await command({
  name: "doctor",
  about: "Make every check that comes before a rollout; each finding names its next command.",
  environment: "optional",
  examples: ["npm run doctor", "npm run doctor -- prod"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    const [{ examine }, { toolsOf }, { table }] = await Promise.all([
      import("./rollout/examine.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/table.ts"),
    ]);
    const findings = await examine(settings, toolsOf(terminal));
    const mark = { passed: "✓", failed: "✗", skipped: "-" } as const;
    const rows = findings.map((one) => [mark[one.outcome], one.name, one.detail]);
    const next = findings.flatMap((one) =>
      one.next === null ? [] : [`  ${one.name}: ${one.next}\n`],
    );
    const failed = findings.filter((one) => one.outcome === "failed");
    const [first] = failed;
    const fields =
      first === undefined
        ? {}
        : { code: "DOCTOR", exit: 3, message: `${failed.length} checks failed`, next: first.next };
    return {
      result: { findings, ...fields },
      text: `${table(rows)}${next.length > 0 ? `next:\n${next.join("")}` : ""}`,
      ...(first === undefined ? {} : { exit: 3 }),
    };
  },
});
