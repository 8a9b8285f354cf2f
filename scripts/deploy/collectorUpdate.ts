import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { askClickHouse } from "../checks/askClickHouse.ts";
import { collectorClient } from "../checks/collectorClient.ts";
import { scrape } from "../checks/watchRoutes.ts";
import { Problem } from "../common/problem.ts";
import { durationMs } from "../common/units.ts";
import type { ObservedContainer } from "../docker/engine.ts";
import type { Settings } from "../settings/readSettings.ts";
import { readDelivery } from "../stack/readDelivery.ts";
import type { Reload } from "../stack/readServices.ts";
import type { Stack } from "../stack/renderStack.ts";
import { migrateRetention, migrateTables } from "../stack/versionSteps.ts";
import type { Context } from "../state/context.ts";

const pollMs = 250;
const busybox = "/probe/busybox";
const queue = "/var/lib/otelcol/queue";

/** Copies the queue next to itself, completely or not at all; what an earlier copy held goes. */
const copy = `[ -d ${queue} ] || exit 0
"$0" rm -rf ${queue}.copying && "$0" cp -a ${queue} ${queue}.copying || exit 1
"$0" rm -rf ${queue}.before && "$0" mv ${queue}.copying ${queue}.before`;

/**
 * Before another version of the collector takes over its queue's files: waits until nothing
 * waits in them, and keeps a copy, for the case that the other version cannot read them.
 * @param limitSeconds how long its sinks have to take what waits
 * @param insists false where telemetry does not count: what still waits is left to the other version
 * @throws Problem STEP_FAILED where something still waits and that matters
 */
export async function drainCollector(
  collector: ObservedContainer,
  limitSeconds: number,
  insists: boolean,
  context: Context,
): Promise<void> {
  const client = collectorClient(collector.service, new Map(), collector, context.engine);
  const { stdout: configuration } = await context.engine.exec(collector.id, [
    busybox,
    "cat",
    "/etc/otelcol-contrib/config.yaml",
  ]);
  const { routes } = readDelivery(configuration);
  const waiting = async () => {
    const metrics = await scrape(client);
    return routes
      .map((one) => ({ ...one, queued: metrics.exported(one.exporter, one.signal).queued }))
      .filter((one) => one.queued > 0);
  };
  await context.reporter.step("drain collector queue", async (report) => {
    const started = context.now();
    for (;;) {
      context.signal.throwIfAborted();
      const left = await waiting();
      if (left.length === 0) break;
      const reported = left.map((one) => `${one.exporter} ${one.signal}: ${one.queued}`).join(", ");
      if (context.now() - started > limitSeconds * 1000) {
        if (!insists) break;
        throw new Problem(
          "STEP_FAILED",
          "the collector's queue does not drain: its backend is unreachable",
          {
            details: [`batches that wait: ${reported}`],
            next: "npm run doctor, and again when the sink takes data",
          },
        );
      }
      report(reported);
      await sleep(pollMs);
    }
    const { code, stderr } = await context.engine.exec(collector.id, [
      busybox,
      "sh",
      "-c",
      copy,
      busybox,
    ]);
    if (code !== 0) {
      throw new Problem("STEP_FAILED", "the collector's queue could not be copied", {
        details: [stderr.trim()],
      });
    }
  });
}

/** What the collector writes when it cannot read a file of its queue (bbolt's and its own words). */
const damaged = /panic:|invalid database|bbolt|checksum error|version mismatch|file_storage/i;

/** A file that was begun on a full disk looks damaged too, and is empty. */
const noSpace = /no space left on device/i;

/**
 * Moves aside the files that are no database any more (bbolt's magic number stands at byte 16);
 * where all look whole and the collector panics over them nevertheless, all of them.
 */
const script = `cd /telemetry/queue || exit 0
look() {
  for file in exporter_* receiver_*; do
    case "$file" in *.*|*"*"*) continue;; esac
    magic="$(/bin/busybox dd if="$file" bs=1 skip=16 count=4 2>/dev/null | /bin/busybox od -An -tx4)"
    [ "$magic" = " ed0cdaed" ] && [ "$1" != all ] && continue
    /bin/busybox mv "$file" "$file.damaged-$(/bin/busybox date +%s)" && echo "file $file $(/bin/busybox stat -c %s "$file".damaged-* | /bin/busybox tail -n 1)"
  done
}
found="$(look)"
[ -n "$found" ] || { [ "$0" = panic ] && found="$(look all)"; }
echo "$found"`;

/**
 * Where a collector does not start because of its queue's files: moves aside what it cannot read,
 * under a name that says so. What waited there is lost to the sinks, and is said to be.
 * @param collector the service, "collector" or "collector-2"
 * @param id its container
 * @returns whether anything was moved, so that it is worth another try
 */
