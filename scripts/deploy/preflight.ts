import { statfsSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";
import { isOnThisHost } from "../docker/endpoint.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import {
  changeHost,
  isInstalled,
  observeHost,
  planEngineInstall,
  planEngineStart,
} from "../docker/host.ts";
import { isFree, portHolder } from "../docker/portHolder.ts";
import { isMap, type ValueMap } from "../stack/mergeSources.ts";
import { labels, type Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";
import type { Change } from "./planChanges.ts";

/** An image build takes 2 GB, a running stack little; both leave the host some space. */
const freeGb = { build: 5, run: 1 } as const;

/**
 * Refuses containers under our project's name that this tool did not make.
 * @throws Problem FOREIGN_CONTAINERS
 */
export function assertOwn(project: string, observed: readonly ObservedContainer[]): void {
  const foreign = observed.filter((one) => one.labels[labels.role] === undefined);
  if (foreign.length === 0) return;
  throw new Problem(
    "FOREIGN_CONTAINERS",
    `containers of another owner use the project name ${project}`,
    {
      details: foreign.map((one) => `${one.name} (${one.image}, ${one.state})`),
      next:
        "set STACK_PROJECT to another name, or remove them: docker compose -p " + project + " down",
    },
  );
}

/**
 * Refuses a volume that has the name of one of ours and that our Compose project did not make: a
 * new service would write into foreign data, or take a database for one that is still to be made.
 * @throws Problem FOREIGN_VOLUMES naming each
 */
export async function assertOwnVolumes(
  { project, model }: Stack,
  changes: readonly Change[],
  context: Context,
): Promise<void> {
  const created = changes.filter((one) => one.action === "create").map((one) => one.service);
  if (created.length === 0) return;
  const [services, volumes] = [model["services"], model["volumes"] ?? {}] as ValueMap[];
  const mounted = created.flatMap((one) => {
    const mounts = (services![one] as ValueMap)["volumes"];
    return (Array.isArray(mounts) ? mounts : []).map((mount) => String(mount).split(":")[0]!);
  });
  const owners = await context.engine.volumeOwners();
  const faults = Object.entries(volumes!).flatMap(([key, volume]) => {
    const { external = false, name = `${project}_${key}` } = isMap(volume) ? volume : {};
    const owner = owners.get(String(name)) ?? project;
    if (external === true || !mounted.includes(key) || owner === project) return [];
    return [`${String(name)}: ${owner === "" ? "made without Compose" : `made for ${owner}`}`];
  });
  if (faults.length === 0) return;
  throw new Problem("FOREIGN_VOLUMES", "volumes of another owner use this stack's names", {
    details: [
      ...faults,
      `to use such a volume, create it with --label com.docker.compose.project=${project}`,
    ],
    next: `docker volume inspect ${faults[0]!.split(":")[0]}   (then set STACK_PROJECT to another name, or remove it)`,
  });
}

/** Parts that hold data, where no stack is at hand any more that says so. */
const holdsData = ["postgres", "clickhouse"];

/**
 * Refuses to replace or remove a service that holds data, unless it was named.
 * @throws Problem STATEFUL_RECREATE
 */
export function assertStateless(
  stack: Stack,
  changes: readonly Change[],
  named: readonly string[],
): void {
  const refused = changes.filter(
    (one) =>
      !named.includes(one.service) &&
      (one.action === "recreate"
        ? stack.services.find((service) => service.name === one.service)?.stateful
        : one.action === "remove" && holdsData.includes(one.service)),
  );
  const [first] = refused;
  if (first === undefined) return;
  throw new Problem(
    "STATEFUL_RECREATE",
    `${first.service} holds data and would be ${first.action}d`,
    {
      details: refused.map((one) => `${one.service}: ${one.causes.join(", ")}`),
      next: `add -- --recreate ${first.service}   (its volume stays)`,
    },
  );
}

/**
 * Refuses ports that are in use.
 * @throws Problem PORT_TAKEN naming each port and who holds it
 */
export async function assertPortsFree(
  stack: Stack,
  changes: readonly Change[],
  context: Context,
): Promise<void> {
  const faults: string[] = [];
  const touched = changes.filter((one) => ["create", "recreate", "start"].includes(one.action));
  const observed = await context.engine.containers(stack.project);
  for (const service of stack.services.filter((one) =>
    touched.some((change) => change.service === one.name),
  )) {
    const own = observed.find((one) => one.service === service.name)?.name;
    for (const { host, published } of service.ports) {
      const holder = await holderOf(host, published, own, context);
      if (holder !== undefined) {
        faults.push(`${host}:${published} (${service.name}): held by ${holder}`);
      }
    }
  }
  if (faults.length > 0) {
    throw new Problem("PORT_TAKEN", "ports of the stack are taken", {
      details: faults,
      next: `stop their holders, or change the ports in env/${stack.environment}.env`,
    });
  }
}

const looks = 3;

/** Who else listens there. A part that is started again and again comes and goes between two looks. */
async function holderOf(host: string, port: number, own: string | undefined, { engine }: Context) {
  if (!isOnThisHost(engine)) {
    const publisher = await engine.publisher(port);
    return publisher === own ? undefined : publisher;
  }
  for (let look = 1; ; look += 1) {
    if (await isFree(host, port)) return undefined;
    const publisher = await engine.publisher(port);
    if (publisher !== undefined) return publisher === own ? undefined : publisher;
    if (look === looks) return portHolder(port) ?? "another process";
    await sleep(200);
  }
}

/**
 * Refuses a disk that would fill up.
 * @returns whether the disk was seen: another host's is not, whatever is here under its path
 * @throws Problem DISK_TOO_SMALL
 */
export async function assertDiskSpace(
  what: keyof typeof freeGb,
  context: Context,
): Promise<boolean> {
  if (!isOnThisHost(context.engine)) return false;
  const path = await context.engine.dataRoot();
  let free: number;
  try {
    const disk = statfsSync(path);
    free = (disk.bavail * disk.bsize) / 1e9;
  } catch {
    return false; // an engine in a virtual machine
  }
  if (free >= freeGb[what]) return true;
  throw new Problem(
    "DISK_TOO_SMALL",
    `${path}: expected ${freeGb[what]} GB free, got ${free.toFixed(1)}`,
    {
      next: "docker system df",
    },
  );
}

/** start_interval of health checks came with engine 25, inline configs with Compose 2.23.1. */
const oldest = { engine: "25.0.0", compose: "2.23.1" } as const;

const startLimitMs = 30_000;
const local = "unix:///var/run/docker.sock";

/**
 * Makes sure that an engine answers: a local one is started, or installed and started,
 * after asking.
 * @throws Problem ENGINE_UNREACHABLE, HOST_UNSUPPORTED, CONFIRMATION_NEEDED, DECLINED
 */
export async function ensureEngine(context: Context): Promise<void> {
  const fault = await faultOf(context);
  if (fault === undefined) return;
  if (fault === "EACCES") {
    throw new Problem("ENGINE_UNREACHABLE", `${context.engine.endpoint}: permission denied`, {
      next: "sudo usermod -aG docker $USER   (then log in again), or run it as root",
    });
  }
  if (context.engine.endpoint !== local) {
    throw new Problem(
      "ENGINE_UNREACHABLE",
      `${context.engine.endpoint}: expected an engine, got ${fault}`,
      {
        next: "docker context ls",
      },
    );
  }
  const host = observeHost();
  const install = isInstalled("dockerd") && isInstalled("docker") ? [] : planEngineInstall(host);
  const changes = [...install, planEngineStart(host)];
  const description = changes.map(
    (change) => `${change.description}: ${change.script.split("\n")[0]}`,
  );
  await context.reporter.confirm("No Docker engine answers. Do this on the host?", description);
  for (const change of changes) {
    await context.reporter.step(change.description, () =>
      changeHost(change, context.processEnvironment),
    );
  }
  await context.reporter.step("check Docker engine", () => answers(context));
}

/**
 * @throws Problem ENGINE_TOO_OLD naming both versions
 */
export async function assertVersions(context: Context): Promise<void> {
  const [found, { default: gte }, { default: coerce }] = await Promise.all([
    context.engine.versions(),
    import("semver/functions/gte.js"),
    import("semver/functions/coerce.js"),
  ]);
  for (const part of ["engine", "compose"] as const) {
    // Debian's "2.40.3-3" counts as a prerelease of 2.40.3 unless it is coerced.
    if (gte(coerce(found[part]) ?? "0.0.0", oldest[part])) continue;
    throw new Problem(
      "ENGINE_TOO_OLD",
      `expected ${part} ${oldest[part]} or later, got ${found[part]}`,
      {
        next: "https://docs.docker.com/engine/install/",
      },
    );
  }
}

async function faultOf(context: Context): Promise<string | undefined> {
  try {
    await context.engine.ping();
    return undefined;
  } catch (error) {
    if (error instanceof Problem) throw error;
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
}

async function answers(context: Context): Promise<void> {
  const started = context.now();
  while ((await faultOf(context)) !== undefined) {
    context.signal.throwIfAborted();
    if (context.now() - started > startLimitMs) {
      throw new Problem(
        "ENGINE_UNREACHABLE",
        `expected the engine within ${startLimitMs / 1000} s, got nothing`,
        {
          next: "tail /var/log/dockerd.log   (with systemd: journalctl -u docker)",
        },
      );
    }
    await sleep(100);
  }
}
