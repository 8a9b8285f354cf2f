import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "doctor",
  description:
    "Run every check that precedes a deploy, and check telemetry. Each finding names its next command.",
  environment: "optional",
  examples: ["npm run doctor", "npm run doctor -- prod"],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const [{ runDoctor }, { createContext }, { table }] = await Promise.all([
      import("./doctor/runDoctor.ts"),
      import("./createContext.ts"),
      import("./table.ts"),
    ]);
    const machine = { system: process.platform, arch: process.arch };
    const findings = await runDoctor(settings, createContext(terminal), machine);
    const mark = { passed: "✓", failed: "✗", skipped: "-" } as const;
    const rows = findings.map((one) => [mark[one.outcome], one.name, one.detail]);
    const shown = input.verbose ? findings : findings.filter((one) => one.outcome === "failed");
    const notes = shown.flatMap(({ name, notes: lines }) =>
      lines.length === 0 ? [] : [`${name}:\n`, ...lines.map((line) => `  ${line}\n`)],
    );
    const next = findings.flatMap((one) =>
      one.next === null ? [] : [`  ${one.name}: ${one.next}\n`],
    );
    const hidden = input.verbose ? 0 : findings.filter((one) => one.notes.length > 0).length;
    const more =
      hidden > 0
        ? `more on ${hidden} of them: npm run doctor -- ${input.environment} --verbose\n`
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