export async function quarantineQueue(
  stack: Stack,
  collector: string,
  id: string,
  context: Context,
): Promise<boolean> {
  const words = await context.engine.tail(id, 60);
  if (!damaged.test(words) || noSpace.test(words)) return false;
  const permissions = stack.services.find((one) => one.name === "permissions");
  if (permissions === undefined) return false;
  const volume = `${stack.project}_${collector.replace("collector", "telemetry")}`;
  let moved: readonly string[][] = [];
  await context.engine.stop(id, 1);
  try {
    const { stdout } = await context.engine.run({
      image: permissions.image,
      entrypoint: ["/bin/busybox", "sh", "-c", script, /panic:/.test(words) ? "panic" : "quiet"],
      user: "10001:10001",
      volumes: { [volume]: "/telemetry" },
    });
    moved = [...stdout.matchAll(/^file (\S+) (\d+)$/gm)];
  } finally {
    // It was stopped for the look alone: a run that goes on without it leaves it retrying.
    if (moved.length === 0) await context.engine.start(id);
  }
  for (const [, name = "", bytes] of moved) {
    const lost = name.startsWith("receiver_")
      ? "the log file is read from its beginning once more"
      : "its queued telemetry is lost";
    context.reporter.note(
      `${collector}: ${name} of its queue is unreadable and was moved aside (${bytes} bytes): ${lost}`,
    );
  }
  return moved.length > 0;
}

/** No such table or database: the exporter makes it as it wants it. */
const notYet = [60, 81];

/**
 * Brings the tables of a bundled ClickHouse to what the collector that is about to start needs,
 * and their rows to the age that is set. One outside is its owner's: the plan tells the SQL.
 * @throws Problem STEP_FAILED with ClickHouse's own words
 */
export async function ensureTables(settings: Settings, context: Context): Promise<void> {
  if (settings.get("CLICKHOUSE_MODE") !== "bundled") return;
  const reader = {
    url: `http://127.0.0.1:${settings.get("CLICKHOUSE_PUBLISH_PORT")}`,
    user: "admin",
    password: settings.get("CLICKHOUSE_ADMIN_PASSWORD"),
    caCertificate: undefined,
    connect: undefined,
  };
  const database = settings.get("CLICKHOUSE_DATABASE");
  const ask = async (query: string) => {
    const { text, fault } = await askClickHouse(reader, database, query, { database });
    if (fault === 0) return text;
    if (notYet.includes(fault)) return "";
    throw new Problem(
      "STEP_FAILED",
      "ClickHouse's tables could not be migrated for the collector",
      {
        details: [query, text.split("\n")[0]!.slice(0, 300)],
        next: `npm run logs -- ${settings.environment} clickhouse`,
      },
    );
  };
  const tables = await ask(
    "SELECT name, create_table_query FROM system.tables WHERE database = {database:String} AND name LIKE 'otel%' AND engine LIKE '%MergeTree' ORDER BY name FORMAT JSONEachRow",
  );
  if (tables === "") return;
  await context.reporter.step("update telemetry tables", async () => {
    for (const statement of migrateTables(settings.get("OTEL_VERSION"))) await ask(statement);
    const seconds = Math.round(durationMs(settings.get("CLICKHOUSE_TTL")) / 1000);
    for (const line of tables.split("\n")) {
      const { name, create_table_query: create } = JSON.parse(line) as Record<string, string>;
      const statement = migrateRetention(name!, create!, seconds);
      if (statement !== undefined) await ask(statement);
    }
  });
}

/**
 * A part takes up a configuration that was laid out anew, and stays. Connections that come while
 * it does are paused by a relay; where that cannot run the service reads its configuration all
 * the same, may reset a request of that instant, and a note says so.
 * @throws Problem STEP_FAILED where the service refuses it; it goes on with what it had then
 */
export async function reloadService(
  name: string,
  id: string,
  reload: Reload,
  stack: Stack,
  context: Context,
): Promise<void> {
  const [{ code, stdout, stderr }] = await Promise.all([
    context.engine.exec(id, reload.command),
    relayed(id, reload, stack, context).catch(() => undefined),
  ]);
  if (reload.relay !== undefined && stdout.trim() !== "")
    context.reporter.note(`${name}: ${stdout.trim()}`);
  if (code === 0) return;
  throw new Problem("STEP_FAILED", `${name} rejected its new configuration`, {
    details: stderr.trim().split("\n").slice(-3),
    next: `npm run logs -- ${stack.environment} ${name}`,
  });
}

/**
 * Starts compose/relay.py in a service's network, from the server's image, the only one that is there and
 * has Python. It goes on by itself until the last connection that it took has ended.
 */
async function relayed(
  id: string,
  { relay }: Reload,
  stack: Stack,
  context: Context,
): Promise<void> {
  if (relay === undefined) return;
  const server = stack.services.find((one) => one.name === stack.server.service)!;
  const script = readFileSync(join(import.meta.dirname, "../../compose/relay.py"), "utf8");
  const { port, control } = relay;
  await context.engine.detach({
    image: server.image,
    entrypoint: ["python3", "-c", script, port, control],
    network: `container:${id}`,
    user: "0:0", // only the service's own user may listen next to it
  });
}

/**
 * Whether a rollout may fail by its telemetry alone. A fast rollback does not wait for a sink, or
 * for a collector: the server that is needed now comes without them.
 */
export function telemetryCounts(settings: Settings, fast: boolean): boolean {
  return !fast && settings.get("TELEMETRY_REQUIRED") === "true";
}
