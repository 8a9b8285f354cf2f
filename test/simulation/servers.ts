import type { ExternalFacts } from "../../scripts/database/assertDatabase.ts";
import type { Reply } from "../../scripts/checks/request.ts";
import {
  apply,
  columnsOf,
  copyDatabase,
  emptyDatabase,
  revisionOf,
  takeBack,
  type SimulatedDatabase,
} from "./databases.ts";
import type { SimulatedContainer } from "./containers.ts";
import { Gate } from "./gate.ts";
import { versions, type Version } from "./versions.ts";
import type { Happening, World } from "./world.ts";

/** A session of someone else's on a database. */
export interface Stranger {
  readonly database: string;
  readonly application: string;
  /** Whether the tool's role may end it. */
  readonly mayEnd: boolean;
  /** Whether it connects again at once when it was ended. */
  readonly again: boolean;
}

/** How long each service takes to come up, in virtual milliseconds. */
const bootMs: Readonly<Record<string, number>> = { postgres: 250, permissions: 30, collector: 150 };
const serverBootMs = 350;
const stepMs = 150;
const crashMs = 1200;
const unhealthyMs = 1500;
const restartMs = 400;
const reconnectMs = 3;
const overloadMs = 20_000;
const strangerMs = 30_000;

/** Where a database server is, and what the tool's role may do there. */
export interface ClusterOptions {
  readonly isExternal?: boolean;
  readonly mayCreate?: boolean;
}

/** A server of databases: one machine's own, or one outside that several use. */
export class Cluster {
  databases = new Map<string, SimulatedDatabase>();
  /** Sessions that processes of the tool hold open, by database. */
  readonly held = new Map<string, number>();
  /** Sessions of others. */
  strangers: Stranger[] = [];
  /** Databases that a statement has locked: new connections wait. */
  readonly fenced = new Set<string>();
  /** The machines that ask it. */
  readonly machines: SimulatedServers[] = [];
  readonly isExternal: boolean;
  /** Whether the tool's role there may make databases. */
  readonly mayCreate: boolean;
  /** What it tells of itself otherwise than it does by default. */
  facts: Partial<ExternalFacts> = {};

  constructor({ isExternal = false, mayCreate = true }: ClusterOptions = {}) {
    this.isExternal = isExternal;
    this.mayCreate = mayCreate;
    if (!isExternal) return;
    for (const name of ["letta", "postgres"]) this.databases.set(name, emptyDatabase());
  }

  copy(): Cluster {
    const copy = new Cluster(this);
    copy.databases = new Map([...this.databases].map(([name, one]) => [name, copyDatabase(one)]));
    copy.strangers = [...this.strangers];
    copy.facts = this.facts;
    return copy;
  }
}

const active = { state: "active" } as const;

/** What runs on the machine alongside the tool: containers with their processes, and databases. */
export class SimulatedServers {
  readonly containers = new Map<string, SimulatedContainer>();
  readonly cluster: Cluster;
  /** Of the machine, among those that ask the same database. */
  readonly number: number;
  readonly volumes = new Set<string>();
  /** Names of our own and the image each stands for. */
  readonly names = new Map<string, string>();
  /** The version of the server in each image, by its id. */
  readonly imageVersions = new Map<string, string>();
  /** What Compose has under way, by project, by any caller. */
  readonly composing = new Map<string, number>();
  /** What the proxy does with requests. */
  readonly gate: Gate;
  /** Until when the server answers late or not at all, as too much is asked of it. */
  overloadedUntilMs = 0;
  /** More is asked than the server can do: all requests fail, unless they wait at the proxy. */
  overloaded = false;
  /** Others that do not come back. */
  readonly #left = new Set<Stranger>();
  /**
   * What servers do with their connections while they are asked for nothing: close them, keep them
   * idle in a pool, or work on the database all the same.
   */
  readonly idleServers: "close" | "pool" | "work";
  /** The pause in which a server's idle connections were ended: it connects when it is asked next. */
  readonly #poolEnded = new Map<string, number>();
  /** How long a copy of the database takes, by its size. */
  readonly copyMs: number;
  /** Of two versions, that one answered on a copy while the other one was on it too. */
  readonly seenTogether = new Set<string>();
  /** The roles of the cluster: "superuser" until the tool has one of its own. */
  roles: "superuser" | "separate" | "given back" = "superuser";
  made = 0;
  readonly project: string;
  readonly world: World;

