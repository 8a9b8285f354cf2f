import { isMap, type ValueMap } from "./mergeSources.ts";
import type { Stack } from "./renderStack.ts";

interface Rule {
  readonly description: string;
  /** What is wrong with the service, or nothing. */
  readonly judge: (service: ValueMap, name: string, stack: Stack) => string | undefined;
}

const isJob = (service: ValueMap) => service["restart"] === "no";

/** A tag that cannot mean another image tomorrow without anybody noticing, or a digest. */
const pinned = /((?<!@sha256):(?!latest$)[\w][\w.-]*|@sha256:[0-9a-f]{64}|^sha256:[0-9a-f]{64})$/;

/** What ties a container to its host; a service that is without has a namespace of its own. */
const isolating = [
  "privileged",
  "pid",
  "ipc",
  "uts",
  "userns_mode",
  "cgroup",
  "cgroup_parent",
  "devices",
  "gpus",
];

const rules: readonly Rule[] = [
  {
    description: "image",
    judge: (service) => {
      const image = String(service["image"]);
      return pinned.test(image)
        ? undefined
        : `expected a tag other than latest or a digest, got ${image}`;
    },
  },
  {
    description: "healthcheck",
    judge: (service) =>
      isJob(service) || isMap(service["healthcheck"])
        ? undefined
        : "expected a health check, got none",
  },
  {
    description: "cpus",
    judge: (service) =>
      "cpus" in service || "cpu_shares" in service ? undefined : "expected to be set, got nothing",
  },
  ...["mem_limit", "pids_limit", "stop_grace_period", "restart"].map((key) => ({
    description: key,
    judge: (service: ValueMap) => (key in service ? undefined : "expected to be set, got nothing"),
  })),
  {
    description: "init",
    judge: (service) => (service["init"] === true ? undefined : "expected true"),
  },
  {
    description: "logging",
    judge: (service) => {
      const options = isMap(service["logging"]) ? service["logging"]["options"] : undefined;
      return isMap(options) && "max-size" in options && "max-file" in options
        ? undefined
        : "expected rotation (max-size, max-file)";
    },
  },
  {
    description: "cap_drop",
    judge: (service) =>
      JSON.stringify(service["cap_drop"]) === '["ALL"]' ? undefined : "expected [ALL]",
  },
  {
    description: "security_opt",
    judge: (service) => {
      const options = JSON.stringify(service["security_opt"]) ?? "";
      if (!options.includes("no-new-privileges:true")) return "expected no-new-privileges:true";
      return /unconfined|label[:=]disable/.test(options)
        ? "expected the engine's own seccomp, AppArmor and SELinux"
        : undefined;
    },
  },
  {
    // A core dump would write the secrets in a process's memory into a file.
    description: "ulimits",
    judge: (service) => {
      const limits = service["ulimits"];
      return isMap(limits) && limits["core"] === 0 ? undefined : "expected core: 0";
    },
  },
  {
    description: "networks",
    judge: (service) =>
      (isMap(service["networks"]) && Object.keys(service["networks"]).length > 0) ||
      service["network_mode"] === "none"
        ? undefined
        : "expected named networks or network_mode: none",
  },
  {
    description: "ports",
    judge: (_service, name, stack) => {
      const ports = stack.services.find((one) => one.name === name)?.ports ?? [];
      const open = ports.find((port) => port.host !== "127.0.0.1" && name !== "proxy");
      return open ? `expected 127.0.0.1, got ${open.host} for ${open.published}` : undefined;
    },
  },
  {
    description: "isolation",
    judge: (service) => {
      const shared = isolating.find((key) => key in service);
      return shared === undefined ? undefined : `expected no ${shared}`;
    },
  },
  {
    description: "volumes",
    judge: (service) =>
      /(docker|containerd|podman)\.sock/.test(JSON.stringify(service["volumes"] ?? []))
        ? "expected no engine socket"
        : undefined,
  },
];

/**
 * The rules for a rendered stack, and that the migration runs with exactly the
 * server's environment.
 * @returns one line for each breach: `services.<name>.<key>: expected …, got …`
 */
export function checkStackRules(stack: Stack): string[] {
  const services = Object.entries(stack.model["services"] as ValueMap);
  const faults = services.flatMap(([name, service]) =>
    rules.flatMap((rule) => {
      const fault = isMap(service) ? rule.judge(service, name, stack) : "expected a map";
      return fault === undefined ? [] : [`services.${name}.${rule.description}: ${fault}`];
    }),
  );
  const find = (name: string) => stack.services.find((one) => one.name === name);
  const server = JSON.stringify(find(stack.server.service)?.environment);
  if (JSON.stringify(find(stack.server.migrate)?.environment) !== server) {
    faults.push(`services.${stack.server.migrate}.environment: expected the server's, got another`);
  }
  return faults;
}
