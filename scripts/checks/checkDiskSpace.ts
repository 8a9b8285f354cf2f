import { askClickHouse, type ClickHouseAnswer, type ClickHouseReader } from "./askClickHouse.ts";
import { failed, passed, skipped, type CheckResult } from "./runCheck.ts";

/** Whether ClickHouse's disks have free space. */
export async function checkDiskSpace(reader: ClickHouseReader, next: string): Promise<CheckResult> {
  const query = "SELECT name, free_space, total_space FROM system.disks ORDER BY name";
  return spaceFinding(await askClickHouse(reader, "default", query, {}), next);
}

/** Less is soon gone: on a large disk this much, on a small one this share. */
const leastBytes = 1024 ** 3;
const leastShare = 0.05;

/** @param answer name, free and all bytes of each disk, one a line */
export function spaceFinding({ fault, text }: ClickHouseAnswer, next: string): CheckResult {
  if (fault !== 0)
    return skipped(`ClickHouse does not tell: ${text.split("\n")[0]!.slice(0, 200)}`);
  const disks = text.split("\n").map((line) => {
    const [name = "", free, total] = line.split("\t");
    return { name, free: Number(free), total: Number(total) };
  });
  const reported = disks.map(
    ({ name, free, total }) => `${name}: ${mb(free)} of ${mb(total)} MB are free`,
  );
  const tight = disks.findIndex(
    ({ free, total }) => free < Math.min(leastBytes, leastShare * total),
  );
  if (tight < 0) return passed(reported.join(", "));
  const meanwhile = "where it has none, what comes waits in the collector's queue";
  return failed(`${reported[tight]}; ${meanwhile}`, next);
}

function mb(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