  constructor(project: string, world: World, cluster = new Cluster()) {
    this.project = project;
    this.world = world;
    this.cluster = cluster;
    this.number = cluster.machines.push(this);
    this.gate = new Gate(world);
    this.idleServers = (["work", "pool", "close", "close"] as const)[world.random.below(4)]!;
    this.copyMs = world.random.below(3) === 0 ? 1500 : 15;
  }

  /** The same things in another world. All is quiet: nothing is under way. */
  copy(world: World): SimulatedServers {
    const copy = new SimulatedServers(this.project, world, this.cluster.copy());
    for (const [id, one] of this.containers) copy.containers.set(id, { ...one });
    for (const [name, one] of this.databases) {
      copy.databases.set(name, { ...copyDatabase(one), comment: one.comment });
    }
    for (const one of this.volumes) copy.volumes.add(one);
    for (const [name, id] of this.names) copy.names.set(name, id);
    for (const [id, version] of this.imageVersions) copy.imageVersions.set(id, version);
    copy.made = this.made;
    copy.roles = this.roles;
    return copy;
  }

  /** Requests wait at the proxy. */
  get holding(): boolean {
    return this.gate.isPaused;
  }

  get isOverloaded(): boolean {
    return !this.world.calm && this.world.nowMs < this.overloadedUntilMs;
  }

  of(project: string): SimulatedContainer[] {
    return [...this.containers.values()].filter((one) => one.project === project);
  }

  part(service: string): SimulatedContainer | undefined {
    return this.of(this.project).find((one) => one.service === service);
  }

  get databases(): Map<string, SimulatedDatabase> {
    return this.cluster.databases;
  }

  set databases(next: Map<string, SimulatedDatabase>) {
    this.cluster.databases = next;
  }

  get held(): Map<string, number> {
    return this.cluster.held;
  }

  get strangers(): Stranger[] {
    return this.cluster.strangers;
  }

  set strangers(next: Stranger[]) {
    this.cluster.strangers = next;
  }

  get fenced(): Set<string> {
    return this.cluster.fenced;
  }

  databaseRuns(): boolean {
    if (this.cluster.isExternal) return true;
    const postgres = this.part("postgres");
    return postgres?.state === "running" && postgres.health === "healthy";
  }

  /** The sessions of servers on a database, and of statements that hold it. */
  ownSessions(name: string): { readonly state: "active" | "idle" }[] {
    const servers = this.cluster.machines.flatMap((machine) =>
      [...machine.containers.values()]
        .filter((one) => one.connected && one.database === name)
        .flatMap((one) => machine.#sessionOf(one)),
    );
    return [...servers, ...Array.from({ length: this.held.get(name) ?? 0 }, () => active)];
  }

  #sessionOf(one: SimulatedContainer): { readonly state: "active" | "idle" }[] {
    if (!this.#isIdle(one) || this.idleServers === "work") return [active];
    if (this.idleServers === "close") return [];
    return this.#poolEnded.get(one.id) === this.gate.pauses ? [] : [{ state: "idle" }];
  }

  sessionsOn(name: string): number {
    const strangers = this.strangers.filter((one) => one.database === name);
    return this.ownSessions(name).length + strangers.length;
  }

  /** Ends the idle sessions of servers on these databases. */
  endPools(names: readonly string[]): void {
    for (const machine of this.cluster.machines) {
      for (const one of machine.containers.values()) {
        if (names.includes(one.database)) machine.#poolEnded.set(one.id, machine.gate.pauses);
      }
    }
  }

  /** Ends the sessions of others on these databases, as pg_terminate_backend does. */
  endStrangers(names: readonly string[]): Stranger[] {
    const ended = this.strangers.filter((one) => one.mayEnd && names.includes(one.database));
    this.strangers = this.strangers.filter((one) => !ended.includes(one));
    for (const one of ended.filter(({ again }) => again)) this.#connectAgain(one);
    return ended;
  }

  #connect(application: string): void {
    const [again, mayEnd] = [application === "exporter", application !== "stubborn"];
    const one: Stranger = { database: "letta", application, mayEnd, again };
    this.strangers.push(one);
    this.world.afterUnlessOff(this.world.more.below(strangerMs), () => this.#leave(one));
  }

  #leave(one: Stranger): void {
    this.#left.add(one);
    this.strangers = this.strangers.filter((other) => other !== one);
  }

