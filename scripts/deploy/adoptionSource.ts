import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { openForeignDump, restoreForeignDump } from "../database/foreignDump.ts";
import { addressFault, addressSecrets } from "../database/psqlClient.ts";
import { findLettas, type LettaPlace } from "../database/foundLetta.ts";
import { type DatabaseServer, externalServer } from "../database/sql.ts";
import type {
  DataPlace,
  FoundContainer,
  ScratchServer,
  SourceEngine,
} from "../docker/sourceEngine.ts";
import type { Context } from "../state/context.ts";

/** What `--from` names. */
export type SourceRequest =
  | { readonly kind: "container" | "compose" | "volume" | "folder" | "dump"; readonly name: string }
  | { readonly kind: "uri"; readonly name: "" };

const named = ["container", "compose", "volume", "folder", "dump"] as const;

/** An installation that is to be moved in, with a server that answers for its data. */
export interface Source {
  /** "container letta (letta/letta:0.15.1, running)". */
  readonly description: string;
  readonly server: DatabaseServer;
  readonly place: LettaPlace;
  /** The environment of its server; empty where there is none to see. Secrets stand in it. */
  readonly environment: Readonly<Record<string, string>>;
  /** Its container, for the files in it. */
  readonly container: FoundContainer | undefined;
  /** Whether its server may still write. */
  readonly isLive: boolean;
  close(): Promise<void>;
}

export interface SourceTools {
  readonly sources: SourceEngine;
  readonly context: Context;
  /** The Postgres image whose clients ask the source. */
  readonly postgres: string;
  /** Of `uri`: never an argument, as it holds a password. */
  readonly uri: string | undefined;
  /** The schema to take, where there are several with a Letta. */
  readonly schema: string | undefined;
  /** Takes what is learnt from the source and may stand in no output. */
  readonly hides: (secrets: readonly string[]) => void;
}

/**
 * Takes `--from` apart.
 * @throws Problem USAGE
 */
export function parseSource(text: string): SourceRequest {
  if (text === "uri") return { kind: "uri", name: "" };
  const at = text.indexOf(":");
  const kind = named.find((one) => one === text.slice(0, at));
  const name = text.slice(at + 1);
  if (kind !== undefined && name !== "") return { kind, name };
  const hint = /^postgres(ql)?:/u.test(text)
    ? [
        "a database's address holds its password: --from uri, and the address in ADOPT_PG_URI or on standard input",
      ]
    : [];
  const shown = hint.length > 0 ? "a database's address" : JSON.stringify(text);
  throw new Problem(
    "USAGE",
    `expected --from container:<name>, compose:<project>, volume:<name>, folder:<path>, dump:<file> or uri, got ${shown}`,
    { details: hint },
  );
}

/** How to reach the data of a container. */
export type ContainerPlan =
  | { readonly how: "ask"; readonly uris: readonly string[] }
  | { readonly how: "copy"; readonly path: string }
  | { readonly how: "refuse"; readonly why: string; readonly next?: string };

const dataDirectory = "/var/lib/postgresql/data";

/**
 * Decides how a container's data is read: a running server is asked, at the address that it uses itself;
 * of one that is stopped the data directory is copied. Pure.
 */
export function planContainer({ name, state, environment }: FoundContainer): ContainerPlan {
  const internal = internalUri(environment);
  const outside = outsideUris(environment);
  if (state === "paused" || state === "restarting" || state === "dead") {
    const next = state === "paused" ? { next: `docker unpause ${name}` } : {};
    return {
      how: "refuse",
      why: `container ${name} is ${state}: expected it to run or to be stopped`,
      ...next,
    };
  }
  const isLocal = (uri: string) => /@(localhost|127\.0\.0\.1|\[::1\])[:/]/u.test(uri);
  if (state === "running") {
    // Up to 0.7.14 Compose's LETTA_PG_HOST was not read: where both answer, the agents tell.
    const isNamed = environment["LETTA_PG_URI"] !== undefined && environment["LETTA_PG_URI"] !== "";
    return { how: "ask", uris: isNamed ? outside : [...outside, internal] };
  }
  if (environment["LETTA_PG_URI"] && !outside.every(isLocal)) {
    return {
      how: "refuse",
      why: `container ${name} does not run, and its database is elsewhere`,
      next: `docker start ${name}   (or name its database: --from container:<database>, --from uri)`,
    };
  }
  return { how: "copy", path: environment["PGDATA"] || dataDirectory };
}

