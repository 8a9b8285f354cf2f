import type { Engine } from "../docker/engine.ts";
import { failed, passed, type CheckResult } from "./runCheck.ts";

/** A file in the queue's directory. */
export interface QueueFile {
  readonly name: string;
  readonly bytes: number;
  /** Whether its beginning is that of a queue file. */
  readonly whole: boolean;
}

/** Where the collector keeps what waits, as its user sees it. */
export interface QueueFolder {
  readonly there: boolean;
  readonly writable: boolean;
  readonly mode: string;
  readonly owner: string;
  readonly freeKb: number;
  readonly usedPercent: number;
  readonly files: readonly QueueFile[];
}

/** As otel/queue.yaml says. */
const folder = "/var/lib/otelcol/queue";

/** bbolt's magic number stands at byte 16 of a file's first page (its db.go). */
const look = `bb="$0"; [ -d ${folder} ] || { echo none; exit 0; }
if [ -w ${folder} ] && [ -x ${folder} ]; then may=1; else may=0; fi
echo "folder $("$bb" stat -c "%a %u:%g" ${folder}) $may"
echo "disk $("$bb" df -k ${folder} | "$bb" tail -n 1)"
cd ${folder} 2>/dev/null || exit 0
for file in *; do
  [ -f "$file" ] || continue
  magic="$("$bb" dd if="$file" bs=1 skip=16 count=4 2>/dev/null | "$bb" od -An -tx4)"
  echo "file $file $("$bb" stat -c %s "$file") $magic"
done`;

/** Looks at the queue from inside the collector's container, as its user. */
export async function readQueueFolder(container: string, engine: Engine): Promise<QueueFolder> {
  const busybox = "/probe/busybox";
  const { stdout, stderr } = await engine.exec(container, [busybox, "sh", "-c", look, busybox]);
  if (!/^(?:none|folder )/.test(stdout)) {
    throw new Error(`cannot be looked at: ${`${stdout}${stderr}`.trim().slice(0, 200)}`);
  }
  return parseQueueFolder(stdout);
}

/** @param text what `look` wrote */
export function parseQueueFolder(text: string): QueueFolder {
  const [, mode = "", owner = "", may] = /^folder (\d+) (\S+) ([01])$/m.exec(text) ?? [];
  const [, free, used] = /^disk .* (\d+)\s+(\d+)%/m.exec(text) ?? [];
  const files = [...text.matchAll(/^file (\S+) (\d+) *(\S*)$/gm)].map(
    ([, name = "", bytes, magic]) => ({
      name,
      bytes: Number(bytes),
      whole: magic === "ed0cdaed",
    }),
  );
  return {
    there: !text.startsWith("none"),
    writable: may === "1",
    mode,
    owner,
    freeKb: Number(free ?? Number.NaN),
    usedPercent: Number(used ?? Number.NaN),
    files,
  };
}

/** One file for each component, named after it; "_" is a compaction's, gone after it. */
const ours = /^(?:exporter|receiver|processor|connector|extension)_[^.]*$/;
const leastFreeKb = 512 * 1024;

/** How full an exporter's queue is, in batches. */
export interface QueueFill {
  readonly exporter: string;
  readonly size: number;
  readonly capacity: number;
}

/** Above it an alert would come: what is lost when it is full. */
const fullShare = 0.6;

/** Whether the queue can take what waits, and still has all that it took. */
export function checkExporterQueue(
  seen: QueueFolder,
  fills: readonly QueueFill[],
  next: { readonly bringUp: string; readonly verify: string },
): CheckResult {
  const user = "the collector (user 10001)";
  if (!seen.there) return failed(`${folder} is not there: nothing can be stored`, next.bringUp);
  if (!seen.writable) {
    const rights = `${folder} has mode ${seen.mode} and owner ${seen.owner}`;
    return failed(`${rights}: ${user} cannot write to it`, next.bringUp);
  }
  const damaged = seen.files.filter((one) => ours.test(one.name) && !one.whole);
  if (damaged.length > 0) {
    const names = damaged.map((one) => one.name).join(", ");
    return failed(`${names}: damaged, the collector may not start again with it`, next.bringUp);
  }
  const quarantined = seen.files.filter(
    (one) => !ours.test(one.name) && /^(?:exporter|receiver)_/.test(one.name),
  );
  if (quarantined.length > 0) {
    const names = quarantined.map((one) => `${one.name} (${one.bytes} bytes)`).join(", ");
    return failed(`moved aside as damaged, what waited in it is lost: ${names}`, next.verify);
  }
  if (seen.freeKb === 0) {
    return failed("its disk is full: new data does not fit and is lost", "docker system df");
  }
  if (seen.freeKb < leastFreeKb) {
    const free = `${Math.round(seen.freeKb / 1024)} MB free (${seen.usedPercent} % used)`;
    return failed(`${free}: the queue will soon not fit`, "docker system df");
  }
  const full = fills.filter((one) => one.capacity > 0 && one.size / one.capacity > fullShare);
  const reported = ({ exporter, size, capacity }: QueueFill) =>
    `${exporter} ${size} of ${capacity}`;
  if (full.length > 0) {
    return failed(
      `nearly full: ${full.map(reported).join(", ")} batches; its sink takes less than comes`,
      next.verify,
    );
  }
  const bytes = seen.files.reduce((sum, one) => sum + one.bytes, 0);
  const waits = fills.filter((one) => one.size > 0).map(reported);
  const size = `${seen.files.length} files, ${Math.round(bytes / 1024)} KB`;
  return passed(
    `${size}, ${waits.length === 0 ? "nothing waits" : `${waits.join(", ")} batches wait`}`,
  );
}
