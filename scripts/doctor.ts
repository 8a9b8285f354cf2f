import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "doctor",
  about:
    "Make every check that comes before a rollout, and look at all that telemetry needs; each finding names its next command.",
  environment: "optional",
  examples: ["npm run doctor", "npm run doctor -- prod"],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    const [{ examine }, { toolsOf }, { table }] = await Promise.all([
      import("./doctor/examine.ts"),
      import("./cli/toolsOf.ts"),
      import("./cli/table.ts"),
    ]);
    const machine = { system: process.platform, arch: process.arch };
    const findings = await examine(settings, toolsOf(terminal), machine);
    const mark = { passed: "✓", failed: "✗", skipped: "-" } as const;
    const rows = findings.map((one) => [mark[one.outcome], one.name, one.detail]);
    const shown = asked.verbose ? findings : findings.filter((one) => one.outcome === "failed");
    const notes = shown.flatMap(({ name, notes: lines }) =>
      lines.length === 0 ? [] : [`${name}:\n`, ...lines.map((line) => `  ${line}\n`)],
    );
    const next = findings.flatMap((one) =>
      one.next === null ? [] : [`  ${one.name}: ${one.next}\n`],
    );
    const hidden = asked.verbose ? 0 : findings.filter((one) => one.notes.length > 0).length;
    const more =
      hidden > 0
        ? `more on ${hidden} of them: npm run doctor -- ${asked.environment} --verbose\n`
        : "";
    const failed = findings.filter((one) => one.outcome === "failed");
    const [first] = failed;
    const fields =
      first === undefined
        ? {}
        : { code: "DOCTOR", exit: 3, message: `${failed.length} checks failed`, next: first.next };
    return {
      result: { findings, ...fields },
      text: `${table(rows)}${notes.join("")}${next.length > 0 ? `next:\n${next.join("")}` : ""}${more}`,
      ...(first === undefined ? {} : { exit: 3 }),
    };
  },
});