/** As the official image's startup.sh makes it; a plain Postgres image has other defaults. */
function internalUri(environment: Readonly<Record<string, string>>): string {
  const user = environment["POSTGRES_USER"] || "postgres";
  return uriOf({
    user,
    password: environment["POSTGRES_PASSWORD"] ?? "",
    host: "127.0.0.1:5432",
    database: environment["POSTGRES_DB"] || user,
  });
}

function outsideUris(environment: Readonly<Record<string, string>>): string[] {
  const whole = environment["LETTA_PG_URI"];
  if (whole) return [plainUri(whole)];
  const host = environment["LETTA_PG_HOST"];
  if (!host) return [];
  const user = environment["LETTA_PG_USER"] || "letta";
  return [
    uriOf({
      user,
      password: environment["LETTA_PG_PASSWORD"] || "letta",
      host: `${host}:${environment["LETTA_PG_PORT"] || "5432"}`,
      database: environment["LETTA_PG_DB"] || "letta",
    }),
  ];
}

/** SQLAlchemy names a driver in an address: libpq does not know it. */
export function plainUri(uri: string): string {
  return uri.trim().replace(/^postgres(?:ql)?(?:\+\w+)?:/u, "postgresql:");
}

function uriOf(parts: { user: string; password: string; host: string; database: string }): string {
  const { user, password, host, database } = parts;
  const who = [user, password].map(encodeURIComponent).join(":");
  return `postgresql://${who}@${host}/${encodeURIComponent(database)}`;
}

/**
 * Opens a source for reading. Nothing of it is written, started or stopped: of what does not run, a copy is
 * started, in a container without a network.
 * @throws Problem USAGE for a source that does not exist, ADOPTION_REFUSED for one that cannot be read safely
 */
export async function openSource(request: SourceRequest, tools: SourceTools): Promise<Source> {
  switch (request.kind) {
    case "container": {
      const found = await tools.sources.container(request.name);
      if (found === undefined) throw missing(`a container ${request.name}`, "docker ps --all");
      return openContainer(found, tools);
    }
    case "compose":
      return openContainer(await composeServer(request.name, tools), tools);
    case "volume": {
      if (!(await tools.sources.hasVolume(request.name)))
        throw missing(`a volume ${request.name}`, "docker volume ls");
      const place = { volume: request.name };
      return openCopy(
        place,
        "",
        `volume ${request.name}`,
        tools,
        await usersOf(request.name, tools),
      );
    }
    case "folder": {
      const place = { folder: request.name };
      const users = await usersOf(request.name, tools);
      if ((await readText(place, "postmaster.pid", tools)) !== undefined && users.length === 0) {
        throw refusal(
          `${request.name} has a postmaster.pid: a server may run on it, and its copy would not be whole`,
          "stop that server, or take a dump of it: pg_dump -Fc <database> > letta.dump; --from dump:letta.dump",
        );
      }
      return openCopy(place, "", `folder ${request.name}`, tools, users);
    }
    case "dump":
      return openDump(request.name, tools);
    case "uri":
      return openUri(tools);
  }
}

/** What a container that holds a Letta may be recognised by. */
const isServer = (one: FoundContainer) =>
  /\bletta\b/u.test(one.image) ||
  Object.keys(one.environment).some((name) => name.startsWith("LETTA_"));
const isDatabase = (one: FoundContainer) =>
  one.mounts.some(({ destination }) => destination.startsWith("/var/lib/postgresql"));

/** Containers that may be sources, as `--from` names them; those of the stack's own project are none. */
export async function likelySources(sources: SourceEngine, project: string): Promise<string[]> {
  const all = await sources.containers();
  return all
    .filter((one) => one.labels["com.docker.compose.project"] !== project)
    .filter((one) => isServer(one) || isDatabase(one))
    .map(({ name, image, state }) => `container:${name}   (${image}, ${state})`)
    .sort();
}

