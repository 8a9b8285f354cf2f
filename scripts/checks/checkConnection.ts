import type { Engine } from "../docker/engine.ts";
import { type CheckResult, failed, passed } from "./check.ts";

/** Where something is to be reached. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
}

/** "host:port", with https:// or http:// before it; alone it means TLS, as OTLP has it. */
export function addressOf(endpoint: string): Address {
  const { hostname, port, protocol } = new URL(
    endpoint.includes("://") ? endpoint : `https://${endpoint}`,
  );
  const tls = protocol === "https:";
  const host = hostname.replace(/^\[|\]$/g, "");
  return { host, port: Number(port || (tls ? 443 : 80)), tls };
}

const causes: readonly (readonly [code: RegExp, cause: string])[] = [
  [/ENOTFOUND|EAI_AGAIN/, "there is no host of that name"],
  [/ECONNREFUSED/, "nothing listens there"],
  [/TIMEDOUT|TIMEOUT|ABORT/i, "no answer came: a firewall swallows it, or the host is down"],
  [/EHOSTUNREACH|ENETUNREACH/, "no network of this machine leads there"],
  [/WRONG_VERSION_NUMBER|EPROTO|PACKET_LENGTH/, "it speaks no TLS: try the endpoint with http://"],
  [/ALTNAME/, "its certificate is for another name"],
  [/HAS_EXPIRED/, "its certificate is out of date"],
  [
    /SELF_SIGNED|UNABLE_TO_(VERIFY|GET)|CERT_/,
    "its certificate is signed by no known authority: OTEL_CA_FILE may name one",
  ],
  [/HPE_|Parse Error/, "it does not speak HTTP: it may want TLS (https://)"],
  [/ECONNRESET|EPIPE|socket hang up/, "it hangs up: one of the two may speak TLS, the other not"],
];

/** Why a connection did not come about, from Node's own error, for a person. */
export function explainConnection(error: unknown): string {
  const words = wordsOf(error);
  const cause = causes.find(([code]) => code.test(words))?.[1];
  return cause === undefined ? words : `${cause} (${words})`;
}

/** The innermost error has the code; a host with several addresses has one for each. */
function wordsOf(error: unknown): string {
  const { cause, code, message, name } = error as NodeJS.ErrnoException;
  if (cause !== undefined) return wordsOf(cause);
  return code === undefined || typeof code !== "string" ? message || name : code;
}

/**
 * Opens a connection and closes it; with TLS, the certificate is judged.
 * @param caCertificate a certificate (PEM) that is trusted too
 * @returns why it does not come about; undefined where it does
 */
export async function reach(
  address: Address,
  caCertificate: string | undefined,
  timeoutMs: number,
): Promise<string | undefined> {
  return connected(address, caCertificate, timeoutMs).then(() => undefined, explainConnection);
}

async function connected(
  { host, port, tls }: Address,
  caCertificate: string | undefined,
  timeoutMs: number,
): Promise<void> {
  const [{ connect, isIP }, secure] = await Promise.all([
    import("node:net"),
    tls ? import("node:tls") : undefined,
  ]);
  await new Promise<void>((resolve, reject) => {
    const trusted = caCertificate === undefined ? [] : [caCertificate];
    const socket =
      secure === undefined
        ? connect({ host, port })
        : secure.connect({
            host,
            port,
            ...(isIP(host) === 0 ? { servername: host } : {}),
            ALPNProtocols: ["h2", "http/1.1"],
            ca: [...secure.getCACertificates("default"), ...trusted],
          });
    const done = (error?: Error) => {
      socket.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const late = Object.assign(new Error(`no answer in ${timeoutMs} ms`), { code: "ETIMEDOUT" });
    socket.setTimeout(timeoutMs, () => done(late));
    socket.once("error", done);
    socket.once(secure === undefined ? "connect" : "secureConnect", () => done());
  });
}

/**
 * The same from within a container that has busybox in /probe; without TLS, which that lacks.
 * @returns why it is not reached from there; undefined where it is
 */
export async function reachFrom(
  container: string,
  { host, port }: Pick<Address, "host" | "port">,
  engine: Engine,
): Promise<string | undefined> {
  const busybox = "/probe/busybox";
  const connect = [busybox, "nc", "-w", "4", host, String(port), "-e", busybox, "true"];
  const { code, stdout, stderr } = await engine.exec(container, connect);
  if (code === 0) return undefined;
  return `${stdout}${stderr}`.trim().replace(/^nc: /, "") || "no answer came";
}

/**
 * Whether a sink is reached where it has to be: from the collector, and from here, where the
 * other checks ask it.
 * @param here why this machine does not reach it; undefined where it does
 * @param collector the same of the collector's container; null where none runs
 */
export function checkConnection(
  where: string,
  here: string | undefined,
  collector: string | undefined | null,
  next: string,
): CheckResult {
  if (collector === null)
    return here === undefined ? passed(where) : failed(`${where}: ${here}`, next);
  if (collector !== undefined) {
    const also = here === undefined ? " (this machine gets through)" : "";
    const why = here ?? collector;
    return failed(`${where}: not reached by the collector's container${also}: ${why}`, next);
  }
  if (here === undefined) return passed(`${where}, from the collector's container too`);
  return passed(`${where}, from the collector's container only; from here: ${here}`);
}

/** What the server's exporter writes where it gets nothing through. */
const exportErrors = /exporting (?:traces|metrics|logs) to|Failed to export/i;
const lines = 400;

/** Whether the server's container gets to the collector under its name, and what it says of it. */
export async function checkServerToCollector(
  server: string,
  engine: Engine,
  next: string,
): Promise<CheckResult> {
  const [fault, log] = await Promise.all([
    reachFrom(server, { host: "collector", port: 4317 }, engine),
    engine.tail(server, lines),
  ]);
  const errors = log.split("\n").filter((line) => exportErrors.test(line));
  const last = errors.at(-1)?.trim().slice(0, 200);
  if (fault !== undefined) return failed(`collector:4317 from the server: ${fault}`, next);
  if (last === undefined) return passed("collector:4317, and its log tells of no failed export");
  return passed(`collector:4317; ${errors.length} failed exports in its last ${lines} lines`, [
    last,
  ]);
}
