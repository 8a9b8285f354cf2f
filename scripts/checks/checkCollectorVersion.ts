import { checkVersion } from "../stack/checkVersion.ts";
import { listSteps } from "../stack/listSteps.ts";
import { triedVersions } from "../stack/triedVersions.ts";
import { failed, passed, type CheckResult } from "./runCheck.ts";

/** Whether the collector's version may be used, and what lies between it and the newest. */
export function checkCollectorVersion(version: string, environment: string): CheckResult {
  const [refused, ...others] = checkVersion(version);
  if (refused !== undefined) {
    const detail = [refused, ...others].join("; ");
    return failed(detail, `npm run settings -- ${environment} --explain OTEL_VERSION`);
  }
  const { newest } = triedVersions;
  const steps = listSteps(version, newest);
  if (steps.length === 0) return passed(`${version}, the newest that was tried`);
  return passed(
    `${version}; ${steps.length} things change on the way to ${newest}`,
    steps.map(
      ({ version: at, description, sql }) =>
        `${at}: ${description}${sql.length > 0 ? " (SQL)" : ""}`,
    ),
  );
}