/** The server of a Compose project, which knows its database; else the database alone. */
async function composeServer(project: string, { sources }: SourceTools): Promise<FoundContainer> {
  const all = await sources.containers();
  const own = all.filter((one) => one.labels["com.docker.compose.project"] === project);
  if (own.length === 0) throw missing(`a Compose project ${project}`, "docker compose ls --all");
  const [found, ...others] = own.some(isServer) ? own.filter(isServer) : own.filter(isDatabase);
  if (found !== undefined && others.length === 0) return found;
  const names = own.map((one) => one.name).join(", ");
  throw refusal(
    `Compose project ${project}: expected one Letta server or database, got ${names}`,
    "name the container: --from container:<name>",
  );
}

/** Passwords that are words of any output too, as Compose files have them. */
const plainWords = new Set(["postgres", "password", "letta"]);

/** The secrets in a container's environment, as far as they may be in an error of its database. Pure. */
function containerSecrets({ environment }: FoundContainer): string[] {
  const { LETTA_PG_URI: uri = "" } = environment;
  const own = ["POSTGRES_PASSWORD", "LETTA_PG_PASSWORD", "LETTA_ENCRYPTION_KEY"].map(
    (name) => environment[name] ?? "",
  );
  return [...addressSecrets(uri), ...own].filter((one) => one !== "" && !plainWords.has(one));
}

async function openContainer(found: FoundContainer, tools: SourceTools): Promise<Source> {
  tools.hides(containerSecrets(found));
  const plan = planContainer(found);
  const description = `container ${found.name} (${found.image}, ${found.state})`;
  if (plan.how === "refuse") throw refusal(plan.why, plan.next);
  if (plan.how === "copy") {
    const mount = found.mounts.find(({ destination }) => plan.path.startsWith(destination));
    const users = mount === undefined ? [] : await usersOf(mount.source, tools);
    const place = { container: found.id, path: plan.path };
    return openCopy(place, plan.path, description, tools, users, found);
  }
  const fault = plan.uris.map(addressFault).find((one) => one !== undefined);
  if (fault !== undefined) {
    throw refusal(
      `container ${found.name}: LETTA_PG_URI: ${fault}`,
      "ADOPT_PG_URI=<the same address, percent-encoded>, --from uri",
    );
  }
  const network = `container:${found.id}`;
  const servers = plan.uris.map((uri) =>
    externalServer(tools.context.engine, { uri, image: tools.postgres, network }),
  );
  return chosen(servers, { description, container: found, isLive: true, close: noClose }, tools);
}

async function openUri(tools: SourceTools): Promise<Source> {
  const { uri = "", context, postgres } = tools;
  const plain = plainUri(uri);
  if (!/^postgresql:\/\/[^/]+\/[^/]+/u.test(plain)) {
    throw new Problem(
      "USAGE",
      "expected a database's address in ADOPT_PG_URI or on standard input: postgresql://user:password@host:5432/database",
    );
  }
  const fault = addressFault(plain);
  if (fault !== undefined) throw new Problem("USAGE", fault);
  const { host, port, searchParams } = new URL(plain);
  if (port === "6543" || searchParams.get("pgbouncer") === "true") {
    throw refusal(
      `${host} is a pooler that shares sessions: a dump through it is not of one moment`,
      "use the database's direct address, or its session pooler",
    );
  }
  const server = externalServer(context.engine, { uri: plain, image: postgres, network: "host" });
  const parts = { description: `database at ${host}`, container: undefined, isLive: true };
  return chosen([server], { ...parts, close: noClose }, tools);
}

const noClose = () => Promise.resolve();

