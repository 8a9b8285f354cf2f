/** Every suite that takes ports of this machine, in no order that matters. */
const suites = [
  "backends",
  "bakeGate",
  "canary",
  "strategies",
  "database",
  "delivery",
  "development",
  "doctor",
  "engineRestart",
  "exits",
  "faults",
  "grafana",
  "images",
  "killed",
  "letta",
  "localCollector",
  "newestClickHouse",
  "operations",
  "proxy",
  "pull",
  "refusals",
  "recovery",
  "registry",
  "rotate",
  "secrets",
  "security",
  "smallEngine",
  "soak",
  "fakeServer",
  "telemetry",
  "up",
  "upAgain",
  "lettaFaults",
  "firstSink",
  "lock",
  "overload",
  "size",
  "external",
  "redis",
  "adopt",
] as const;

/**
 * The first of a suite's two hundred own ports, so that suites may run side by side. All are
 * below those that Linux lends for outgoing connections (32768).
 */
export function portsOf(suite: (typeof suites)[number]): number {
  return 21_000 + 200 * suites.indexOf(suite);
}
