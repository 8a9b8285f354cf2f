import type { Route } from "../collector/readDelivery.ts";
import type { Tools } from "./check.ts";
import { explainExporter } from "./explainExporter.ts";

/** Other parts may say much between two tries of an exporter: this holds what came last. */
const lines = 1000;
const longest = 300;
/** An exporter that tries again waits half a minute at most: what is older is of another trouble. */
const beforeMs = 60_000;

/**
 * Why an exporter does not deliver, by the last the collector said of it, without secrets.
 * @param route its own signal's lines come before those of others
 * @param sinceMs when the proof began, in milliseconds since 1970
 * @returns undefined where it said nothing of the kind
 */
export async function exporterWords(
  { exporter, signal }: Route,
  container: string,
  sinceMs: number,
  { engine, redact }: Pick<Tools, "engine" | "redact">,
): Promise<string | undefined> {
  const said = (await engine.tail(container, lines)).split("\n").reverse();
  const troubles = said.flatMap((line) => explainExporter([line]));
  const about = troubles.filter(
    (one) =>
      (one.exporter === exporter || one.exporter === "") &&
      // A line without a time is of a collector that could not start: that is never too old.
      !(Date.parse(one.at) < sinceMs - beforeMs),
  );
  const last = about.find((one) => one.signals.includes(signal)) ?? about[0];
  if (last === undefined) return undefined;
  return `${last.cause}: ${last.meaning} (${redact(last.said).replaceAll(/\s+/g, " ").slice(0, longest)})`;
}
