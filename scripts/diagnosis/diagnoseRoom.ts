import {
  askClickHouse,
  type ClickHouseAnswer,
  type ClickHouseReader,
} from "../verification/askClickHouse.ts";
import { failed, passed, skipped, type Judgement } from "./diagnose.ts";

/** Whether ClickHouse's disks have room for what comes. */
export async function diagnoseRoom(reader: ClickHouseReader, next: string): Promise<Judgement> {
  const query = "SELECT name, free_space, total_space FROM system.disks ORDER BY name";
  return judgeRoom(await askClickHouse(reader, "default", query, {}), next);
}

/** Less is soon gone: on a large disk this much, on a small one this share. */
const leastBytes = 1024 ** 3;
const leastShare = 0.05;

/** @param answer name, free and all bytes of each disk, one a line */
export function judgeRoom({ fault, text }: ClickHouseAnswer, next: string): Judgement {
  if (fault !== 0)
    return skipped(`ClickHouse does not tell: ${text.split("\n")[0]!.slice(0, 200)}`);
  const disks = text.split("\n").map((line) => {
    const [name = "", free, total] = line.split("\t");
    return { name, free: Number(free), total: Number(total) };
  });
  const told = disks.map(
    ({ name, free, total }) => `${name}: ${mb(free)} of ${mb(total)} MB are free`,
  );
  const tight = disks.findIndex(
    ({ free, total }) => free < Math.min(leastBytes, leastShare * total),
  );
  if (tight < 0) return passed(told.join(", "));
  const meanwhile = "where it has none, what comes waits in the collector's queue";
  return failed(`${told[tight]}; ${meanwhile}`, next);
}

function mb(bytes: number): number {
  return Math.round(bytes / 1024 ** 2);
}
