import { satisfies, valid } from "semver";
import { failed, passed, skipped, type Judgement } from "./diagnose.ts";

/** Who reaches the parts of a stack, as its rendered form has it. */
export interface Exposure {
  /** Addresses of this host at which each service is published. */
  readonly publishedAt: (service: string) => readonly string[];
  readonly asksForPassword: boolean;
}

interface Advisory {
  readonly id: string;
  readonly of: "collector" | "server";
  /** The versions that have it, as semver writes ranges. */
  readonly affects: string;
  readonly about: string;
  readonly source: string;
  /** Who would have to reach it: decides what keeps it harmless here. */
  readonly reachedBy: "anyone" | "user";
  /** What helps beside that. */
  readonly also?: string;
}

/** What is known of the versions this project is used with, and is not closed in them. */
const advisories: readonly Advisory[] = [
  {
    id: "CVE-2024-36129",
    of: "collector",
    affects: "<0.102.1",
    about: "a small compressed request fills its memory",
    source: "GHSA-c74f-6mfw-mm4v",
    reachedBy: "anyone",
    also: "its container's memory is limited, and it is started again",
  },
  {
    id: "CVE-2023-45288",
    of: "collector",
    affects: "<0.98.0",
    about: "endless HTTP/2 headers keep it busy (golang.org/x/net before 0.23.0)",
    source: "GO-2024-2687; go.mod of config/confighttp: 0.22.0 at 0.97.0, 0.24.0 at 0.98.0",
    reachedBy: "anyone",
    also: "its container's CPUs are limited",
  },
  {
    id: "CVE-2025-51482",
    of: "server",
    affects: ">=0.7.12",
    about: "POST /v1/tools/run runs whatever code it is sent; no release closes it",
    source: "GHSA-2pgv-8585-494w, letta-ai/letta#2630",
    reachedBy: "anyone",
    also: "its container has no capabilities and a root that cannot be written to",
  },
  {
    id: "CVE-2026-4964",
    of: "server",
    affects: ">=0.16.4",
    about: "a picture's URL in a message makes it ask addresses of its own network",
    source: "NVD, which names 0.16.4 and no release without it",
    reachedBy: "user",
  },
  {
    id: "CVE-2026-4965",
    of: "server",
    affects: ">=0.16.4",
    about: "resolve_type evaluates what it is given (CVE-2025-6101, closed in part)",
    source: "NVD, which names 0.16.4 and no release without it",
    reachedBy: "user",
  },
];

const loopback = /^(?:127\.|::1$|localhost$)/;

/**
 * Known faults of a part's version, and whether something here keeps each of them harmless: only
 * this host reaches the part, or nobody without the password does.
 */
export function diagnoseAdvisories(
  of: "collector" | "server",
  version: string,
  { publishedAt, asksForPassword }: Exposure,
  next: string,
): Judgement {
  if (valid(version) === null) return skipped(`${version} is no version that advisories are about`);
  const known = advisories.filter((one) => one.of === of && satisfies(version, one.affects));
  if (known.length === 0) return passed(`none is known of ${version}`);
  const doors = [...publishedAt(of), ...(of === "server" ? publishedAt("proxy") : [])];
  const open = doors.filter((host) => !loopback.test(host));
  const closed =
    open.length === 0
      ? "only this host reaches it"
      : of === "server" && asksForPassword
        ? "a request needs the password"
        : undefined;
  const notes = known.map((one) =>
    [
      `${one.id}: ${one.about} (${one.source})`,
      closed === undefined ? `open to ${open.join(", ")}` : `here ${closed}`,
      ...(one.also === undefined ? [] : [one.also]),
      ...(one.reachedBy === "user" ? ["whoever may use it can still do it"] : []),
    ].join("; "),
  );
  const ids = known.map((one) => one.id).join(", ");
  if (closed === undefined) {
    return failed(`${ids}, and ${open.join(", ")} is open to other hosts`, next, notes);
  }
  return passed(`${ids}; ${closed}`, notes);
}
