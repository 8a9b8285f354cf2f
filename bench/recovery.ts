import { performance } from "node:perf_hooks";
import { killAt, seenOf } from "../test/real/killAt.ts";
import { portsOf } from "../test/real/portsOf.ts";
import { fakeServerWorkspace } from "../test/real/fakeServerWorkspace.ts";
import type { Row } from "./releases.ts";

const every = 3;

/**
 * How long the same deploy takes when the one before it was killed (`kill -9`) at every third line
 * of its journal: to find out what is, take it back or go on, and end verified. Alongside it the
 * deploy that no one kills. With the fake server server, so that the figures are the tool's.
 */
export async function recovery(): Promise<Row[]> {
  const place = await fakeServerWorkspace("recovery", portsOf("recovery"));
  const good = async (entry: string, ...args: string[]) => {
    const started = performance.now();
    const { code, said } = await place.tell(entry, [...args, "--yes"]);
    if (code !== 0) throw new Error(`${entry} ${args.join(" ")}: ${JSON.stringify(said)}`);
    return (performance.now() - started) / 1000;
  };
  const deploy = (tag: string) => good("deploy", "prod", tag);
  const killed = async (tag: string, back: () => Promise<unknown>): Promise<Row> => {
    const whole = await deploy(tag);
    await back();
    const { length } = await seenOf(place, ["deploy", "prod", tag, "--yes"]);
    await back();
    const seconds: number[] = [];
    for (let line = 1; line <= length; line += every) {
      await killAt(place, ["deploy", "prod", tag, "--yes"], line);
      seconds.push(await deploy(tag));
      await back();
      process.stderr.write(`  line ${line} of ${length}: ${seconds.at(-1)!.toFixed(1)} s\n`);
    }
    const at = (share: number) =>
      seconds.toSorted((a, b) => a - b)[Math.floor(seconds.length * share)]!.toFixed(1);
    return {
      what: `1.0.0 → ${tag} again after kill -9, ${seconds.length} moments / unharmed`,
      ours: `p50 ${at(0.5)} s, p95 ${at(0.95)} s`,
      theirs: `${whole.toFixed(1)} s`,
      claim: "ends verified, each",
    };
  };
  try {
    await deploy("1.0.0");
    return [
      await killed("1.1.0", () => deploy("1.0.0")),
      await killed("2.0.0", () =>
        good("rollback", "1.0.0", "--env", "prod", "--database", "restore"),
      ),
    ];
  } finally {
    await place.remove();
  }
}
