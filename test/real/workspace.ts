import { execFile, spawn, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { fromEnv } from "../fakes/fromEnv.ts";

/** The six ports that dev publishes, one after the other. */
export function portSettings(firstPort: number): Record<string, string> {
  const names = [
    "PORT",
    "POSTGRES_PUBLISH_PORT",
    "OTEL_GRPC_PORT",
    "OTEL_HTTP_PORT",
    "OTEL_HEALTH_PORT",
    "OTEL_METRICS_PORT",
  ];
  return Object.fromEntries(names.map((name, index) => [name, String(firstPort + index)]));
}

const source = join(import.meta.dirname, "..", "..");

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A stranger's clone of the project, with a project name and ports of its own. */
export interface Workspace {
  readonly root: string;
  readonly project: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Runs an entry to its end, as npm would, without a terminal. */
  run(
    entry: string,
    args: readonly string[],
    more?: Readonly<Record<string, string>>,
  ): Promise<Ran>;
  /** Runs an entry and sends it a signal as soon as its narration matches. */
  interrupt(
    entry: string,
    args: readonly string[],
    when: RegExp,
    signal?: NodeJS.Signals,
  ): Promise<Ran>;
  /** Takes away all that was made, volumes too. */
  remove(): Promise<void>;
}

/**
 * Copies the tracked and the new files to a directory whose name has a space and an umlaut.
 * @param name tells suites apart
 * @param firstPort the first of six ports
 */
export function workspace(name: string, firstPort: number): Workspace {
  const root = join(mkdtempSync(join(tmpdir(), "letta stäck ")), "clone");
  const listed = spawnSync("git", ["ls-files", "-co", "--exclude-standard", "-z"], { cwd: source });
  for (const file of listed.stdout.toString().split("\0").filter(Boolean)) {
    if (!existsSync(join(source, file))) continue; // deleted, and not yet committed
    mkdirSync(dirname(join(root, file)), { recursive: true });
    cpSync(join(source, file), join(root, file));
  }
  symlinkSync(join(source, "node_modules"), join(root, "node_modules"));
  const project = `letta-test-${name}`;
  const down = ["compose", "-p", project, "down", "--volumes", "--remove-orphans"];
  // What a run that was interrupted has left: a new clone has other passwords than its database.
  spawnSync("docker", down);
  const environment = {
    STACK_PROJECT: project,
    ...portSettings(firstPort),
  };
  const start = (
    entry: string,
    args: readonly string[],
    more: Readonly<Record<string, string>>,
  ) => {
    const given = { ...environment, ...more };
    return spawn(
      process.execPath,
      [
        "--import",
        "./scripts/commands/start.mjs",
        `scripts/commands/${entry}.ts`,
        ...fromEnv(args, given),
      ],
      { cwd: root, env: { ...process.env, ...given }, stdio: ["ignore", "pipe", "pipe"] },
    );
  };
  const finish = (
    child: ReturnType<typeof start>,
    onReport: (text: string) => void,
  ): Promise<Ran> =>
    new Promise((resolve) => {
      let stdout = "";
      let stderr = "";
      child.stdout!.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
      child.stderr!.on("data", (chunk: Buffer) => {
        stderr += chunk.toString();
        onReport(stderr);
      });
      child.once("close", (code) => resolve({ code, stdout, stderr }));
    });
  return {
    root,
    project,
    environment,
    run: (entry, args, more = {}) => finish(start(entry, args, more), () => undefined),
    interrupt(entry, args, when, signal = "SIGINT") {
      const child = start(entry, args, {});
      let sent = false;
      return finish(child, (text) => {
        if (sent || !when.test(text)) return;
        sent = true;
        child.kill(signal);
      });
    },
    async remove() {
      await dockerMeanwhile(...down);
      rmSync(dirname(root), { recursive: true, force: true });
    },
  };
}

/** Throw-away Compose projects of a stack that the engine has, such as a rehearsal's. */
export function scratchProjects(project: string, purpose: string): string[] {
  const format = '{{.Label "com.docker.compose.project"}}';
  const listed = docker("ps", "-a", "--filter", `name=${project}-${purpose}-`, "--format", format);
  return [...new Set(listed.split("\n").filter((one) => one.startsWith(`${project}-${purpose}-`)))];
}

/** Asks the engine, through its CLI, as an operator would. */
export function docker(...args: string[]): string {
  const done = spawnSync("docker", args, { maxBuffer: 2 ** 28 });
  if (done.status !== 0) throw new Error(`docker ${args.join(" ")}: ${done.stderr.toString()}`);
  return done.stdout.toString().trim();
}

/** As `docker`, for what takes its time: suites that share a process go on meanwhile. */
export async function dockerMeanwhile(...args: string[]): Promise<string> {
  return (await promisify(execFile)("docker", args)).stdout.trim();
}

/** The ids of a project's containers by service. */
export function containerIds(project: string): Record<string, string> {
  const format = '{{.Label "com.docker.compose.service"}} {{.ID}}';
  const lines = docker(
    "ps",
    "-a",
    "--no-trunc",
    "--filter",
    `label=com.docker.compose.project=${project}`,
    "--format",
    format,
  );
  return Object.fromEntries(
    lines
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split(" ") as [string, string]),
  );
}
