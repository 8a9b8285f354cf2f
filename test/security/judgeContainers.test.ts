import assert from "node:assert/strict";
import { test } from "node:test";
import { cisChecks, type DoctorContext, type Inspected } from "./cisChecks.ts";
import type { CisException } from "./cisExceptions.ts";
import { checkContainers } from "./judgeContainers.ts";

type Deep<T> = T extends readonly unknown[] | null
  ? T
  : T extends object
    ? { readonly [K in keyof T]?: Deep<T[K]> }
    : T;

const sound: Inspected = {
  Name: "/stack-server-1",
  AppArmorProfile: "docker-default",
  Config: {
    User: "1000:1000",
    Image: `sha256:${"0".repeat(64)}`,
    Healthcheck: { Test: ["CMD", "/probe"] },
    Labels: {},
  },
  HostConfig: {
    Privileged: false,
    CapAdd: null,
    CapDrop: ["ALL"],
    SecurityOpt: ["no-new-privileges:true"],
    NetworkMode: "stack_edge",
    PidMode: "",
    IpcMode: "private",
    UTSMode: "",
    UsernsMode: "",
    CgroupParent: "",
    Memory: 1 << 30,
    NanoCpus: 1e9,
    CpuShares: 0,
    PidsLimit: 64,
    ReadonlyRootfs: true,
    RestartPolicy: { Name: "on-failure", MaximumRetryCount: 5 },
    Devices: null,
    DeviceRequests: null,
    Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
    PortBindings: { "8443/tcp": [{ HostIp: "127.0.0.1", HostPort: "8443" }] },
  },
  Mounts: [
    { Type: "volume", Source: "/var/lib/docker/volumes/a", Destination: "/data", Propagation: "" },
  ],
  NetworkSettings: { Networks: { stack_edge: {} } },
};

function laidOver(base: unknown, over: unknown): unknown {
  if (typeof over !== "object" || over === null || Array.isArray(over)) return over;
  const merged = { ...(base as Record<string, unknown>) };
  for (const [key, value] of Object.entries(over)) merged[key] = laidOver(merged[key], value);
  return merged;
}

/** A sound container of the proxy, but for what is said. */
function doctorContext(over: Deep<Inspected> = {}, processes = ["caddy run"]): DoctorContext {
  const container = laidOver(sound, over) as Inspected;
  return { service: "proxy", container, processes, engine: ["apparmor", "seccomp", "selinux"] };
}

const bind = (Source: string, Propagation = "rprivate") => ({
  Mounts: [{ Type: "bind", Source, Destination: "/inside", Propagation }],
});
const host = (over: Deep<Inspected["HostConfig"]>) => doctorContext({ HostConfig: over });
const port = (name: string, HostIp: string, HostPort: string) =>
  host({ PortBindings: { [name]: [{ HostIp, HostPort }] } });

