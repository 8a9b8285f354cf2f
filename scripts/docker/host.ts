import { once } from "node:events";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { Problem } from "../common/problem.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export interface Host {
  /** os-release's ID and VERSION_CODENAME, or the platform's name elsewhere. */
  readonly system: string;
  readonly codename: string;
  readonly systemd: boolean;
  readonly root: boolean;
  /** The first Debian mirror that apt's own sources name. */
  readonly mirror: string | undefined;
  readonly keyring: string;
}

/** Commands that would change the host, as they are shown and as they are run. */
interface HostChange {
  readonly description: string;
  readonly script: string;
}

/** What the host is, from its own files. */
export function observeHost(): Host {
  const release = readText("/etc/os-release");
  const field = (name: string) =>
    new RegExp(`^${name}="?([^"\n]*)"?$`, "m").exec(release)?.[1] ?? "";
  return {
    system: field("ID") || process.platform,
    codename: field("VERSION_CODENAME"),
    systemd: existsSync("/run/systemd/system"),
    root: process.getuid?.() === 0,
    mirror: debianMirror("/etc/apt"),
    keyring: "/usr/share/keyrings/debian-archive-keyring.gpg",
  };
}

/**
 * What it takes to have an engine with Compose on this host.
 * @throws Problem HOST_UNSUPPORTED where a person must install it
 */
export function planEngineInstall(host: Host): HostChange[] {
  const install = "DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends";
  const own = (packages: string) => [
    {
      description: "install the Docker engine and Compose",
      script: `apt-get update -q && ${install} ${packages}`,
    },
  ];
  if (!host.root && ["debian", "ubuntu"].includes(host.system)) {
    throw unsupported(
      "expected root to install the Docker engine, got another user",
      "sudo npm run up:dev",
    );
  }
  if (host.system === "ubuntu") return own("docker.io docker-compose-v2 docker-buildx iptables");
  if (host.system === "debian" && host.codename !== "bookworm") {
    return own("docker.io docker-cli docker-compose docker-buildx iptables tini");
  }
  if (host.system === "debian" && host.mirror) {
    return [
      {
        description: "add Debian trixie and sid as sources, below the default",
        script: bookwormSources(host),
      },
      ...own(
        "docker.io/trixie docker-cli/trixie docker-compose/sid docker-buildx/sid iptables tini",
      ),
    ];
  }
  throw unsupported(
    `expected a Docker engine, or Debian or Ubuntu to install one on, got ${host.system} without`,
    "https://docs.docker.com/engine/install/",
  );
}

/** What it takes to have mmdebstrap, which makes the base image. */
export function planMmdebstrap(host: Host): HostChange {
  if (!["debian", "ubuntu"].includes(host.system)) {
    throw unsupported(
      "expected Debian or Ubuntu to build images without a registry",
      "make an image registry reachable",
    );
  }
  const script =
    "apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mmdebstrap debian-archive-keyring";
  return { description: "install mmdebstrap", script };
}

/** What it takes to start an engine that is installed. */
export function planEngineStart(host: Host): HostChange {
  return host.systemd
    ? { description: "start the Docker engine", script: "systemctl enable --now docker" }
    : {
        description: "start the Docker engine (no systemd here)",
        // Each connection to a published port takes six files of its docker-proxy, which ends for
        // good where it has none left (28.2, seen at 3,300 paused requests).
        script:
          "ulimit -H -n 524288 2>/dev/null || :; setsid nohup dockerd >>/var/log/dockerd.log 2>&1 </dev/null &",
      };
}

/**
 * Carries a change out with root's shell.
 * @throws Problem STEP_FAILED with the last lines it wrote
 */
export async function changeHost(change: HostChange, environment: Environment): Promise<void> {
  const { $ } = await import("zx");
  const env = environment as NodeJS.ProcessEnv;
  const done = await $({ env, quiet: true, nothrow: true })`sh -ec ${change.script}`;
  if (done.exitCode !== 0) {
    throw new Problem("STEP_FAILED", `could not ${change.description}`, {
      details: `${done.stdout}\n${done.stderr}`.trim().split("\n").slice(-8),
      next: "npm run doctor",
    });
  }
}

/** bookworm's own packages have no Compose 2: two later suites, pinned so that nothing else follows. */
function bookwormSources(host: Host): string {
  return `cat > /etc/apt/sources.list.d/letta-stack.sources <<'SOURCES'
Types: deb
URIs: ${host.mirror}
Suites: trixie sid
Components: main
Signed-By: ${host.keyring}
SOURCES
printf 'Package: *\\nPin: release n=trixie\\nPin-Priority: 50\\n\\nPackage: *\\nPin: release n=sid\\nPin-Priority: 40\\n' > /etc/apt/preferences.d/letta-stack`;
}

function debianMirror(folder: string): string | undefined {
  const listed = safely(() => readdirSync(join(folder, "sources.list.d"))) ?? [];
  const files = [
    join(folder, "sources.list"),
    ...listed
      .filter((name) => /\.(list|sources)$/.test(name))
      .map((name) => join(folder, "sources.list.d", name)),
  ];
  const addresses = files.flatMap(
    (file) => readText(file).match(/^[^#\n]*?(https?:\/\/\S+)/gm) ?? [],
  );
  return addresses
    .map((line) => /https?:\/\/\S+/.exec(line)![0])
    .find((address) => /\/debian\/?$/.test(address));
}

function readText(file: string): string {
  return safely(() => readFileSync(file, "utf8")) ?? "";
}

function safely<Result>(work: () => Result): Result | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

function unsupported(message: string, next: string): Problem {
  return new Problem("HOST_UNSUPPORTED", message, { next });
}

const folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];

/** Whether a program stands in one of the system's own folders. */
export function isInstalled(program: string): boolean {
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** So many ports of this machine's loopback that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const found = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) server.close();
  return found;
}