  #connectAgain(one: Stranger): void {
    this.world.afterUnlessOff(reconnectMs, () => {
      if (this.#left.has(one) || this.world.calm) return;
      if (this.fenced.has(one.database)) this.#connectAgain(one);
      else if (this.databases.has(one.database)) this.strangers.push(one);
    });
  }

  versionOf(one: SimulatedContainer): Version {
    return versions[this.imageVersions.get(one.imageId) ?? ""]!;
  }

  tagOf(one: SimulatedContainer): string {
    return this.imageVersions.get(one.imageId) ?? "";
  }

  start(one: SimulatedContainer): void {
    if (one.state === "running") return;
    one.state = "running";
    one.health = one.file.healthcheck === undefined ? "none" : "starting";
    one.exitCode = undefined;
    one.startedAt = String(this.world.nowMs);
    one.stopped = false;
    one.life += 1;
    if (one.service === "proxy") this.gate.restart();
    const { entrypoint = [], command = [] } = one.file;
    if (entrypoint[0] === "alembic") {
      const [databaseStrategy = "", to = ""] = [...entrypoint.slice(1), ...command];
      this.#later(one, stepMs, () => this.#migrate(one, databaseStrategy, to));
    } else if (one.database !== "") {
      this.#later(one, serverBootMs, () => this.#boot(one));
    } else {
      this.#later(one, bootMs[one.service] ?? 80, () => this.#come(one));
    }
  }

