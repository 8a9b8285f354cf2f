import type { Engine } from "../docker/engine.ts";
import { type CheckResult, failed, passed, skipped } from "./check.ts";

/** A log file as the collector's container sees it. */
export interface LogFile {
  readonly name: string;
  readonly bytes: number;
  /** How long ago it was written to, in seconds, by that container's clock. */
  readonly age: number;
  /** Octal, such as 644. */
  readonly mode: string;
  /** "0:0", user and group. */
  readonly owner: string;
  readonly readable: boolean;
  /** How far the collector has read it; undefined where it has it not open. */
  readonly position: number | undefined;
}

/** The server's log folder, as the collector's user sees it. */
export interface LogFolder {
  readonly open: boolean;
  readonly files: readonly LogFile[];
  /** The end of the newest file. */
  readonly tail: string;
}

/** The same folder in the server's container, where it can be written to. */
const serverFolder = "/root/.letta/logs";
const tailBytes = 65_536;

/** The collector's own descriptors tell how far it is: its offsets lie in a database. */
const look = `bb="$0"; cd /var/log/letta 2>/dev/null || { echo closed; exit 0; }
echo "now $("$bb" date +%s)"
for file in Letta.log*; do
  [ -e "$file" ] || continue
  if [ -r "$file" ]; then may=1; else may=0; fi
  echo "file $file $("$bb" stat -c "%s %Y %a %u:%g" "$file") $may"
done
for try in 1 2 3 4 5 6 7 8; do
  seen="$("$bb" ls -l /proc/[0-9]*/fd 2>/dev/null | while read -r word rest; do
    case "$word $rest" in
      /proc/*:*) folder="\${word%/fd:}" ;;
      *" -> /var/log/letta/"*)
        fd="\${rest% -> *}"
        at="$("$bb" sed -n "s/^pos:[^0-9]*//p" "$folder/fdinfo/\${fd##* }" 2>/dev/null)"
        [ -z "$at" ] || echo "position \${rest##*/} $at" ;;
    esac
  done)"
  # It opens its files anew at each look of its own: one may just be closed.
  [ -z "$seen" ] || { echo "$seen"; break; }
  "$bb" sleep 0.1
done
echo tail
"$bb" tail -c ${tailBytes} Letta.log 2>/dev/null`;

/** Looks at the server's log files from inside the collector's container, as its user. */
export async function readLogFolder(container: string, engine: Engine): Promise<LogFolder> {
  const busybox = "/probe/busybox";
  const { stdout, stderr } = await engine.exec(container, [busybox, "sh", "-c", look, busybox]);
  if (!/^(?:closed|now )/.test(stdout)) {
    throw new Error(`cannot be looked at: ${`${stdout}${stderr}`.trim().slice(0, 200)}`);
  }
  return parseLogFolder(stdout);
}

/** @param text what `look` wrote */
export function parseLogFolder(text: string): LogFolder {
  const end = text.indexOf("\ntail\n");
  const lines = (end < 0 ? text : text.slice(0, end)).split("\n");
  const now = Number(lines.find((line) => line.startsWith("now "))?.slice(4));
  const positions = new Map(
    lines.flatMap((line) => {
      const [, name, at] = /^position (\S+) (\d+)$/.exec(line) ?? [];
      return name === undefined ? [] : [[name, Number(at)] as const];
    }),
  );
  const files = lines.flatMap((line): LogFile[] => {
    const [, name = "", bytes, at, mode = "", owner = "", may] =
      /^file (\S+) (\d+) (\d+) (\d+) (\S+) ([01])$/.exec(line) ?? [];
    if (name === "") return [];
    const age = Math.max(0, now - Number(at));
    const known = { name, bytes: Number(bytes), age, mode, owner, readable: may === "1" };
    return [{ ...known, position: positions.get(name) }];
  });
  return { open: lines[0] !== "closed", files, tail: end < 0 ? "" : text.slice(end + 6) };
}

export interface LogFacts {
  /** The running server's container. */
  readonly server: string | undefined;
  readonly bringUp: string;
}

/** What is behind is being read: two seconds are ten looks of the receiver. */
const readAge = 2;

/** Whether the server's log reaches the collector, and as what. */
export function checkLogFile(seen: LogFolder, { server, bringUp }: LogFacts): CheckResult {
  const who = "the collector (user 10001)";
  const inServer = (command: string) =>
    server === undefined ? bringUp : `docker exec ${server} ${command}`;
  if (!seen.open) {
    return failed(`${who} may not look into the folder`, inServer(`chmod 755 ${serverFolder}`));
  }
  const current = seen.files.find((one) => one.name === "Letta.log");
  if (current === undefined) {
    if (server === undefined) return skipped("no server runs, and none has written one", bringUp);
    return failed("the server runs and writes none", `docker logs --tail 20 ${server}`);
  }
  const closed = seen.files.find((one) => !one.readable);
  if (closed !== undefined) {
    const { name, mode, owner } = closed;
    const next = inServer(`chmod a+r ${serverFolder}/${name}`);
    return failed(`${name} has mode ${mode} and owner ${owner}: ${who} may not read it`, next);
  }
  const { bytes, age, position } = current;
  if (position !== undefined && position < bytes && age >= readAge) {
    const detail = `the collector has read ${position} of ${bytes} bytes, last written ${age} s ago`;
    return failed(`${detail}: it is behind, or refuses what it reads`, bringUp);
  }
  const { json, all } = countJson(seen.tail);
  if (all > 0 && json === 0) {
    const detail =
      "none of its last lines is JSON: they are retained, without level, time and trace";
    return failed(`${detail} (LETTA_LOGGING_JSON_LOGGING)`, bringUp);
  }
  const read = position === undefined ? "how far it is read cannot be seen" : "read to its end";
  const lines = all === 0 ? "" : `, ${json} of its last ${all} lines are JSON`;
  return passed(`${bytes} bytes, last written ${age} s ago, ${read}${lines}`);
}

/** The first line of the tail may have lost its beginning; the lines of a traceback are none. */
function countJson(tail: string): { json: number; all: number } {
  const lines = tail.split("\n").filter(Boolean);
  const whole = Buffer.byteLength(tail) < tailBytes ? lines : lines.slice(1);
  const json = whole.filter((line) => {
    try {
      return typeof JSON.parse(line) === "object";
    } catch {
      return false;
    }
  });
  return { json: json.length, all: whole.length };
}
