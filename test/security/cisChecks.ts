/** What `docker inspect` says of a container, as far as it is judged here. */
export interface Inspected {
  readonly Name: string;
  readonly AppArmorProfile: string;
  readonly Config: {
    readonly User: string;
    readonly Image: string;
    readonly Healthcheck?: { readonly Test?: readonly string[] };
    readonly Labels: Readonly<Record<string, string>>;
  };
  readonly HostConfig: {
    readonly Privileged: boolean;
    readonly CapAdd: readonly string[] | null;
    readonly CapDrop: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
    readonly NetworkMode: string;
    readonly PidMode: string;
    readonly IpcMode: string;
    readonly UTSMode: string;
    readonly UsernsMode: string;
    readonly CgroupParent: string;
    readonly Memory: number;
    readonly NanoCpus: number;
    readonly CpuShares: number;
    readonly PidsLimit: number | null;
    readonly ReadonlyRootfs: boolean;
    readonly RestartPolicy: { readonly Name: string; readonly MaximumRetryCount: number };
    readonly Devices: readonly unknown[] | null;
    readonly DeviceRequests: readonly unknown[] | null;
    readonly Ulimits:
      | readonly { readonly Name: string; readonly Soft: number; readonly Hard: number }[]
      | null;
    readonly PortBindings: Readonly<
      Record<string, readonly { readonly HostIp: string; readonly HostPort: string }[]>
    > | null;
  };
  readonly Mounts: readonly {
    readonly Type: string;
    readonly Source: string;
    readonly Destination: string;
    readonly Propagation: string;
  }[];
  readonly NetworkSettings: { readonly Networks: Readonly<Record<string, unknown>> };
}

/** A container, what runs in it, and what its engine has to offer. */
export interface DoctorContext {
  readonly service: string;
  readonly container: Inspected;
  /** Command lines, of a container that runs. */
  readonly processes: readonly string[];
  /** "seccomp", "apparmor", "selinux": what the engine names among its security options. */
  readonly engine: readonly string[];
}

export interface CisCheck {
  /** As CIS Docker 1.6 counts, and docker-bench with it. */
  readonly number: string;
  readonly name: string;
  /** What of the engine it needs to mean anything. */
  readonly needs?: string;
  /** What is wrong, in words that an exception can name; or nothing. */
  readonly judge: (doctorContext: DoctorContext) => string | undefined;
}

/** The ports that anything is published for; every other one is not needed. */
const needed: Readonly<Record<string, readonly string[]>> = {
  proxy: ["8443/tcp"],
  collector: ["4317/tcp", "4318/tcp", "8888/tcp", "13133/tcp"],
};

const loopback = ["127.0.0.1", "::1"];
const sensitive = /^\/($|(boot|dev|etc|lib|proc|root|run|sys|usr|var\/run)(\/|$))/;

const found = (isWrong: boolean, words: string) => (isWrong ? words : undefined);
const option = ({ container }: DoctorContext, words: RegExp) =>
  container.HostConfig.SecurityOpt?.find((one) => words.test(one));

function bindings({ container }: DoctorContext) {
  return Object.entries(container.HostConfig.PortBindings ?? {}).flatMap(([port, hosts]) =>
    hosts.map((host) => ({ port, address: host.HostIp, published: Number(host.HostPort) })),
  );
}

/** A check that one key of HostConfig has none of these values. */
function notHost(
  number: string,
  key: "NetworkMode" | "PidMode" | "IpcMode" | "UTSMode" | "UsernsMode",
) {
  return {
    number,
    name: `the host's ${key.replace("Mode", "").toLowerCase()} namespace is not shared`,
    judge: ({ container }: DoctorContext) =>
      found(container.HostConfig[key] === "host", "the host's"),
  };
}