/** Copies a data directory and starts the image that wrote it on the copy. */
async function openCopy(
  place: DataPlace,
  path: string,
  description: string,
  tools: SourceTools,
  users: readonly FoundContainer[],
  owner?: FoundContainer,
): Promise<Source> {
  const { sources, postgres } = tools;
  tools.hides(users.flatMap(containerSecrets));
  const running = users.filter((one) => one.state !== "exited" && one.state !== "created");
  const [busy] = running;
  if (busy !== undefined) {
    throw refusal(
      `${description} is in use by container ${busy.name}, which is ${busy.state}: a copy of it would not be whole`,
      `name that container: --from container:${busy.name}`,
    );
  }
  const version = await readText(place, path === "" ? "PG_VERSION" : `${path}/PG_VERSION`, tools);
  if (version === undefined) {
    throw refusal(
      `${description}: expected a PostgreSQL data directory, got no PG_VERSION in ${path || "it"}`,
    );
  }
  const major = version.trim();
  const reader = owner ?? (await readerAmong(users, major, tools));
  const image = reader?.imageId ?? (await imageFor(major, tools));
  // A server knows its key and its files, whatever its image reads.
  const container = reader ?? users.find(isServer);
  const archive = (await sources.read(place, path, postgres))!;
  const name = path === "" ? "data" : path.split("/").at(-1)!;
  const scratch = await tools.context.reporter.step(`start a copy of ${description}`, () =>
    sources.scratch(image, { archive, name }),
  );
  const environment = container?.environment ?? {};
  const logins = [environment["POSTGRES_USER"], "letta", "postgres"].filter(
    (one) => one !== undefined,
  );
  try {
    const server = await ready(scratch, [...new Set(logins)], tools);
    const close = () => scratch.remove();
    const parts = {
      description: `${description}, PostgreSQL ${major}`,
      container,
    };
    return await chosen([server], { ...parts, isLive: false, close }, tools, true);
  } catch (error) {
    await scratch.remove();
    throw error;
  }
}

/** Waits until a scratch server answers. @param logins superusers that it may have */
async function ready(
  scratch: ScratchServer,
  logins: readonly string[],
  { context, postgres }: SourceTools,
): Promise<DatabaseServer> {
  const servers = logins.map((user) =>
    externalServer(context.engine, {
      uri: uriOf({ user, password: "", host: "127.0.0.1:5432", database: "postgres" }),
      image: postgres,
      network: `container:${scratch.id}`,
    }),
  );
  const until = context.now() + 180_000;
  for (;;) {
    if (!(await scratch.isRunning()) || context.now() > until) {
      throw new Problem("ADOPTION_REFUSED", "PostgreSQL does not start on a copy of the data", {
        details: (await scratch.tail()).split("\n").slice(-6),
        next: "take a dump of it: pg_dump -Fc <database> > letta.dump; --from dump:letta.dump",
      });
    }
    for (const server of servers) {
      const { state } = await server.database().ask("SELECT 1");
      if (state === "") return server;
    }
    await sleep(300, undefined, { signal: context.signal });
  }
}

/** Of the containers that mount data, one whose image reads it: another may be there to save files alone. */
async function readerAmong(
  users: readonly FoundContainer[],
  major: string,
  { context }: SourceTools,
): Promise<FoundContainer | undefined> {
  for (const one of users) if (await readsMajor(one.imageId, major, context)) return one;
  return undefined;
}

/** Whether an image has a PostgreSQL of this major version. */
async function readsMajor(image: string, major: string, { engine }: Context): Promise<boolean> {
  const { code, stdout } = await engine
    .run({ image, entrypoint: ["postgres", "--version"] })
    .catch(() => ({ code: 1, stdout: "" }));
  return code === 0 && /(\d+)/u.exec(stdout)?.[1] === major;
}

/** An image on the engine whose PostgreSQL reads data of this major version. */
async function imageFor(
  major: string,
  { sources, context, postgres }: SourceTools,
): Promise<string> {
  const likely = (await sources.images()).filter((one) => /letta|pgvector|postgres/u.test(one));
  for (const image of [postgres, ...likely])
    if (await readsMajor(image, major, context)) return image;
  throw new Problem(
    "IMAGE_UNAVAILABLE",
    `the data is of PostgreSQL ${major}: expected an image that reads it on this engine, got none`,
    {
      next: `docker pull pgvector/pgvector:pg${major}   (or take a dump elsewhere: --from dump:<file>)`,
    },
  );
}

/** The containers that mount a volume or a folder. */
async function usersOf(source: string, { sources }: SourceTools): Promise<FoundContainer[]> {
  const all = await sources.containers();
  return all.filter((one) =>
    one.mounts.some((mount) => mount.source === source.replace(/\/+$/u, "")),
  );
}

