import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { docker } from "./workspace.ts";

/** A Letta 0.15.1 as the official image lays it out, before anyone moves it. */
export interface OldLetta {
  /** The container that an operator would name: its environment, its database, its volume. */
  readonly container: string;
  /** "POST /v1/agents/" as its default user, or as another. */
  ask(asked: string, send?: object, user?: string): unknown;
  psql(statement: string): string;
  /** A digest of every file of its data directory; it does not run. */
  dataDigest(): string;
  start(): Promise<void>;
  stop(): void;
  remove(): void;
}

/** As upstream's init.sql: schema and extension under the database's name, and no `public`. */
const initSql = `CREATE SCHEMA letta AUTHORIZATION letta;
ALTER DATABASE letta SET search_path TO letta;
CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA letta;
DROP SCHEMA IF EXISTS public CASCADE;`;

/** Asks with the container's own Python, as nothing is published. */
const asking = `import json, sys, urllib.request
method, path, user, body = sys.argv[1:]
headers = {"content-type": "application/json", **({"user_id": user} if user else {})}
data = body.encode() if body else None
request = urllib.request.Request("http://127.0.0.1:8283" + path, data, headers, method=method)
try:
    print(urllib.request.urlopen(request, timeout=60).read().decode())
except urllib.error.HTTPError as error:
    sys.exit(f"{error.code} {error.read().decode()[:500]}")
`;

/** The newest image of a role that was built here. */
export function builtImage(role: string, version: string): string {
  const format = "{{.Repository}}:{{.Tag}}";
  const [found] = docker("images", `letta-stack/${role}`, "--format", format)
    .split("\n")
    .filter((one) => one.startsWith(`letta-stack/${role}:${version}-`));
  assert.ok(found !== undefined, `no image of ${role} ${version}`);
  return found;
}

/**
 * Starts one: PostgreSQL with its data in a named volume, and the server in the same network namespace, as
 * both are in one container of the official image.
 * @param name of the container, and of its volume
 * @param postgres the image of its PostgreSQL
 */
export async function oldLetta(name: string, postgres: string): Promise<OldLetta> {
  const server = `${name}-server`;
  const volume = `${name}-data`;
  const remove = () => {
    spawnSync("docker", ["rm", "--force", "--volumes", server, name]);
    spawnSync("docker", ["volume", "rm", "--force", volume]);
  };
  remove();
  const set = { POSTGRES_USER: "letta", POSTGRES_PASSWORD: "letta", POSTGRES_DB: "letta" };
  const environment = Object.entries({ ...set, OPENAI_API_KEY: "sk-of-the-old-server" });
  const flags = environment.flatMap((pair) => ["--env", pair.join("=")]);
  const data = ["--volume", `${volume}:/var/lib/postgresql/data`];
  docker("run", "--detach", "--network", "bridge", "--name", name, ...flags, ...data, postgres);
  const psql = (statement: string) =>
    docker("exec", name, "psql", "-h", "127.0.0.1", "-U", "letta", "-qAtc", statement);
  const until = async (what: string, holds: () => unknown) => {
    for (const limit = performance.now() + 600_000; ; await sleep(1000)) {
      try {
        return holds();
      } catch (error) {
        if (performance.now() > limit) throw new Error(what, { cause: error });
      }
    }
  };
  const ask: OldLetta["ask"] = (asked, send, user = "") => {
    const [method = "", path = ""] = asked.split(" ");
    const body = send === undefined ? "" : JSON.stringify(send);
    return JSON.parse(docker("exec", server, "python3", "-c", asking, method, path, user, body));
  };
  await until("the old database does not answer", () => psql("SELECT 1"));
  psql(initSql);
  const uri = "LETTA_PG_URI=postgresql://letta:letta@localhost:5432/letta";
  const more = ["--env", uri, "--env", "LETTA_DISABLE_SQLALCHEMY_POOLING=true"];
  const run = [
    "sh",
    "-c",
    "alembic upgrade head && exec letta server --host 127.0.0.1 --port 8283",
  ];
  const where = ["--network", `container:${name}`, "--name", server];
  docker("run", "--detach", ...where, ...more, builtImage("letta", "0.15.1"), ...run);
  await until("the old server does not answer", () => ask("GET /v1/health/"));
  return {
    container: name,
    ask,
    psql,
    dataDigest() {
      const digest = "cd /data && find . -type f -exec sha256sum {} + | sort | sha256sum";
      const where = ["--network", "none", "--volume", `${volume}:/data:ro`, "--entrypoint", "sh"];
      return docker("run", "--rm", ...where, postgres, "-c", digest);
    },
    async start() {
      docker("start", name);
      await until("the old database does not answer", () => psql("SELECT 1"));
      docker("restart", server);
      await until("the old server does not answer", () => ask("GET /v1/health/"));
    },
    stop() {
      docker("stop", server, name);
    },
    remove,
  };
}
