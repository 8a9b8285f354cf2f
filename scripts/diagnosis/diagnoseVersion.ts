import { judgeVersion } from "../collector/judgeVersion.ts";
import { listSteps } from "../collector/listSteps.ts";
import { triedVersions } from "../collector/triedVersions.ts";
import { failed, passed, type Judgement } from "./diagnose.ts";

/** Whether the collector's version may be used, and what lies between it and the newest. */
export function diagnoseVersion(version: string, environment: string): Judgement {
  const [refused, ...others] = judgeVersion(version);
  if (refused !== undefined) {
    const detail = [refused, ...others].join("; ");
    return failed(detail, `npm run settings -- ${environment} --explain OTEL_VERSION`);
  }
  const { newest } = triedVersions;
  const steps = listSteps(version, newest);
  if (steps.length === 0) return passed(`${version}, the newest that was tried`);
  return passed(
    `${version}; ${steps.length} things change on the way to ${newest}`,
    steps.map(({ version: at, about, sql }) => `${at}: ${about}${sql.length > 0 ? " (SQL)" : ""}`),
  );
}
