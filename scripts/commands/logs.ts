import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "logs",
  description: "Print the last lines of one service, or of all.",
  environment: "first",
  arguments: [["[service]", "server, postgres, collector, migrate, …; all if left out"]],
  options: [
    ["-n, --tail <lines>", "how many lines of each"],
    ["-f, --follow", "follow until Ctrl-C"],
  ],
  examples: [
    "npm run logs -- dev server",
    "npm run logs -- dev --tail 5",
    "npm run logs -- dev server -f",
  ],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const [{ gatherLogs }, { createContext }] = await Promise.all([
      import("../checks/gatherLogs.ts"),
      import("./createContext.ts"),
    ]);
    const [{ redaction }, { plainText }] = await Promise.all([
      import("../common/redaction.ts"),
      import("../common/redaction.ts"),
    ]);
    const hide = redaction(settings.sensitive());
    const lines: { service: string; line: string }[] = [];
    const follow = input.options["follow"] === true && !input.json;
    await gatherLogs(
      settings,
      { service: input.arguments[0], tail: Number(input.options["tail"] ?? 100), follow },
      (service, line) => {
        if (input.json) lines.push({ service, line: hide(line) });
        else process.stdout.write(`${service.padEnd(11)} ${plainText(hide(line))}\n`);
      },
      createContext(terminal),
    );
    return { result: { lines }, text: "" };
  },
});
