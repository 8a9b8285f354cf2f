import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { contentTag } from "../../../scripts/docker/contentTag.ts";
import { recipes } from "../../../scripts/docker/recipes.ts";
import { request } from "../../../scripts/checks/request.ts";
import { docker } from "../../real/workspace.ts";
import { engine } from "./engine.ts";
import { exampleValues, lookupOf, root } from "../../stack/exampleStack.ts";

export interface ClickHouse {
  /** The settings with which the collector writes to it. */
  readonly settings: Readonly<Record<string, string>>;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** Whether it answered within the time. */
  answers(timeoutMs?: number): Promise<boolean>;
  /** @returns one list of columns for each row, all as text */
  ask(sql: string, database?: string): Promise<string[][]>;
  remove(): void;
}

export interface ClickHouseParts {
  readonly name: string;
  /** Reached under its name by containers of the same network, which is made for it. */
  readonly network: string;
  readonly port: number;
  /** The machine's address that the port is at, where it is not loopback. */
  readonly host?: string;
}

const user = "default";
const password = "clickHouseOfTheRigs1";

/**
 * The engine that docker/clickhouse builds, in a container that is made and not started yet,
 * with one user. What it leaves out of a real ClickHouse stands in its server.py; it runs one
 * query at a time, so throughput measured through it is a lower bound.
 */
export function clickHouse(parts: ClickHouseParts): ClickHouse {
  const { name, network, port, host = "127.0.0.1" } = parts;
  const lookup = lookupOf(exampleValues("dev"));
  const recipe = recipes("dev", lookup).find(({ role }) => role === "clickhouse")!;
  docker("network", "create", network);
  const argv = [
    ["create", "--init", "--name", name, "--network", network, "--stop-timeout", "60"],
    ["-p", `${host}:${port}:8123`, "-v", `${name}:/var/lib/clickhouse`, "--memory", "2g"],
    ["--env", `CLICKHOUSE_USER=${user}`, "--env", `CLICKHOUSE_PASSWORD=${password}`],
    [contentTag(root, recipe)],
  ];
  docker(...argv.flat());
  const ask = async (sql: string, database = "default") => {
    const reply = await request(`http://${host}:${port}/?database=${database}`, {
      method: "POST",
      headers: { "X-ClickHouse-User": user, "X-ClickHouse-Key": password },
      body: sql,
      timeoutMs: 60_000,
    });
    if (reply.status !== 200) throw new Error(`${sql}: ${reply.body}`);
    return reply.body
      .split("\n")
      .filter(Boolean)
      .map((line) => line.split("\t"));
  };
  return {
    settings: {
      CLICKHOUSE_ENDPOINT: `http://${name}:8123`,
      CLICKHOUSE_DATABASE: "otel",
      CLICKHOUSE_USERNAME: user,
      CLICKHOUSE_PASSWORD: password,
    },
    start: () => engine("start", name),
    stop: () => engine("stop", name),
    ask,
    async answers(timeoutMs = 60_000) {
      const until = performance.now() + timeoutMs;
      while (performance.now() < until) {
        const rows = await ask("SELECT 1").catch(() => []);
        if (rows.length === 1) return true;
        await sleep(100);
      }
      return false;
    },
    remove() {
      spawnSync("docker", ["rm", "-f", "-v", name]);
      spawnSync("docker", ["volume", "rm", name]);
      spawnSync("docker", ["network", "rm", network]);
    },
  };
}