/** By the number of the check that has to find it, and no other. */
const spoilt: readonly [number: string, description: string, DoctorContext][] = [
  ["4.1", "root by name", doctorContext({ Config: { User: "root" } })],
  ["4.1", "no user", doctorContext({ Config: { User: "" } })],
  ["4.1", "root by number, with a group", doctorContext({ Config: { User: "0:0" } })],
  ["5.2", "no profile", doctorContext({ AppArmorProfile: "unconfined" })],
  ["5.3", "no labels", host({ SecurityOpt: ["no-new-privileges", "label=disable"] })],
  ["5.4", "a capability", host({ CapAdd: ["CAP_SYS_ADMIN"] })],
  ["5.4", "the usual capabilities", host({ CapDrop: null })],
  ["5.5", "all privileges", host({ Privileged: true })],
  ["5.6", "the root of the host", doctorContext(bind("/"))],
  ["5.6", "the host's settings", doctorContext(bind("/etc/ssl"))],
  ["5.7", "a way in", doctorContext({}, ["caddy run", "/usr/sbin/sshd -D"])],
  ["5.8", "port 443", port("8443/tcp", "127.0.0.1", "443")],
  ["5.9", "another port", port("2019/tcp", "127.0.0.1", "2019")],
  ["5.10", "the host's network", host({ NetworkMode: "host" })],
  ["5.11", "all of the memory", host({ Memory: 0 })],
  ["5.12", "all of the processor", host({ NanoCpus: 0 })],
  ["5.13", "a writable root", host({ ReadonlyRootfs: false })],
  ["5.14", "a port of all addresses", port("8443/tcp", "", "8443")],
  ["5.15", "endless restarts", host({ RestartPolicy: { Name: "always", MaximumRetryCount: 0 } })],
  ["5.16", "the host's processes", host({ PidMode: "host" })],
  ["5.17", "the host's shared memory", host({ IpcMode: "host" })],
  ["5.18", "a device", host({ Devices: [{ PathOnHost: "/dev/kmsg" }] })],
  ["5.18", "a graphics card", host({ DeviceRequests: [{ Driver: "any" }] })],
  ["5.19", "core dumps", host({ Ulimits: null })],
  ["5.20", "a mount that travels", doctorContext(bind("/srv/data", "rshared"))],
  ["5.21", "the host's name", host({ UTSMode: "host" })],
  ["5.22", "no seccomp", host({ SecurityOpt: ["no-new-privileges", "seccomp=unconfined"] })],
  ["5.25", "a control group", host({ CgroupParent: "/outside" })],
  ["5.26", "new privileges", host({ SecurityOpt: null })],
  ["5.27", "its health check off", doctorContext({ Config: { Healthcheck: { Test: ["NONE"] } } })],
  ["5.28", "a tag", doctorContext({ Config: { Image: "caddy:2" } })],
  ["5.29", "processes without end", host({ PidsLimit: null })],
  ["5.30", "docker0", doctorContext({ NetworkSettings: { Networks: { bridge: {} } } })],
  ["5.31", "the host's users", host({ UsernsMode: "host" })],
  ["5.32", "the engine's socket", doctorContext(bind("/srv/docker.sock"))],
];

const numbersOf = (one: DoctorContext) =>
  checkContainers([one], []).unexplained.map((line) => line.split(" ")[0]);

for (const [number, description, one] of spoilt) {
  test(`a container with ${description} fails ${number} and no other check`, () => {
    assert.deepEqual(numbersOf(one), [number]);
  });
}

test("a sound container fails nothing, and every check has a container that fails it", () => {
  assert.deepEqual(numbersOf(doctorContext()), []);
  assert.deepEqual(
    cisChecks.map((check) => check.number),
    [...new Set(spoilt.map(([number]) => number))],
  );
});

const exception: CisException = {
  check: "5.4",
  services: ["proxy"],
  finding: "adds NET_BIND_SERVICE",
  reason: "it is shown why",
};

test("an exception covers its own finding and no other, and one not found is reported", () => {
  const covered = checkContainers([host({ CapAdd: ["CAP_NET_BIND_SERVICE"] })], [exception]);
  assert.deepEqual([covered.unexplained, covered.unused], [[], []]);
  assert.match(covered.table.join("\n"), /proxy: adds NET_BIND_SERVICE \(it is shown why\)/);
  const more = checkContainers([host({ CapAdd: ["NET_BIND_SERVICE", "SYS_ADMIN"] })], [exception]);
  assert.equal(more.unexplained.length, 1);
  assert.deepEqual(more.unused, ["5.4 proxy: adds NET_BIND_SERVICE"]);
});

test("what the engine does not have is open, not passed", () => {
  const bare = { ...doctorContext({ AppArmorProfile: "" }), engine: ["seccomp"] };
  const { table, unexplained } = checkContainers([bare], []);
  assert.deepEqual(unexplained, []);
  const open = table.filter((line) => line.includes("open: this engine has no"));
  assert.deepEqual(
    open.map((line) => line.split(" ")[0]),
    ["5.2", "5.3"],
  );
});
