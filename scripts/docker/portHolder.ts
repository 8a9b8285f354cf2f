import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

/** Whether an address of this host can be listened on now. */
export function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** The process that listens on a port, where /proc tells: "nginx (pid 812)". */
export function portHolder(port: number): string | undefined {
  const requested = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  const listening = "0A";
  const sockets = ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((file) =>
    attempt(() => readFileSync(file, "utf8").split("\n").slice(1), [])
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(requested) && fields[3] === listening)
      .map((fields) => `socket:[${fields[9]}]`),
  );
  if (sockets.length === 0) return undefined;
  for (const pid of attempt(() => readdirSync("/proc"), []).filter((name) => /^\d+$/.test(name))) {
    const files = attempt(() => readdirSync(`/proc/${pid}/fd`), []);
    const holds = files.some((fd) =>
      sockets.includes(attempt(() => readlinkSync(`/proc/${pid}/fd/${fd}`), "")),
    );
    if (holds) return `${readFileSync(`/proc/${pid}/comm`, "utf8").trim()} (pid ${pid})`;
  }
  return undefined;
}

/** A process may go while we look at it. */
function attempt<Result>(work: () => Result, otherwise: Result): Result {
  try {
    return work();
  } catch {
    return otherwise;
  }
}
