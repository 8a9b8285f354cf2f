import { command } from "./command.ts";
import { loadSettings } from "./loadSettings.ts";

await command({
  name: "report",
  description: "Write one HTML page that tells what a deploy, a rollback or an incident was.",
  environment: "first",
  arguments: [["[run]", "a release's id, a run's id, or last; last if left out"]],
  options: [
    ["--format <format>", "html writes a page, md prints Markdown", ["html", "md"]],
    ["--output <file>", "where the page goes; report.html with its release if left out"],
    ["--open", "open the page in the browser"],
  ],
  examples: [
    "npm run report -- prod",
    "npm run report -- prod 000007 --output incident.html",
    "npm run -s report -- prod last --format md",
  ],
  async act(input, terminal) {
    const settings = await loadSettings(input, terminal, true);
    const { writeReport } = await import("./writeReport.ts");
    const requested = input.arguments[0] ?? "last";
    if (input.options["format"] === "md" && input.options["output"] !== undefined) {
      const { Problem } = await import("../common/problem.ts");
      throw new Problem("USAGE", "expected --output with --format html, got md: it is printed");
    }
    if (input.options["format"] === "md") {
      const [{ gatherReport }, { createContext }, { reportMarkdown }] = await Promise.all([
        import("../deploy/report.ts"),
        import("./createContext.ts"),
        import("./reportPage.ts"),
      ]);
      const report = await gatherReport(settings, requested, createContext(terminal));
      return { result: { file: null, ...report }, text: reportMarkdown(report) };
    }
    const { resolve } = await import("node:path");
    const output = input.options["output"];
    // npm changes into the project's folder; a relative path is meant from where it was typed.
    const typedIn = process.env["INIT_CWD"] ?? process.cwd();
    const path = typeof output === "string" ? resolve(typedIn, output) : undefined;
    const { file, report } = await writeReport(settings, requested, path, terminal);
    if (input.options["open"] === true) {
      const { openFile } = await import("../docker/runEditor.ts");
      await openFile(file, process.platform);
    }
    return { result: { file, ...report }, text: `${report.sentence}\n  ${file}\n` };
  },
});
