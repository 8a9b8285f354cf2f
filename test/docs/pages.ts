import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { settingDefinitions } from "../../scripts/settings/settingDefinitions.ts";
import type { SettingDefinition } from "../../scripts/settings/defineSettings.ts";

const root = join(import.meta.dirname, "../..");
const run = promisify(execFile);

const generated = "<!-- Generated: npm run docs. -->\n";
const cell = (text: string) => text.replaceAll("|", "\\|");

function table(rows: readonly (readonly [string, SettingDefinition])[]): string {
  const lines = rows.map(([name, one]) => {
    const notes = [one.secret ? "secret" : "", one.required?.length ? "required" : ""];
    const type = [one.expected, ...notes.filter(Boolean)].join("; ");
    return `| \`${name}\` | ${cell(one.description)} | ${cell(type)} |\n`;
  });
  return `| setting | what it is for | value |\n| --- | --- | --- |\n${lines.join("")}`;
}

/** docs/settings.md, made from the definitions. */
export function settingsPage(): string {
  const all = Object.entries(settingDefinitions).sort(([one], [other]) => (one < other ? -1 : 1));
  const own = all.filter(([, one]) => !one.passed);
  const passed = all.filter(([, one]) => one.passed);
  return `${generated}
# Settings

After reading this page you can set anything: the stack's own settings, and every variable of the server.

Layers, lowest first: \`env/common.env\`, \`env/<env>.env\`, \`env/<env>.secrets.env\` (or its sealed form), and
the process environment. In staging and prod the process environment counts only for settings named with
\`--from-env NAME,NAME\`, so a shell's HOST or a personal API key changes nothing. All errors are reported at once,
with file and line. A value reaches its process byte for byte, or is refused. \`npm run settings -- dev --explain NAME\` shows which layer set a value.

## The stack

${table(own)}
## The server

Passed to the server and its migrations under the same name; unset ones are left out. Taken from the
process environment only with \`--from-env\`. A model server on this machine is \`http://host.docker.internal:<port>\`.

${table(passed)}`;
}

/** docs/commands.md, made from what each command says of itself. */
export async function commandsPage(): Promise<string> {
  const ask = async (...args: string[]) => {
    const program = join(root, "scripts/letta-stack.mjs");
    const { stdout } = await run(process.execPath, [program, ...args, "--help"]);
    return stdout.trimEnd();
  };
  const overview = await ask();
  const names = [...overview.matchAll(/^ {2}([a-z]+) {2,}\S/gmu)].map((match) => match[1]!);
  const texts: string[] = [];
  for (const name of names) texts.push(`## ${name}\n\n\`\`\`text\n${await ask(name)}\n\`\`\`\n`);
  return `${generated}
# Commands

After reading this page you know every command and its flags. In a clone: \`npx letta-stack <command> <env>\`,
or the npm script of that name (\`npm run <script> -- <arguments>\`; the \`--\` keeps npm from taking flags).

\`\`\`text
${overview}
\`\`\`

${texts.join("\n")}`;
}
