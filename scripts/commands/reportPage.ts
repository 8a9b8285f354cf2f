// A report as one self-contained HTML page: no script, no font, nothing from the network.
import { scaleLinear, scaleTime } from "d3-scale";
import { area, line } from "d3-shape";
import type { Report, ReportChange, ReportStep } from "../deploy/report.ts";

const width = 960;
const left = 300;
const rowHeight = 22;

/** @returns the page's HTML; every text of the report is escaped */
export function reportPage(report: Report): string {
  const { environment, command, outcome, sentence, release, from } = report;
  const title = `${command} ${environment}${release ? ` · release ${release.id}` : ""}`;
  const facts: [string, string][] = [
    ["command", `${command} ${environment}`],
    ["by", report.by],
    ["reason", report.reason || "none given"],
    ["begun", zoned(report.begun)],
    ["took", seconds(report.seconds)],
    ["release", release ? `${release.id} (${release.tag}), ${release.outcome}` : "none"],
    ["from", from ? `${from.id} (${from.tag})` : "none"],
    ["database", databaseText(report)],
    ["backup", release?.backup ?? "none"],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escaped(title)}</title>
<style>${styles}</style>
</head>
<body>
<main>
<header>
<p class="kind">letta-stack report</p>
<h1>${escaped(title)}</h1>
<p class="outcome ${outcome}"><strong>${words[outcome]}</strong> ${escaped(sentence)}</p>
</header>
${section("Facts", definitions(facts))}
${section("Timeline", waterfall(report) + stepTable(report.steps))}
${report.requests.length > 0 ? section("Requests", requestChart(report) + requestTable(report)) : ""}
${section("What changed", changes(report))}
${report.rehearsal.length > 0 ? section("Rehearsal", definitions(report.rehearsal)) : ""}
${report.findings.length > 0 ? section("Findings", list(report.findings)) : ""}
${report.logs.length > 0 ? section("Logs of what failed", logs(report)) : ""}
${section("Next commands", list(report.next, "code"))}
${report.missing.length > 0 ? section("Not in this report", list(report.missing)) : ""}
</main>
</body>
</html>
`;
}

/** The same in Markdown, for a chat or a ticket. */
export function reportMarkdown(report: Report): string {
  const { environment, command, sentence, release, from } = report;
  const cell = (text: string) => text.replaceAll("|", "\\|").replaceAll("\n", " ");
  return [
    `# ${command} ${environment}${release ? ` · release ${release.id}` : ""}`,
    "",
    `**${words[report.outcome]}** ${sentence}`,
    "",
    `By ${report.by}, ${zoned(report.begun)}, ${seconds(report.seconds)}${from ? `, from ${from.id} (${from.tag})` : ""}. Database: ${databaseText(report)}.`,
    "",
    "| step | took | outcome |",
    "| --- | --- | --- |",
    ...report.steps.map(
      (one) =>
        `| ${cell(one.name)} | ${seconds((one.toMs - one.fromMs) / 1000)} | ${cell([one.outcome, one.detail].filter(Boolean).join(": "))} |`,
    ),
    "",
    ...[...report.images, ...report.settings].map(
      (one) => `- ${one.name}: \`${one.before || "none"}\` → \`${one.after || "none"}\``,
    ),
    ...report.findings.map((one) => `- ${one}`),
    ...report.missing.map((one) => `- not in this report: ${one}`),
    "",
  ].join("\n");
}

const words = { done: "Done.", failed: "Failed.", interrupted: "Interrupted." } as const;

function databaseText({ release }: Report): string {
  if (release === null) return "not recorded";
  const at = release.revision.join(", ");
  return `${release.databaseStrategy ?? "none"}${at === "" ? "" : `, at ${at}`}`;
}