/** A small file of a data directory; undefined where there is none. */
async function readText(
  place: DataPlace,
  path: string,
  { sources, postgres }: SourceTools,
): Promise<string | undefined> {
  const archive = await sources.read(place, path, postgres);
  if (archive === undefined) return undefined;
  const chunks: Buffer[] = [];
  for await (const chunk of archive as AsyncIterable<Buffer>) chunks.push(chunk);
  const tar = Buffer.concat(chunks);
  // One entry: a header of 512 bytes, its size in octal at 124 (POSIX ustar), then the contents.
  const size = Number.parseInt(tar.subarray(124, 136).toString("latin1"), 8);
  return tar.subarray(512, 512 + size).toString("utf8");
}

/**
 * The one place with a Letta among what these servers have.
 * @param looksAround whether the databases' names are unknown
 */
async function chosen(
  servers: readonly DatabaseServer[],
  parts: Pick<Source, "description" | "container" | "isLive" | "close">,
  tools: SourceTools,
  looksAround = false,
): Promise<Source> {
  const found: { readonly server: DatabaseServer; readonly place: LettaPlace }[] = [];
  const faults: string[] = [];
  for (const server of servers) {
    const { state, message } = await server.database().ask("SELECT 1");
    if (state !== "") {
      faults.push(message);
      continue;
    }
    for (const place of await findLettas(server, looksAround ? undefined : server.name))
      found.push({ server, place });
  }
  if (faults.length === servers.length) {
    throw refusal(`${parts.description}: its database does not answer`, undefined, faults);
  }
  const { server, place } = choosePlace(found, tools.schema, parts.description);
  return { ...parts, server, place, environment: parts.container?.environment ?? {} };
}

/**
 * Chooses among databases and schemas with a Letta: the only one, or the only one with agents. Pure.
 * @throws Problem ADOPTION_REFUSED
 */
export function choosePlace<Found extends { readonly place: LettaPlace }>(
  found: readonly Found[],
  schema: string | undefined,
  description: string,
): Found {
  const asked = schema === undefined ? found : found.filter((one) => one.place.schema === schema);
  const full = asked.filter((one) => one.place.agents > 0);
  const [first, ...others] = full.length > 0 ? full : asked;
  if (first !== undefined && others.length === 0) return first;
  const places = asked.map(
    ({ place }) => `database ${place.database}, schema ${place.schema}: ${place.agents} agents`,
  );
  if (first === undefined) {
    const where = schema === undefined ? "" : ` in schema ${schema}`;
    throw refusal(
      `${description}: expected a Letta's tables (alembic_version, agents)${where}, got none`,
      undefined,
      found.map(({ place }) => `schema ${place.schema} of ${place.database} has them`),
    );
  }
  throw refusal(
    `${description}: several databases or schemas hold a Letta`,
    "name one: --schema <name>",
    places,
  );
}

/** Restores a dump into a scratch server of the stack's own image: its SQL runs nowhere else. */
async function openDump(path: string, tools: SourceTools): Promise<Source> {
  const { sources, context, postgres } = tools;
  const dump = await openForeignDump(path);
  const scratch = await context.reporter.step(`start a server for ${path} alone`, () =>
    sources.scratch(postgres),
  );
  const close = () => scratch.remove();
  try {
    const server = await ready(scratch, ["postgres"], tools);
    await context.reporter.step(`restore ${path} in it`, async () => {
      const { state, message } = await server
        .database()
        .ask("CREATE DATABASE adopted TEMPLATE template0");
      if (state !== "") throw refusal(`${path} found no place`, undefined, [message]);
      await restoreForeignDump(server, "adopted", dump);
    });
    const parts = { description: `dump ${path}`, container: undefined, isLive: false, close };
    return await chosen([server], parts, tools, true);
  } catch (error) {
    await close();
    throw error;
  }
}

function missing(what: string, next: string): Problem {
  return new Problem("USAGE", `expected ${what}, got none`, { next });
}

/** What this module refuses; nothing was touched. */
function refusal(why: string, next?: string, details: readonly string[] = []): Problem {
  return new Problem("ADOPTION_REFUSED", why, { details, ...(next === undefined ? {} : { next }) });
}