/** The container checks of CIS Docker 1.6, the image's own about users and pins among them. */
export const cisChecks: readonly CisCheck[] = [
  {
    number: "4.1",
    name: "a user other than root",
    judge: ({ container }) => found(/^(0|root)?(:|$)/.test(container.Config.User), "root"),
  },
  {
    number: "5.2",
    name: "an AppArmor profile",
    needs: "apparmor",
    judge: (doctorContext) => {
      const off = option(doctorContext, /^apparmor[=:]unconfined/);
      const profile = doctorContext.container.AppArmorProfile;
      const isMissing =
        doctorContext.engine.includes("apparmor") && /^(unconfined)?$/.test(profile);
      return off ?? found(isMissing, "no profile");
    },
  },
  {
    number: "5.3",
    name: "SELinux not turned off",
    needs: "selinux",
    judge: (doctorContext) => option(doctorContext, /^label[=:]disable/),
  },
  {
    number: "5.4",
    name: "no capability but those needed",
    judge: ({ container: { HostConfig } }) => {
      const added = (HostConfig.CapAdd ?? []).map((one) => one.replace("CAP_", "")).sort();
      if (!HostConfig.CapDrop?.includes("ALL")) return "not all dropped";
      return found(added.length > 0, `adds ${added.join(" ")}`);
    },
  },
  {
    number: "5.5",
    name: "not privileged",
    judge: ({ container }) => found(container.HostConfig.Privileged, "privileged"),
  },
  {
    number: "5.6",
    name: "no sensitive directory of the host",
    judge: ({ container }) =>
      container.Mounts.find((one) => one.Type === "bind" && sensitive.test(one.Source))?.Source,
  },
  {
    number: "5.7",
    name: "no sshd",
    judge: ({ processes }) => processes.find((one) => /\b(sshd|dropbear)\b/.test(one)),
  },
  {
    number: "5.8",
    name: "no privileged port of the host",
    judge: (doctorContext) => {
      const low = bindings(doctorContext).find((one) => one.published < 1024);
      return low && String(low.published);
    },
  },
  {
    number: "5.9",
    name: "needed ports only",
    judge: (doctorContext) =>
      bindings(doctorContext).find((one) => !needed[doctorContext.service]?.includes(one.port))
        ?.port,
  },
  notHost("5.10", "NetworkMode"),
  {
    number: "5.11",
    name: "memory limited",
    judge: ({ container }) => found(container.HostConfig.Memory <= 0, "not limited"),
  },
  {
    number: "5.12",
    name: "share of the processor set",
    judge: ({ container: { HostConfig } }) =>
      found(HostConfig.NanoCpus <= 0 && HostConfig.CpuShares <= 0, "not set"),
  },
  {
    number: "5.13",
    name: "root read-only",
    judge: ({ container }) => found(!container.HostConfig.ReadonlyRootfs, "writable"),
  },
  {
    number: "5.14",
    name: "ports bound to one address",
    judge: (doctorContext) => {
      const open = bindings(doctorContext).find((one) => !loopback.includes(one.address));
      return open && `${open.port} on ${open.address || "all addresses"}`;
    },
  },
  {
    number: "5.15",
    name: "restarted on failure, five times",
    judge: ({ container }) => {
      const { Name, MaximumRetryCount } = container.HostConfig.RestartPolicy;
      const isBounded = Name === "on-failure" && MaximumRetryCount > 0 && MaximumRetryCount <= 5;
      return found(!isBounded && Name !== "no" && Name !== "", Name);
    },
  },
  notHost("5.16", "PidMode"),
  notHost("5.17", "IpcMode"),
  {
    number: "5.18",
    name: "no device of the host",
    judge: ({ container: { HostConfig } }) =>
      found(
        [HostConfig.Devices, HostConfig.DeviceRequests].some((one) => one?.length),
        "devices",
      ),
  },
  {
    number: "5.19",
    name: "limits of its own: no core dump",
    judge: ({ container }) => {
      const core = container.HostConfig.Ulimits?.find((one) => one.Name === "core");
      return found(core?.Hard !== 0, "core dumps as the engine has them");
    },
  },
  {
    number: "5.20",
    name: "mounts not propagated",
    judge: ({ container }) =>
      container.Mounts.find((one) => one.Propagation.includes("shared"))?.Destination,
  },
  notHost("5.21", "UTSMode"),
  {
    number: "5.22",
    name: "seccomp as the engine has it",
    needs: "seccomp",
    judge: (doctorContext) => option(doctorContext, /^seccomp/),
  },
  {
    number: "5.25",
    name: "control group as the engine has it",
    judge: ({ container }) => container.HostConfig.CgroupParent || undefined,
  },
  {
    number: "5.26",
    name: "no new privileges",
    judge: (doctorContext) =>
      found(!option(doctorContext, /^no-new-privileges(:true)?$/), "allowed"),
  },
  {
    number: "5.27",
    name: "health checked (4.6)",
    judge: ({ container }) => {
      const test = container.Config.Healthcheck?.Test ?? [];
      return found(test.length === 0 || test[0] === "NONE", "no health check");
    },
  },
  {
    number: "5.28",
    name: "image pinned by digest (4.5)",
    judge: ({ container: { Config } }) =>
      found(!/(^|@)sha256:[0-9a-f]{64}$/.test(Config.Image), Config.Image),
  },
  {
    number: "5.29",
    name: "number of processes limited",
    judge: ({ container }) => found((container.HostConfig.PidsLimit ?? 0) <= 0, "not limited"),
  },
  {
    number: "5.30",
    name: "not on the engine's own bridge",
    judge: ({ container }) => found("bridge" in container.NetworkSettings.Networks, "docker0"),
  },
  notHost("5.31", "UsernsMode"),
  {
    number: "5.32",
    name: "no socket of the engine",
    judge: ({ container }) =>
      container.Mounts.map((one) => `${one.Source} ${one.Destination}`).find((one) =>
        /(docker|containerd|podman|crio)\.sock/.test(one),
      ),
  },
];