/** Steps as bars over time; the table below says the same in words. */
function waterfall({ steps, begun, ended }: Report): string {
  if (steps.length === 0) return "<p>No step is recorded.</p>";
  const x = scaleTime([new Date(begun), new Date(ended)], [left, width - 70]);
  const height = steps.length * rowHeight + 30;
  const ticks = scaleLinear(
    [0, (Date.parse(ended) - Date.parse(begun)) / 1000],
    [left, width - 70],
  );
  const grid = ticks
    .ticks(6)
    .map(
      (at) =>
        `<line class="grid" x1="${px(ticks(at))}" x2="${px(ticks(at))}" y1="20" y2="${height}"/>` +
        `<text class="tick" x="${px(ticks(at))}" y="12">${at} s</text>`,
    );
  const bars = steps.map((one, row) => {
    const y = 24 + row * rowHeight;
    const [from, to] = [x(one.fromMs), x(one.toMs)];
    const took = seconds((one.toMs - one.fromMs) / 1000);
    return (
      `<g><title>${escaped(`${one.name}: ${took}, ${one.outcome}${one.detail ? `, ${one.detail}` : ""}`)}</title>` +
      `<text class="name" x="${left - 8}" y="${y + 13}">${escaped(shortened(one.name, 44))}</text>` +
      `<rect class="${one.outcome}" x="${px(from)}" y="${y + 2}" width="${px(Math.max(2, to - from))}" height="${rowHeight - 8}" rx="2"/>` +
      `<text class="took" x="${px(Math.max(from + 2, to) + 4)}" y="${y + 13}">${took}</text></g>`
    );
  });
  return figure(height, "Steps over time", [...grid, ...bars].join(""));
}

function stepTable(steps: readonly ReportStep[]): string {
  const rows = steps.map((one) => [
    one.name,
    zoned(new Date(one.fromMs).toISOString()),
    seconds((one.toMs - one.fromMs) / 1000),
    one.outcome,
    one.detail,
  ]);
  return details("All steps", table(["step", "begun", "took", "outcome", "detail"], rows));
}

/** Requests per second and failures, before, during and after the run. */
function requestChart({ requests, begun, ended }: Report): string {
  const [height, top, bottom] = [220, 20, 190];
  const [first, last] = [requests[0]!, requests.at(-1)!];
  const x = scaleTime([new Date(first.fromMs), new Date(last.toMs)], [50, width - 20]);
  const rate = (one: Report["requests"][number], count: number) =>
    count / Math.max(0.001, (one.toMs - one.fromMs) / 1000);
  const most = Math.max(0.1, ...requests.map((one) => rate(one, one.requests)));
  const y = scaleLinear([0, most], [bottom, top]).nice();
  const middle = (one: Report["requests"][number]) => x((one.fromMs + one.toMs) / 2);
  const rates = line<Report["requests"][number]>(middle, (one) => y(rate(one, one.requests)));
  const errors = area<Report["requests"][number]>(middle, y(0), (one) => y(rate(one, one.errors)));
  const grid = y
    .ticks(4)
    .map(
      (at) =>
        `<line class="grid" x1="50" x2="${width - 20}" y1="${px(y(at))}" y2="${px(y(at))}"/>` +
        `<text class="name" x="44" y="${px(y(at) + 4)}">${at}</text>`,
    );
  const run = `<rect class="run" x="${px(x(new Date(begun)))}" y="${top}" width="${px(Math.max(2, x(new Date(ended)) - x(new Date(begun))))}" height="${bottom - top}"/>`;
  const times = x
    .ticks(6)
    .map(
      (at) =>
        `<text class="tick" x="${px(x(at))}" y="208">${at.toISOString().slice(11, 19)}</text>`,
    );
  return figure(
    height,
    "Requests per second (line) and failed ones (area); the run is shaded; times are UTC",
    `${run}${grid.join("")}<path class="errors" d="${errors([...requests]) ?? ""}"/><path class="rate" d="${rates([...requests]) ?? ""}"/>${times.join("")}`,
  );
}

function requestTable({ requests }: Report): string {
  const rows = requests.map((one) => [
    zoned(new Date(one.fromMs).toISOString()),
    String(one.requests),
    String(one.errors),
    one.p95Ms === null ? "" : `${one.p95Ms.toFixed(0)} ms`,
  ]);
  return details("All stretches", table(["from", "requests", "failed", "p95"], rows));
}

function changes({ images, settings, diffs, migrations }: Report): string {
  const parts = [
    changeTable("Images", images),
    changeTable("Settings", settings),
    migrations.length === 0
      ? ""
      : `<h3>Migrations</h3>${table(
          ["revision", "title"],
          migrations.map((one) => [one.revision, one.title]),
        )}`,
    ...diffs.map(({ file, text }) =>
      details(`Difference of ${file}`, `<pre>${escaped(text)}</pre>`),
    ),
  ].filter(Boolean);
  return parts.length === 0 ? "<p>Nothing differs from the release before.</p>" : parts.join("\n");
}

function changeTable(title: string, rows: readonly ReportChange[]): string {
  if (rows.length === 0) return "";
  const cells = rows.map((one) => [one.name, one.before || "none", one.after || "none"]);
  return `<h3>${title}</h3>${table(["name", "before", "after"], cells)}`;
}

