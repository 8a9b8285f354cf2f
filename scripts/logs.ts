import { command } from "./cli/command.ts";
import { settingsOf } from "./cli/settingsOf.ts";

await command({
  name: "logs",
  about: "Print the last lines of one part of the stack, or of all.",
  environment: "first",
  arguments: [["[service]", "server, postgres, collector, migrate, …; all where none is named"]],
  options: [
    ["-n, --tail <lines>", "how many lines of each"],
    ["-f, --follow", "go on until Ctrl-C"],
  ],
  examples: [
    "npm run logs -- dev server",
    "npm run logs -- dev --tail 5",
    "npm run logs -- dev server -f",
  ],
  async act(asked, terminal) {
    const settings = await settingsOf(asked, terminal, true);
    const [{ gatherLogs }, { toolsOf }] = await Promise.all([
      import("./reports/gatherLogs.ts"),
      import("./cli/toolsOf.ts"),
    ]);
    const [{ redaction }, { plainText }] = await Promise.all([
      import("./common/redaction.ts"),
      import("./common/plainText.ts"),
    ]);
    const hide = redaction(settings.sensitive());
    const lines: { service: string; line: string }[] = [];
    const follow = asked.options["follow"] === true && !asked.json;
    await gatherLogs(
      settings,
      { service: asked.arguments[0], tail: Number(asked.options["tail"] ?? 100), follow },
      (service, line) => {
        if (asked.json) lines.push({ service, line: hide(line) });
        else process.stdout.write(`${service.padEnd(11)} ${plainText(hide(line))}\n`);
      },
      toolsOf(terminal),
    );
    return { result: { lines }, text: "" };
  },
});
