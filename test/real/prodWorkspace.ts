import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Entry, readJournal } from "../../scripts/state/journal.ts";
import { newestGood, readReleases } from "../../scripts/state/releases.ts";
import type { Release } from "../../scripts/state/release.ts";
import { fromEnv } from "../fakes/fromEnv.ts";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";
import { request } from "../../scripts/checks/request.ts";
import {
  containerIds,
  docker,
  dockerMeanwhile,
  workspace,
  type Ran,
  type Workspace,
  scratchProjects,
} from "./workspace.ts";

type More = Readonly<Record<string, string>>;

/** A command that ended, and the one object it wrote. */
export interface Reported extends Ran {
  readonly said: Readonly<Record<string, unknown>>;
}

/** A command under way. */
export interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
}

/** A clone in which prod is quick: no verification waits for its spans. */
export interface ProdWorkspace extends Workspace {
  /** The state directory of prod. */
  readonly state: string;
  start(entry: string, args: readonly string[], more?: More): Running;
  /** @throws Error where standard output is not exactly one JSON object */
  tell(entry: string, args: readonly string[], more?: More): Promise<Reported>;
  deploy(tag: string, args?: readonly string[], more?: More): Promise<Reported>;
  rollback(args?: readonly string[], more?: More): Promise<Reported>;
  journal(): Entry[];
  /** All that its commands wrote so far. */
  said(): string;
  releases(): Release[];
  newestGood(): Release | undefined;
  /** Through the proxy, as everybody does: "POST /v1/agents/". */
  ask(asked: string, send?: object): Promise<{ status: number; body: string }>;
  version(): Promise<string>;
  /** What the server asks for. */
  readonly password: string;
  write(agent: string): Promise<void>;
  /** All agents' names, sorted. */
  agents(): Promise<string[]>;
  psql(statement: string, database?: string): string;
  revision(): string;
  databases(): string[];
}

/**
 * Makes the clone. Nothing runs yet.
 * @param name tells suites apart
 * @param firstPort the first of five ports
 * @param over settings over those of every such clone
 */
export async function prodWorkspace(
  name: string,
  firstPort: number,
  over: More,
): Promise<ProdWorkspace> {
  const place = workspace(name, firstPort + 10);
  const { root, project } = place;
  const ports = [
    "PROXY_HTTPS_PORT",
    "OTEL_GRPC_PORT",
    "OTEL_HTTP_PORT",
    "OTEL_HEALTH_PORT",
    "OTEL_METRICS_PORT",
  ];
  const environment = {
    STACK_PROJECT: project,
    ...Object.fromEntries(ports.map((port, index) => [port, String(firstPort + index)])),
    PROXY_PUBLISH_HOST: "127.0.0.1",
    BAKE_TIME: "1s",
    // So that no verification waits for its spans.
    OTEL_BATCH_TIMEOUT: "100ms",
    OTEL_BSP_SCHEDULE_DELAY: "100",
    ...over,
  };
  const written: string[] = [];
  const start = (entry: string, args: readonly string[], more: More = {}): Running => {
    const given = { ...environment, ...more };
    const child = spawn(
      process.execPath,
      [
        "--import",
        "./scripts/commands/start.mjs",
        `scripts/commands/${entry}.ts`,
        ...fromEnv(args, given),
      ],
      { cwd: root, env: { ...process.env, ...given }, stdio: ["ignore", "pipe", "pipe"] },
    );
    const said = { stdout: "", stderr: "" };
    child.stdout.on("data", (chunk: Buffer) => (said.stdout += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (said.stderr += chunk.toString()));
    child.once("exit", () => written.push(said.stdout, said.stderr));
    // What it started may outlive it and hold its output open: its own end is what counts.
    const ended = new Promise<Ran>((resolve) => {
      child.once("exit", (code, signal) => {
        const tell = () => resolve({ code, ...said });
        if (signal === null) child.once("close", tell);
        else tell();
      });
    });
    return { child, ended };
  };
  const run = (entry: string, args: readonly string[], more: More = {}) =>
    start(entry, args, more).ended;
  const tell = async (
    entry: string,
    args: readonly string[],
    more: More = {},
  ): Promise<Reported> => {
    const ran = await run(entry, [...args, "--json"], more);
    const lines = ran.stdout.split("\n");
    if (lines.length !== 2 || lines[1] !== "") {
      throw new Error(`expected one JSON object, got:\n${ran.stdout}\n${ran.stderr}`);
    }
    return { ...ran, said: JSON.parse(lines[0]!) as Reported["said"] };
  };
  const made = await run("secrets", ["init", "prod"]);
  if (made.code !== 0) throw new Error(made.stderr);
  const state = join(root, ".stack", "prod");
  const password = passwordOf(join(root, "env/prod.secrets.env"));
  const proxyUrl = `https://127.0.0.1:${firstPort}`;
  const ask = (asked: string, send?: object) => {
    const [method = "", path = ""] = asked.split(" ");
    return request(proxyUrl + path, {
      method,
      headers: { authorization: `Bearer ${password}` },
      timeoutMs: 30_000, // as long as a verification waits
      ...(send === undefined ? {} : { body: JSON.stringify(send) }),
    });
  };
  const read = async (path: string): Promise<unknown> => {
    const { status, body } = await ask(`GET ${path}`);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${body}`);
    return JSON.parse(body);
  };
  const psql = (statement: string, database = "letta") => {
    const id = containerIds(project)["postgres"] ?? "";
    return docker("exec", id, "psql", "-U", "letta_admin", "-d", database, "-qAtc", statement);
  };
  return {
    ...place,
    environment,
    state,
    password,
    start,
    run,
    tell,
    deploy: (tag, args = [], more = {}) => tell("deploy", ["prod", tag, "--yes", ...args], more),
    rollback: (args = [], more = {}) => tell("rollback", [...args, "--env", "prod", "--yes"], more),
    journal: () => readJournal(state),
    said: () => written.join("\n"),
    releases: () => readReleases(state),
    newestGood: () => newestGood(state),
    ask,
    version: async () => ((await read("/v1/health/")) as { version: string }).version,
    async write(agent) {
      const { status, body } = await ask("POST /v1/agents/", {
        name: agent,
        model: "letta/letta-free",
        embedding: "letta/letta-free",
        memory_blocks: [{ label: "human", value: agent }],
      });
      if (status !== 200) throw new Error(`agent ${agent} was not written: ${status} ${body}`);
    },
    agents: async () =>
      ((await read("/v1/agents/?limit=1000")) as { name: string }[]).map((one) => one.name).sort(),
    psql,
    revision: () => psql("SELECT version_num FROM alembic_version ORDER BY 1"),
    databases: () =>
      psql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1").split("\n"),
    async remove() {
      for (const one of scratchProjects(project, "rehearsal"))
        await dockerMeanwhile("compose", "-p", one, "down", "--volumes");
      await place.remove();
      const retained = await dockerMeanwhile(
        "images",
        `letta-stack/retained:${project}-*`,
        "--format",
        "{{.Repository}}:{{.Tag}}",
      );
      if (retained !== "") await dockerMeanwhile("rmi", ...retained.split("\n"));
    },
  };
}

function passwordOf(file: string): string {
  const { assignments } = parseEnvFile(readFileSync(file), file);
  return assignments.find((one) => one.name === "LETTA_SERVER_PASSWORD")?.value ?? "";
}