  /** A process ends; one that is to be restarted comes back after a while. */
  end(one: SimulatedContainer, exitCode: number): void {
    if (one.state !== "running" && one.state !== "restarting") return;
    one.life += 1;
    one.state = "exited";
    one.health = "none";
    one.exitCode = exitCode;
    one.connected = false;
    if (one.service === "postgres") this.#loseConnections();
    if (one.stopped || one.file.restart !== "unless-stopped") return;
    one.state = "restarting";
    this.#later(one, restartMs, () => {
      one.restarts += 1;
      this.start(one);
    });
  }

  /** The machine went off, and is on again: what was restarted is started, in any order. */
  losePower(): void {
    this.composing.clear();
    this.held.clear();
    this.strangers = [];
    this.fenced.clear();
    this.gate.losePower();
    const back = [...this.containers.values()].filter(
      (one) =>
        ["running", "restarting"].includes(one.state) && one.file.restart === "unless-stopped",
    );
    for (const one of this.containers.values()) {
      if (one.state !== "running" && one.state !== "restarting") continue;
      one.life += 1;
      one.state = "exited";
      one.health = "none";
      one.exitCode = 137;
      one.connected = false;
    }
    for (const one of back) {
      one.state = "restarting";
      this.#later(one, this.world.random.below(300), () => this.start(one));
    }
  }

  /** Caddy's upstreams, where a request now and then takes its time. */
  tellUpstreams(): string {
    const address = "{file./gate/open}:8283";
    return JSON.stringify([{ address, num_requests: this.world.random.below(4) === 0 ? 1 : 0 }]);
  }

  /** A server that no one asks. */
  #isIdle(one: SimulatedContainer): boolean {
    const isAsked = one.project === this.project && !this.holding;
    return !isAsked && one.file.entrypoint?.[0] !== "alembic";
  }

  /** The server's container. */
  get serving(): string {
    return this.part("server")?.id ?? "nothing";
  }

  /** Something that happens to what runs, and not to the tool. */
  happen(kind: Happening): void {
    this.world.note(`it happens: ${kind}`);
    const proxy = this.part("proxy");
    if (kind === "proxy" && proxy?.state === "running") this.end(proxy, 137);
    const postgres = this.part("postgres");
    if (kind === "database" && postgres?.state === "running") this.end(postgres, 137);
    if (kind === "pauseEnds" && this.holding) this.gate.end();
    const migrate = this.part("migrate");
    if (kind === "migration" && migrate?.state === "running") this.end(migrate, 1);
    if (kind === "psql" || kind === "exporter" || kind === "stubborn") this.#connect(kind);
    if (kind === "overload") this.overloadedUntilMs = this.world.nowMs + overloadMs;
  }

  /** A request to a server in a container. */
  answer(id: string, method: string, path: string, body: string | undefined): Reply {
    const one = this.containers.get(id);
    if (one?.state !== "running" || !one.connected) throw new Error("connection refused");
    if (path === "/v1/health/") {
      const isWell = this.versionOf(one).ends !== "unhealthy";
      const said = JSON.stringify({ version: this.tagOf(one), status: "ok" });
      return isWell ? { status: 200, body: said } : refused(500, "never healthy");
    }
    const database = this.databases.get(one.database);
    if (!this.databaseRuns() || database === undefined) return refused(500, "no database");
    if (this.isOverloaded && this.world.more.chance(0.4)) return refused(503, "overloaded");
    if (this.overloaded && !this.holding && one.project === this.project)
      return refused(500, "sorry, too many clients already");
    const [, , table = "", identity = ""] = path.split("/");
    return this.#ask(one, database, method, table, identity, body);
  }

  #ask(
    one: SimulatedContainer,
    database: SimulatedDatabase,
    method: string,
    table: string,
    identity: string,
    body: string | undefined,
  ): Reply {
    const { line } = this.versionOf(one);
    const rows = database.rows.get(table);
    const title = line.includes("r4") ? "title" : "name";
    if (rows === undefined) return refused(404, "not found");
    if (table === "agents" && !columnsOf(database, table).includes(title)) {
      return refused(500, `column ${title} does not exist`);
    }
    if (method === "GET") {
      if (identity === "") return { status: 200, body: JSON.stringify([...rows]) };
      return rows.has(identity) ? said({ id: identity }) : refused(404, "not found");
    }
    // The last thing that a smoke test does.
    if (method === "DELETE") {
      this.#noteTogether(one);
      return rows.delete(identity) ? said({}) : refused(404, "not found");
    }
    const isTripped = !line.includes("r3") && database.rows.get("providers")?.has("base");
    if (table === "agents" && isTripped) return refused(500, "multiple providers");
    const { name, label } = JSON.parse(body ?? "{}") as { name?: string; label?: string };
    const id = name?.startsWith("agent-") ? name : `${label ?? table}-${(this.made += 1)}`;
    rows.add(id);
    return said({ id });
  }

  #come(one: SimulatedContainer): void {
    if (one.file.restart === "no") return this.end(one, 0);
    one.health = one.file.healthcheck === undefined ? "none" : "healthy";
    if (one.service !== "postgres" || this.databases.size > 0) return;
    for (const name of ["letta", "postgres"]) this.databases.set(name, emptyDatabase());
  }

  #boot(one: SimulatedContainer): void {
    const database = this.databases.get(one.database);
    if (!this.databaseRuns() || database === undefined) return this.end(one, 1);
    const { line, ends } = this.versionOf(one);
    if (line.includes("r3")) {
      const providers = database.rows.get("providers");
      if (providers === undefined) return this.end(one, 1);
      providers.add("base");
    }
    one.connected = true;
    this.#expectAlone(one);
    if (ends === "unhealthy") {
      this.#later(one, unhealthyMs, () => void (one.health = "unhealthy"));
      return;
    }
    one.health = one.file.healthcheck === undefined ? "none" : "healthy";
    if (ends === "crash") this.#later(one, crashMs, () => this.end(one, 1));
  }

  #migrate(one: SimulatedContainer, databaseStrategy: string, to: string): void {
    const database = this.databases.get(one.database);
    const { line, fails } = this.versionOf(one);
    if (!this.databaseRuns() || database === undefined) return this.end(one, 255);
    const wasConnected = one.connected;
    one.connected = true;
    if (!wasConnected) this.#expectAlone(one);
    const at = revisionOf(database);
    if (!wasConnected && databaseStrategy === "upgrade" && at !== "" && at !== line.at(-1)) {
      this.#expectCopied(one, at);
    }
    if (at !== "" && !line.includes(at)) return this.end(one, 255);
    if (databaseStrategy === "downgrade") {
      if (at === to || at === "") return this.end(one, 0);
      takeBack(database);
    } else {
      const next = line[line.indexOf(at) + 1];
      if (next === undefined) return this.end(one, 0);
      if (next === fails) {
        database.half = true;
        database.rows.set("drafts", new Set());
        return this.end(one, 1);
      }
      apply(database, next);
    }
    this.#later(one, stepMs, () => this.#migrate(one, databaseStrategy, to));
  }

  /** I2: what is there before a migration of the live database stays until that is verified. */
  #expectCopied(one: SimulatedContainer, at: string): void {
    const isCopied = [...this.databases.keys()].some((name) => name.startsWith("letta_snapshot_"));
    // Where the old server stays on it, a copy would never come back.
    const isTolerated = [...this.seenTogether].some((pair) =>
      pair.endsWith(` alongside ${this.tagOf(one)}`),
    );
    // A role without CREATEDB has the dump alone.
    const mayCopy = this.cluster.mayCreate;
    if (one.project !== this.project || isCopied || isTolerated || !mayCopy) return;
    this.world.violate(`I2: ${at} is migrated, and no copy of before is retained`);
  }

  /** Others on the same database, whose schema's head is another one. */
  #othersRunning(one: SimulatedContainer): SimulatedContainer[] {
    const head = (other: SimulatedContainer) => this.versionOf(other).line.at(-1);
    return [...this.containers.values()].filter(
      (other) =>
        other !== one &&
        other.connected &&
        other.database === one.database &&
        head(other) !== head(one),
    );
  }

  #noteTogether(one: SimulatedContainer): void {
    if (one.project === this.project) return;
    for (const other of this.#othersRunning(one)) {
      this.seenTogether.add(`${this.tagOf(one)} alongside ${this.tagOf(other)}`);
    }
  }

  /** I3: two of different heads must never be on one database, unless both answered so on a copy. */
  #expectAlone(one: SimulatedContainer): void {
    if (one.project !== this.project) return;
    for (const other of this.#othersRunning(one)) {
      const [mine, its] = [this.tagOf(one), this.tagOf(other)];
      const isSeen =
        this.seenTogether.has(`${mine} alongside ${its}`) &&
        this.seenTogether.has(`${its} alongside ${mine}`);
      if (isSeen) continue;
      const both = `${other.service} ${its} and ${one.service} ${mine}`;
      this.world.violate(`I3: ${both} are on ${one.database} at once`);
    }
  }

  #loseConnections(): void {
    for (const one of this.containers.values()) {
      if (one.file.entrypoint?.[0] === "alembic") this.end(one, 1);
    }
  }

  #later(one: SimulatedContainer, ms: number, work: () => void): void {
    const { life } = one;
    this.world.afterUnlessOff(ms, () => {
      if (one.life === life && this.containers.get(one.id) === one) work();
    });
  }
}

function said(answer: object): Reply {
  return { status: 200, body: JSON.stringify(answer) };
}

function refused(status: number, detail: string): Reply {
  return { status, body: JSON.stringify({ detail }) };
}