const logs = ({ logs: all }: Report) =>
  all
    .map(
      ({ service, lines }) => `<h3>${escaped(service)}</h3><pre>${escaped(lines.join("\n"))}</pre>`,
    )
    .join("\n");

const section = (title: string, body: string) => `<section><h2>${title}</h2>\n${body}</section>`;

const details = (title: string, body: string) =>
  `<details><summary>${escaped(title)}</summary>${body}</details>`;

const figure = (height: number, label: string, body: string) =>
  `<figure><svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(label)}">${body}</svg><figcaption>${escaped(label)}</figcaption></figure>`;

const definitions = (rows: readonly (readonly [string, string])[]) =>
  `<dl>${rows.map(([name, value]) => `<dt>${escaped(name)}</dt><dd>${escaped(value)}</dd>`).join("")}</dl>`;

function list(lines: readonly string[], tag: "span" | "code" = "span"): string {
  return `<ul>${lines.map((one) => `<li><${tag}>${escaped(one)}</${tag}></li>`).join("")}</ul>`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const row = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((one) => `<${tag}>${escaped(one)}</${tag}>`).join("")}</tr>`;
  const body = rows.map((cells) => row(cells, "td")).join("");
  return `<div class="wide" tabindex="0"><table><thead>${row(head, 'th scope="col"').replaceAll('</th scope="col">', "</th>")}</thead><tbody>${body}</tbody></table></div>`;
}

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (one) => entities[one]!);
}

const px = (value: number) => value.toFixed(1);
const seconds = (value: number) => `${value.toFixed(value < 10 ? 1 : 0)} s`;
const zoned = (at: string) => `${at.slice(0, 19).replace("T", " ")} UTC`;
const shortened = (text: string, most: number) =>
  text.length <= most ? text : `${text.slice(0, most - 1)}…`;

/** Contrast is 4.5:1 or more in both schemes (WCAG 2.2 AA). */
const styles = `
:root{color-scheme:light dark;--text:#1a1d21;--soft:#555c66;--back:#fff;--line:#d5d9df;--good:#1a7f4b;--bad:#b3261e;--warn:#8a5a00;--accent:#1f5fbf;--shade:#1f5fbf1f}
@media (prefers-color-scheme:dark){:root{--text:#e8eaed;--soft:#a9b0ba;--back:#15181c;--line:#363c44;--good:#5ed397;--bad:#ff8a80;--warn:#f0b95a;--accent:#8ab4f8;--shade:#8ab4f829}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.5 system-ui,sans-serif}
main{max-width:1020px;margin:0 auto;padding:24px 16px 64px}
h1{font-size:1.6rem;margin:0 0 12px}h2{font-size:1.15rem;margin:36px 0 10px;border-bottom:1px solid var(--line);padding-bottom:4px}h3{font-size:1rem;margin:18px 0 6px}
.kind{color:var(--soft);margin:0}
.outcome{padding:12px 14px;border-left:5px solid var(--accent);background:var(--shade)}
.outcome.done{border-color:var(--good)}.outcome.failed{border-color:var(--bad)}.outcome.interrupted{border-color:var(--warn)}
dl{display:grid;grid-template-columns:minmax(90px,max-content) 1fr;gap:4px 18px;margin:0}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}th,td{text-align:left;vertical-align:top;padding:4px 10px 4px 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{color:var(--soft);font-weight:600}
pre{overflow-x:auto;border:1px solid var(--line);padding:10px;font-size:.82rem}
details{margin:12px 0}summary{cursor:pointer;color:var(--accent)}
figure{margin:0;overflow-x:auto}svg{width:100%;min-width:640px;height:auto;font:12px system-ui,sans-serif;fill:var(--text)}figcaption{color:var(--soft);font-size:.85rem}
.grid{stroke:var(--line)}.tick{text-anchor:middle;fill:var(--soft)}.name{text-anchor:end}.took{fill:var(--soft)}
rect.done{fill:var(--accent)}rect.failed{fill:var(--bad)}rect.interrupted{fill:var(--warn)}rect.run{fill:var(--shade)}
path.rate{fill:none;stroke:var(--accent);stroke-width:2}path.errors{fill:var(--bad);opacity:.8}
@media print{main{max-width:none;padding:0}section{break-inside:avoid-page}figure,.wide{overflow:visible}svg{min-width:0}}
`;
