import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Problem } from "../common/problem.ts";
import type { SourceRequest } from "../deploy/adoptionSource.ts";
import type { AdoptionOutcome } from "../deploy/adopt.ts";
import type { Retaining } from "../deploy/session.ts";
import { command } from "./command.ts";
import type { CommandInput } from "./commandDefinition.ts";
import { loadSettings } from "./loadSettings.ts";
import type { Terminal } from "./terminal.ts";

await command({
  name: "adopt",
  description:
    "Move an existing Letta in: its database is read, migrated on a copy, verified and put live. The source is only read; the present database is retained.",
  environment: "first",
  options: [
    [
      "--from <source>",
      "container:<name>, compose:<project>, volume:<name>, folder:<path>, dump:<file>, or uri (the address in ADOPT_PG_URI or on standard input)",
    ],
    [
      "--encryption-key-file <file>",
      "the source's LETTA_ENCRYPTION_KEY; its container's by default",
    ],
    [
      "--plain-secrets",
      "the source never had an encryption key: what looks encrypted is plain text",
    ],
    ["--schema <name>", "the schema to take, where several hold a Letta"],
    ["--accept-loss <what>", "what Letta's own migrations may drop, with commas between"],
    ["--replace", "set aside agents of the stack that the source has not"],
    ["--reason <text>", "why, for the history"],
    ["--wait", "wait for another run to end"],
    ["--adopt-state", "take over what another state directory made"],
    ["--end-sessions", "end sessions of others on the database while requests are paused"],
  ],
  flags: ["yes", "dryRun"],
  examples: [
    "npm run adopt -- prod --from container:letta --dry-run",
    "npm run adopt -- prod --from container:letta",
    "npm run adopt -- prod --from dump:letta.dump --encryption-key-file old.key",
  ],
  async act(input, terminal) {
    const { options, environment } = input;
    const [{ likelySources, parseSource }, { acceptable }] = await Promise.all([
      import("../deploy/adoptionSource.ts"),
      import("../deploy/adoptionPlan.ts"),
    ]);
    const text = options["from"] as string | undefined;
    const from = text === undefined ? undefined : located(parseSource(text));
    const accepted = String(options["acceptLoss"] ?? "")
      .split(",")
      .filter(Boolean);
    const unknown = accepted.filter((one) => !acceptable.includes(one));
    if (unknown.length > 0)
      throw new Problem(
        "USAGE",
        `--accept-loss: expected ${acceptable.join(", ")}, got ${unknown.join(", ")}`,
      );
    const settings = await loadSettings(input, terminal);
    const [
      { adopt, adoptionPlan, describeAdoption },
      { createContext },
      { sourceEngine },
      { endpoint },
      { addressSecrets },
    ] = await Promise.all([
      import("../deploy/adopt.ts"),
      import("./createContext.ts"),
      import("../docker/sourceEngine.ts"),
      import("../docker/endpoint.ts"),
      import("../database/psqlClient.ts"),
    ]);
    const sources = sourceEngine(endpoint(process.env), process.env);
    if (from === undefined) {
      const found = await likelySources(sources, settings.project);
      throw new Problem("USAGE", "expected --from <source>, got none", {
        details: found.length === 0 ? ["no container here looks like a Letta"] : found,
        next: `npm run adopt -- ${environment} --from <source> --dry-run`,
      });
    }
    const uri = from.kind === "uri" ? addressOf(process.env["ADOPT_PG_URI"]) : undefined;
    const encryptionKey = keyOf(options["encryptionKeyFile"] as string | undefined);
    const secrets = [
      ...settings.sensitive(),
      ...addressSecrets(uri ?? ""),
      ...(encryptionKey === undefined ? [] : [encryptionKey]),
    ];
    const hides = (more: readonly string[]) => {
      secrets.push(...more);
      terminal.hides(secrets);
    };
    hides([]);
    const asked = {
      hides,
      from,
      sources,
      uri,
      schema: options["schema"] as string | undefined,
      encryptionKey,
      isPlain: options["plainSecrets"] === true,
      accepted,
      replaces: options["replace"] === true,
      reason: (options["reason"] as string | undefined) ?? null,
      wait: options["wait"] === true,
      adoptState: options["adoptState"] === true,
      endSessions: options["endSessions"] === true,
    };
    const context = createContext(terminal);
    if (input.dryRun) {
      const planned = await adoptionPlan(settings, asked, context);
      return {
        result: { ...planned },
        text: `${describeAdoption(planned).join("\n")}\nnothing was changed\n`,
      };
    }
    return answerOf(input, await adopt(settings, asked, context), terminal);
  },
});

/** A path is relative to where the command was typed: npm runs it in the project's directory. */
function located(source: SourceRequest): SourceRequest {
  if (source.kind !== "folder" && source.kind !== "dump") return source;
  return { ...source, name: resolve(process.env["INIT_CWD"] ?? ".", source.name) };
}

/** The address of `--from uri`: an argument would stand in the list of processes. */
function addressOf(variable: string | undefined): string {
  if (variable) return variable;
  return process.stdin.isTTY ? "" : readFileSync(0, "utf8").trim();
}

function keyOf(file: string | undefined): string | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(resolve(process.env["INIT_CWD"] ?? ".", file), "utf8").trim();
  } catch (error) {
    throw new Problem("USAGE", `--encryption-key-file: ${(error as Error).message}`);
  }
}

async function answerOf(
  input: CommandInput,
  outcome: AdoptionOutcome & Retaining,
  terminal: Terminal,
) {
  const { backup, downtimeSeconds, retained, ...done } = outcome;
  const { retainedText } = await import("../database/rowsOnlyIn.ts");
  const away = downtimeSeconds === null ? "" : `, downtime ${downtimeSeconds.toFixed(1)} s`;
  const since = Object.entries(done.since).map(([table, count]) => `${table} ${count}`);
  const lines = [
    ...(since.length === 0
      ? []
      : [`not moved: rows that the old server has written meanwhile (${since.join(", ")})`]),
    ...retained.map(retainedText).filter(Boolean),
    ...done.notCarried.map((one) => `not carried: ${one}`),
    ...(done.replaced === null
      ? []
      : [`undo: npm run restore -- ${input.environment} ${done.replaced}`]),
  ];
  return {
    result: { ...done, backup: backup.id, downtimeSeconds, retained, steps: terminal.steps },
    text: `\n${input.environment}: ${done.source} is moved in as release ${done.release}: ${done.agents} agents listed, ${done.secrets} secrets readable${away}\n${lines.map((one) => `  ${one}\n`).join("")}`,
  };
}
