import { cisChecks, type DoctorContext } from "./cisChecks.ts";
import type { CisException } from "./cisExceptions.ts";

export interface CheckResult {
  /** One line for each check: number, name, and how it went. */
  readonly table: readonly string[];
  /** Findings that no exception explains. */
  readonly unexplained: readonly string[];
  /** Exceptions for something that was not found. */
  readonly unused: readonly string[];
}

/** Makes every check on every container. */
export function checkContainers(
  containers: readonly DoctorContext[],
  exceptions: readonly CisException[],
): CheckResult {
  const used = new Set<string>();
  const unexplained: string[] = [];
  const table = cisChecks.map(({ number, name, needs, judge }) => {
    const found = containers.flatMap((doctorContext) => {
      const finding = judge(doctorContext);
      return finding === undefined ? [] : [{ service: doctorContext.service, finding }];
    });
    const said = found.map(({ service, finding }) => {
      const exception = exceptions.find(
        (one) => one.check === number && one.services.includes(service) && one.finding === finding,
      );
      if (exception) used.add(keyOf(number, service, finding));
      else unexplained.push(`${number} ${name}: ${service}: ${finding}`);
      return `${service}: ${finding} (${exception?.reason ?? "UNEXPLAINED"})`;
    });
    const isLacking = needs !== undefined && !containers.some((one) => one.engine.includes(needs));
    const passed = isLacking
      ? `open: this engine has no ${needs}; nothing turns it off`
      : `passed: ${containers.length - found.length} of ${containers.length}`;
    return [`${number.padEnd(5)} ${name.padEnd(44)} ${passed}`, ...said].join("\n        except ");
  });
  const unused = exceptions.flatMap((one) =>
    one.services
      .filter((service) => !used.has(keyOf(one.check, service, one.finding)))
      .map((service) => `${one.check} ${service}: ${one.finding}`),
  );
  return { table, unexplained, unused };
}

function keyOf(check: string, service: string, finding: string): string {
  return `${check} ${service} ${finding}`;
}
