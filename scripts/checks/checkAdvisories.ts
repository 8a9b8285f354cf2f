import { satisfies, valid } from "semver";
import { advisories, type AdvisedService, type Advisory } from "./advisories.ts";
import { failed, passed, skipped, type Finding, type CheckResult } from "./runCheck.ts";
import { isLoopback } from "./diagnoseLoopback.ts";

/** Who reaches the parts of a stack, as its rendered form has it. */
export interface Exposure {
  /** Addresses of this host at which each service is published. */
  readonly publishedAt: (service: string) => readonly string[];
  /** Whether hosts of the same network segment reach what is published at 127.0.0.1. */
  readonly segmentReaches: boolean;
  readonly asksForPassword: boolean;
  /** Whether the collector's image is one of docker/collector, with the patches that are there. */
  readonly isQuarantined: boolean;
  /** Types of the components in the collector's configuration. */
  readonly components: readonly string[];
}

/** The services through which a part is reached. */
const clients: Record<AdvisedService, readonly string[]> = {
  collector: ["collector"],
  server: ["server", "proxy"],
  pgvector: ["postgres"],
};

/**
 * One finding for each known fault of a part's version: whether something here keeps it harmless.
 * That is so where the image was built here and patched, where only this host reaches the service,
 * where a request needs the password, or where the component that has the fault is not in use.
 * @param version "" where it is unknown
 * @param next the command to go on with where nothing keeps it harmless
 */
export function checkAdvisories(
  of: AdvisedService,
  version: string,
  exposure: Exposure,
  next: string,
): Finding[] {
  const { known, lookedUp } = advisories;
  const all = `advisories of ${of === "pgvector" ? of : `the ${of}`}`;
  if (valid(version) === null) {
    const what = version === "" ? "its version is not known yet" : `${version} is no version`;
    return [{ name: all, ...skipped(`${what}: nothing to compare with`) }];
  }
  const found = known.filter((one) => one.of === of && satisfies(version, one.affects));
  if (found.length === 0) {
    return [{ name: all, ...passed(`none is known of ${version} (looked up ${lookedUp})`) }];
  }
  return found.map((one) => ({
    name: `${one.id} (${of} ${version})`,
    ...judge(one, version, exposure, next),
  }));
}

function judge(advisory: Advisory, version: string, exposure: Exposure, next: string): CheckResult {
  const { of, description, component, also, affects, source, reachedBy } = advisory;
  const notes = [
    `versions ${affects}: ${source}`,
    ...(also === undefined ? [] : [also]),
    ...(reachedBy === "user" ? ["an authorised user can still do it"] : []),
  ];
  if (component !== undefined && !exposure.components.includes(component)) {
    return passed(`${description}; there is no ${component} in its configuration`, notes);
  }
  if (exposure.isQuarantined && version === advisory.quarantinedAt) {
    return passed(`${description}; patched in the image that is built here`, notes);
  }
  const open = clients[of].flatMap(exposure.publishedAt).filter((host) => !isLoopback(host));
  if (open.length === 0) {
    const published = clients[of].flatMap(exposure.publishedAt).length > 0;
    const far =
      published && exposure.segmentReaches ? "no host beyond its network segment" : "no other host";
    return passed(`${description}; ${far} reaches it`, notes);
  }
  if (of === "server" && exposure.asksForPassword) {
    return passed(`${description}; a request needs the password`, notes);
  }
  const where = open.map((host) => host || "all addresses").join(", ");
  return failed(`${description}; open to other hosts at ${where}`, next, notes);
}
