/** A finding that is let stand, and why. One that is found no more has to go from here. */
export interface CisException {
  readonly check: string;
  readonly services: readonly string[];
  /** The check's own words: another finding of the same check is no exception. */
  readonly finding: string;
  readonly reason: string;
}

const everlasting = ["postgres", "collector", "redis", "server", "proxy"];
const jobs = ["migrate", "permissions", "proxy-settings"];

/** Every exception from the checks in cisChecks.ts. */
export const cisExceptions: readonly CisException[] = [
  {
    check: "4.1",
    services: ["server", "migrate"],
    finding: "root",
    reason: "Letta's image is made for root: its home and its data are /root; it has no capability",
  },
  {
    check: "4.1",
    services: ["postgres"],
    finding: "root",
    reason: "its entrypoint hands the data directory to postgres, and goes on as postgres",
  },
  {
    check: "4.1",
    services: ["proxy"],
    finding: "root",
    reason: "its certificates lie in volumes that its image gives to root",
  },
  {
    check: "4.1",
    services: ["permissions", "proxy-settings"],
    finding: "root",
    reason: "jobs that write into volumes of root's, without a network",
  },
  {
    check: "5.4",
    services: ["postgres"],
    finding: "adds CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID",
    reason: "to hand over the data directory, become postgres, and pass the stop signal on to it",
  },
  {
    check: "5.4",
    services: ["permissions"],
    finding: "adds CHOWN DAC_OVERRIDE FOWNER",
    reason: "to give volumes to the users of other services is what it is for",
  },
  {
    check: "5.4",
    services: ["proxy"],
    finding: "adds NET_BIND_SERVICE",
    reason: "the official binary carries it and does not start without",
  },
  {
    check: "5.13",
    services: ["postgres", "collector", "proxy-settings"],
    finding: "writable",
    reason:
      "Compose copies secrets and configuration in, and refuses to where the root is read-only",
  },
  {
    check: "5.14",
    services: ["proxy"],
    finding: "8443/tcp on 0.0.0.0",
    reason: "the only public port: TLS, and the server behind it asks for its password",
  },
  {
    check: "5.15",
    services: everlasting,
    finding: "unless-stopped",
    reason:
      "comes back after a reboot, which on-failure would not; restarts are seen by the verification",
  },
  {
    check: "5.27",
    services: jobs,
    finding: "no health check",
    reason: "a job that ends; its exit code is waited for",
  },
];
