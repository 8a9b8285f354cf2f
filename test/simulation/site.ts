import { join } from "node:path";
import type { Engine } from "../../scripts/docker/engine.ts";
import { officialReference, recipes } from "../../scripts/docker/recipes.ts";
import { readSettings, type Settings } from "../../scripts/settings/readSettings.ts";
import type { SettingName } from "../../scripts/settings/settingDefinitions.ts";
import { Disk, folder } from "./disk.ts";
import { engineOn, imageIdOf, serverImage } from "./engineOn.ts";
import { install } from "./machine.ts";
import { Cluster, SimulatedServers, type ClusterOptions } from "./servers.ts";
import { versions } from "./versions.ts";
import { enter, World } from "./world.ts";

const root = join(import.meta.dirname, "..", "..");
const startMs = Date.UTC(2026, 0, 1);

const password = "canary-of-the-database";
/** What must be found nowhere but where it belongs. */
export const secrets: Readonly<Record<string, string>> = {
  LETTA_PG_PASSWORD: password,
  LETTA_SERVER_PASSWORD: "canary-of-the-server-0123456789",
  LETTA_ENCRYPTION_KEY: "canary-of-the-key-0123456789abcdef",
};

const external = {
  LETTA_PG_PASSWORD: "",
  LETTA_PG_URI: `postgresql://letta:${password}@db.example:5432/letta`,
};

const known = new Map<string, Settings>();

/** What prod's settings say in one checkout. */
export interface SiteSettings {
  /** Whether the database is one outside. */
  readonly isExternal?: boolean;
  /** STATE_DIR. */
  readonly stateDir?: string;
  /** How the server is replaced. */
  readonly strategy?: "auto" | "pause" | "recreate";
  /** Whether Redis is part of the stack. */
  readonly redis?: boolean;
}

/** prod as it is committed, with this version of the fake server server. */
export function settingsFor(
  version: string,
  {
    isExternal = false,
    stateDir = "/simulated/state",
    strategy = "auto",
    redis = false,
  }: SiteSettings = {},
): Settings {
  const key = `${version} ${isExternal} ${stateDir} ${strategy} ${redis}`;
  let settings = known.get(key);
  if (settings === undefined) {
    settings = readSettings({
      environment: "prod",
      root,
      processEnvironment: {
        ...secrets,
        ...(isExternal ? external : {}),
        STATE_DIR: stateDir,
        DEPLOY_STRATEGY: strategy,
        LETTA_IMAGE: serverImage,
        LETTA_VERSION: version,
        IMAGE_SOURCE: "pull",
        REDIS_ENABLED: String(redis),
        BAKE_TIME: "2s",
        SERVER_TIMEOUT: "10s",
        RELEASES_KEEP: "3",
        BACKUPS_KEEP: "2",
        BACKUPS_KEEP_FOR: "24h",
      },
    });
    known.set(key, settings);
  }
  return settings;
}

/** From where a command is called: with the state lost, from a second checkout, a second machine. */
export type From = "lost" | "checkout" | "machine";

/** A machine with a stack on it, in a world of its own. */
export interface Site {
  readonly world: World;
  readonly servers: SimulatedServers;
  readonly engine: Engine;
  /** STATE_DIR. */
  readonly stateDir: string;
  /** The environment's state directory. */
  readonly directory: string;
  /** Tells the secret keys that are made here from those made elsewhere or before a loss. */
  readonly installation: { number: number };
  /** Other checkouts and machines on the same database, once they were asked for. */
  readonly others: Map<From, Site>;
}

/** A machine on which every image is and nothing has ever run. */
export function emptySite(seed: number, database: ClusterOptions = {}): Site {
  const disk = new Disk();
  disk.link("/simulated", folder());
  disk.sync(disk.root);
  const world = new World(seed, disk, startMs);
  const { project } = settingsFor("1.0.0");
  const servers = new SimulatedServers(project, world, new Cluster(database));
  for (const version of Object.keys(versions)) {
    const { lookup, get } = settingsFor(version);
    for (const { setting, officialVersion } of recipes("prod", lookup)) {
      const name = officialReference(get(setting as SettingName), officialVersion);
      servers.names.set(name, imageIdOf(name));
      if (setting === "LETTA_IMAGE") servers.imageVersions.set(imageIdOf(name), version);
    }
  }
  return siteOf(world, servers);
}

/** The same machine at the same moment, in a world whose chances are those of a seed. */
export function copySite(site: Site, seed: number): Site {
  const world = new World(seed, site.world.disk.copy(), site.world.nowMs);
  return siteOf(world, site.servers.copy(world));
}

function siteOf(world: World, servers: SimulatedServers): Site {
  world.onPower = () => servers.cluster.machines.forEach((one) => one.losePower());
  world.onHappening = (kind) => servers.happen(kind);
  return siteAt("/simulated/state", world, servers, 7);
}

function siteAt(stateDir: string, world: World, servers: SimulatedServers, number: number): Site {
  const installation = { number };
  const parts = { stateDir, directory: `${stateDir}/prod`, installation, others: new Map() };
  return { world, servers, engine: engineOn(servers), ...parts };
}

/** The site as a command sees it that is called from there. */
export function siteFrom(site: Site, from: From | undefined): Site {
  if (from === undefined) return site;
  if (from === "lost") {
    const { disk } = site.world;
    disk.link(site.stateDir, undefined);
    disk.sync(disk.folderAt("/simulated"));
    site.installation.number += 10;
    return site;
  }
  const known = site.others.get(from);
  if (known !== undefined) return known;
  const other = from === "checkout" ? checkoutOf(site) : otherMachine(site);
  site.others.set(from, other);
  return other;
}

function checkoutOf({ world, servers }: Site): Site {
  return siteAt("/simulated/checkout", world, servers, 8);
}

function otherMachine({ world, servers }: Site): Site {
  const machine = new SimulatedServers(servers.project, world, servers.cluster);
  for (const [name, id] of servers.names) machine.names.set(name, id);
  for (const [id, version] of servers.imageVersions) machine.imageVersions.set(id, version);
  return siteAt("/simulated/machine", world, machine, 9);
}

/** From here on this is the machine that the tool works on. */
export function enterSite({ world, servers }: Site): void {
  enter(world);
  install(servers);
}
