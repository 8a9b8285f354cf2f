import type { Engine } from "../engine/engine.ts";

/** What a statement answered: rows of text columns, or the SQLSTATE of its failure. */
export interface Answer {
  readonly rows: readonly (readonly string[])[];
  /** "" where all went well; "08000" where no connection came about. */
  readonly state: string;
  readonly message: string;
}

/** Asks a database. Bundled and external ones answer alike. */
export interface Database {
  ask(statement: string): Promise<Answer>;
  /** Holds a session open after this statement, until it is released. */
  hold(statement: string): Promise<() => Promise<void>>;
}

const flags = [
  "-X",
  "-q",
  "-A",
  "-t",
  "-F",
  "\u001f",
  "-v",
  "ON_ERROR_STOP=1",
  "-v",
  "VERBOSITY=sqlstate",
];

/** The stack's own database, asked through its container's socket, where it trusts its owner. */
export function bundledDatabase(
  engine: Engine,
  container: string,
  user: string,
  name: string,
): Database {
  const psql = ["psql", "-U", user, "-d", name, ...flags];
  return {
    ask: async (statement) =>
      answer(await engine.exec(container, psql, { stdin: `${statement};\n` })),
    hold: (statement) => engine.hold(container, psql, `${statement};\n\\echo held\n`, /^held$/m),
  };
}

/**
 * A database outside, asked from a container of the Postgres image: from where the
 * server will ask it too.
 */
export function externalDatabase(engine: Engine, image: string, uri: string): Database {
  const address = new URL(uri);
  const environment = {
    PGHOST: address.hostname,
    PGPORT: address.port || "5432",
    PGUSER: decodeURIComponent(address.username),
    PGPASSWORD: decodeURIComponent(address.password),
    PGDATABASE: address.pathname.slice(1),
    PGCONNECT_TIMEOUT: "5",
    LC_ALL: "C",
    ...(address.searchParams.has("sslmode")
      ? { PGSSLMODE: address.searchParams.get("sslmode")! }
      : {}),
  };
  const shot = { image, environment, network: "bridge" };
  return {
    ask: async (statement) =>
      answer(
        await engine.run({ ...shot, entrypoint: ["psql", ...flags], stdin: `${statement};\n` }),
      ),
    hold: (statement) =>
      engine.runHeld(
        { ...shot, entrypoint: ["psql", ...flags], stdin: `${statement};\n\\echo held\n` },
        /^held$/m,
      ),
  };
}

function answer(result: { code: number; stdout: string; stderr: string }): Answer {
  const rows = result.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.split("\u001f"));
  if (result.code === 0) return { rows, state: "", message: "" };
  const state = /ERROR:\s+([0-9A-Z]{5})$/m.exec(result.stderr)?.[1] ?? "08000";
  return { rows: [], state, message: result.stderr.trim().split("\n")[0] ?? "" };
}
