import type { Stack } from "../stack/renderStack.ts";
import type { Context } from "../state/context.ts";

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
      : "what waited in it is lost to its sink";
    context.reporter.note(
      `${collector}: ${name} of its queue cannot be read and was moved aside (${bytes} bytes): ${lost}`,
    );
  }
  return moved.length > 0;
}
