// A fake server for an entry that is traced: `dev --reason <manner>` says what it does. Its test
// runs it as a process of its own, with its telemetry going wherever the test wants.
import { Problem } from "../../scripts/common/problem.ts";
import { command } from "../../scripts/commands/command.ts";
import { loadSettings } from "../../scripts/commands/loadSettings.ts";

await command({
  name: "deploy",
  description: "Stands in for a deploy.",
  environment: "first",
  options: [["--reason <manner>", "works, fails, waits or rests"]],
  async act(asked, terminal) {
    await loadSettings(asked, terminal);
    const manner = asked.options["reason"];
    if (manner !== "rests") await terminal.step("one", async () => undefined);
    if (manner === "waits") {
      process.kill(process.pid, "SIGINT");
      await terminal.step("two", async () => {
        while (!terminal.signal.aborted) await new Promise((resolve) => setTimeout(resolve, 5));
        terminal.signal.throwIfAborted();
      });
    }
    if (manner === "fails") throw new Problem("REHEARSAL_FAILED", "it does not work");
    return { result: { release: "000002", from: "000001" }, text: "release 000002\n" };
  },
});
