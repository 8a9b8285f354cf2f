// `letta-stack <command> <env> [arguments]`: the program behind every npm script.
import { environmentNames } from "./settings/environmentName.ts";

/** Loads and runs a command, which reads the arguments that are left. */
type Load = () => Promise<unknown>;

const groups: Readonly<Record<string, Readonly<Record<string, readonly [string, Load]>>>> = {
  "Local stacks": {
    up: ["bring a stack up and verify it", () => import("./commands/up.ts")],
    down: ["stop a stack; its volumes stay", () => import("./commands/down.ts")],
  },
  Releases: {
    plan: ["what a deploy would do and why; changes nothing", () => import("./commands/plan.ts")],
    deploy: [
      "deploy a release; rolls back automatically on failure",
      () => import("./commands/deploy.ts"),
    ],
    rollback: ["return to an earlier release", () => import("./commands/rollback.ts")],
    releases: ["releases that can be restored", () => import("./commands/releases.ts")],
    report: ["one page about a run", () => import("./commands/report.ts")],
    history: ["who did what, when and why", () => import("./commands/history.ts")],
    drill: [
      "rehearse a deploy and a rollback on a copy, timed",
      () => import("./commands/drill.ts"),
    ],
  },
  "What runs": {
    status: ["services, versions, health", () => import("./commands/status.ts")],
    verify: [
      "verify what runs and compare it with its release",
      () => import("./commands/verify.ts"),
    ],
    doctor: [
      "every preflight check, each finding with its cure",
      () => import("./commands/doctor.ts"),
    ],
    logs: ["what the services print", () => import("./commands/logs.ts")],
    traces: ["the newest traces, or one with its spans", () => import("./commands/traces.ts")],
  },
  Data: {
    backup: ["dump the database and verify the dump", () => import("./commands/backup.ts")],
    restore: [
      "put a backup live; the present database is retained",
      () => import("./commands/restore.ts"),
    ],
    adopt: [
      "move an existing Letta in; the present database is retained",
      () => import("./commands/adopt.ts"),
    ],
  },
  Configuration: {
    settings: ["every setting with its origin", () => import("./commands/settings.ts")],
    secrets: ["generate, seal, change and rotate secrets", () => import("./commands/secrets.ts")],
    render: ["the stack as YAML; needs no engine", () => import("./commands/render.ts")],
    images: ["build the images of docker/", () => import("./commands/images.ts")],
    collector: ["run the collector without Docker", () => import("./commands/collector.ts")],
  },
};

const commands = Object.assign({}, ...Object.values(groups)) as (typeof groups)[string];
const environments: readonly string[] = environmentNames;

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length)) + 2;
  const sections = Object.entries(groups).map(([title, members]) => {
    const lines = Object.entries(members).map(
      ([name, [description]]) => `  ${name.padEnd(width)}${description}\n`,
    );
    return `${title}\n${lines.join("")}\n`;
  });
  return [
    "Usage: letta-stack <command> <env> [arguments]\n",
    `Environments: ${environments.join(", ")}\n\n`,
    ...sections,
    "Shared flags: --from-env, --json, --verbose, --help. letta-stack <command> --help shows what else may follow.\n",
    "Completion: letta-stack completion bash|zsh\n",
  ].join("");
}

/** For bash, and for zsh by its bashcompinit: commands first, then environments. */
function completion(): string {
  const words = (list: readonly string[]) =>
    `COMPREPLY=($(compgen -W "${list.join(" ")}" -- "$2"))`;
  return [
    '[ -z "$ZSH_VERSION" ] || { autoload -U +X compinit bashcompinit && compinit && bashcompinit; }',
    "_letta_stack() {",
    "  case $COMP_CWORD in",
    `    1) ${words(Object.keys(commands))} ;;`,
    `    2) ${words(environments)} ;;`,
    "  esac",
    "}",
    "complete -F _letta_stack letta-stack",
    "",
  ].join("\n");
}

/** What the command's own parser expects: it takes the environment second, or as an option. */
function reordered(command: string, typed: readonly string[]): string[] {
  const [first = "", ...rest] = typed;
  if (!environments.includes(first)) return [...typed];
  if (command === "rollback" || command === "images") return [...rest, "--env", first];
  if (command !== "secrets") return [...typed];
  const [action, ...more] = rest;
  return action === undefined ? [first] : [action, first, ...more];
}

const [name = "--help", ...typed] = process.argv.slice(2);
if (name === "--help" || name === "-h" || name === "help") process.stdout.write(help());
else if (name === "completion") process.stdout.write(completion());
else if (Object.hasOwn(commands, name)) {
  process.argv.splice(2, process.argv.length, ...reordered(name, typed));
  await commands[name]![1]();
} else {
  const { didYouMean } = await import("./common/didYouMean.ts");
  const meant = didYouMean(name, Object.keys(commands));
  const hint = meant === undefined ? "" : `; did you mean ${meant}?`;
  process.stderr.write(
    `expected a command, got ${JSON.stringify(name)}${hint}\nnext: letta-stack --help\n`,
  );
  process.exitCode = 2;
}
