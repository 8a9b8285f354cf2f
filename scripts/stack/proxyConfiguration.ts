import { isIP } from "node:net";
import { byteSize, durationMs } from "../common/units.ts";
import type { Lookup } from "../settings/readSettings.ts";

/** Within the container, for `caddy reload` only. */
const adminSocket = "unix//tmp/admin.sock";
const upstreamsPath = "/reverse_proxy/upstreams";
/** Where the proxy tells, within its own container, how many requests are under way to whom. */
export const upstreamsUrl = `http://127.0.0.1:8080${upstreamsPath}`;

/**
 * The proxy's Caddyfile: TLS as the settings say (proxyTls), HTTP/1.1 and HTTP/2, answers
 * streamed unbuffered, a limit for requests, an access log without secrets, its own health and
 * how many requests are under way on loopback alone. Its admin endpoint is a socket within the
 * container, for `caddy reload`.
 * @returns the same bytes for the same settings, formatted as `caddy fmt` does
 */
export function proxyConfiguration(lookup: Lookup): string {
  const value = (name: string) => lookup(name)?.value ?? "";
  const tls = proxyTls(lookup);
  const lines = [
    ...caddyBlock("", [
      `admin ${adminSocket}`,
      "persist_config off",
      "http_port 8081",
      "https_port 8443",
      "auto_https disable_redirects",
      ...tls.options,
      // How long a stream may go on under the configuration before, after a reload. When the
      // container is stopped, its stop_grace_period is what ends first.
      "grace_period 30m",
      ...caddyBlock("servers", ["protocols h1 h2", ...timeouts]),
      ...ownLog,
    ]),
    "",
    ...caddyBlock("http://:8080", [
      "bind 127.0.0.1",
      ...caddyBlock(
        `handle ${upstreamsPath}`,
        caddyBlock(`reverse_proxy ${adminSocket}`, ["method GET"]),
      ),
      "respond /healthz 200",
      "respond 404",
    ]),
    "",
    ...pausedRequests(value("PAUSE_TIMEOUT")),
    "",
    ...caddyBlock(tls.address, [
      ...tls.site,
      ...proxyLog,
      ...caddyBlock("header", headers(tls.isPublic)),
      ...caddyBlock("request_body", [`max_size ${value("PROXY_MAX_BODY") || "64MB"}`]),
      ...proxyUpstream(mostWaiting(byteSize(value("PROXY_MEMORY")))),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

/** Against clients that send slowly and hold connections; answers have no limit of time. */
const timeouts = caddyBlock("timeouts", ["read_header 10s", "read_body 10m", "idle 2m"]);

function headers(isPublic: boolean): string[] {
  return [
    ...(isPublic ? [`Strict-Transport-Security max-age=31536000`] : []),
    "X-Content-Type-Options nosniff",
    "-Server",
    "-Via",
  ];
}

/** What the proxy goes by when the server is replaced; the tool writes these files (deploy/proxyControl.ts). */
export const gate = {
  /** The server's name on the networks. */
  service: "server",
  /** Where it listens: x-app.port. One that a setting could change would need two at once. */
  port: 8283,
  folder: "/gate",
  /** Holds the host that requests go to; without it they go to the service itself. */
  open: "open",
  /** The same for requests that came while `holding` was there: they wait for their turn. */
  held: "held",
  holding: "holding",
  /** What ends a pause that has expired. */
  watch: "watch",
  /** Copies of `holding` and `watch` that outlive the container's restart: compose/proxy.yaml. */
  retained: "/config/holding",
  retainedWatch: "/config/watch",
  /**
   * While it is there no idle connection is reused: compose/proxy.yaml makes it before a reload. Measured with
   * Caddy 2.11.7 at a hundred requests a second: 33 resets in sixty reloads without it, 0 of 3,600 requests in
   * fourteen with it and compose/relay.py, behind which the proxy sees 127.0.0.1 as the client.
   */
  leaving: "leaving",
} as const;

/** PAUSE_TIMEOUT where it is unset. */
export const longestPause = "120s";

/** Where requests wait during a pause, in the proxy's own container. */
const waitingPort = 8082;

/** What a request that waits takes of the proxy's memory: TLS, a connection each (Caddy 2.11, measured). */
const waitingBytes = 160 * 1024;
/** The share of its memory that requests that wait may take; the others need some too. */
const waitingShare = 0.7;

/**
 * How many requests may wait at the proxy at the same time.
 * @param memory the proxy's limit, in bytes
 */
export function mostWaiting(memory: number): number {
  return Math.max(atOnce, Math.floor((memory * waitingShare) / waitingBytes));
}

/** Where a request goes by a file of `gate`. Without a port Caddy 2.11.7 would append :80. */
const at = (file: string) => `{file.${gate.folder}/${file}}:${gate.port}`;

/**
 * How requests reach the server: its answers are handed on as they come, however long they
 * take. During a pause they wait (pausedRequests), so many at most: one more is answered with 503 and
 * Retry-After, as each takes memory before anyone has asked for a password. What the files of `gate`
 * say is read anew for each request, so no reload is needed.
 */
function proxyUpstream(waiting: number): string[] {
  const matches = (file: string) =>
    caddyBlock(`@${file} file`, [`root ${gate.folder}`, `try_files /${file}`]);
  return [
    ...matches(gate.holding),
    ...matches(gate.open),
    ...matches(gate.leaving),
    `header @${gate.leaving} Connection close`,
    // Nor is one that came by compose/relay.py, which is to end.
    "@relayed remote_ip 127.0.0.1 ::1",
    "header @relayed Connection close",
    ...upstream(`@${gate.holding} 127.0.0.1:${waitingPort}`, [
      // Counts all that are under way there: those that wait.
      `unhealthy_request_count ${waiting}`,
    ]),
    ...upstream(`@${gate.open} ${at(gate.open)}`, patience),
    ...upstream(`${gate.service}:${gate.port}`, patience),
    ...caddyBlock("handle_errors 503", ["header Retry-After 5", "respond 503"]),
  ];
}

/**
 * Where requests wait during a pause instead of failing: where they go is read anew before each
 * try, and a try that reaches no server is made again whatever its method, as nothing was
 * sent (Caddy 2.11, measured).
 * @param pauseTimeout how long a pause may take; empty for `longestPause`
 */
function pausedRequests(pauseTimeout: string): string[] {
  return caddyBlock(`http://:${waitingPort}`, [
    "bind 127.0.0.1",
    ...upstream(at(gate.held), [
      // When the pause has ended there are all those before it, for as long again at most.
      `lb_try_duration ${2 * durationMs(pauseTimeout || longestPause)}ms`,
      // Each try of each request that waits is work, which the server's boot needs more.
      "lb_try_interval 1s",
      // Those who waited do not all fall upon a server that has just booted.
      `unhealthy_request_count ${atOnce}`,
      // The client is who the first of the two has seen.
      ...["For", "Host", "Proto"].map((one) => {
        const name = `X-Forwarded-${one}`;
        return `header_up ${name} {http.request.header.${name}}`;
      }),
    ]),
  ]);
}

/** Of the requests that were held, so many are answered at once. */
const atOnce = 32;
/** Without a pause a server that is down is reported soon; its engine restarts it by then or not. */
const patience = ["lb_try_duration 5s", "lb_try_interval 250ms"];

function upstream(to: string, more: readonly string[]): string[] {
  return caddyBlock(`reverse_proxy ${to}`, [
    "flush_interval -1",
    ...more,
    ...caddyBlock("transport http", [
      "read_timeout 30m", // between two pieces of an answer
      // Less than the 5 s after which the server closes an idle connection: a POST sent into one
      // that is just being closed would fail.
      "keepalive 3s",
    ]),
  ]);
}

/** How the proxy comes by its certificate, as lines of its Caddyfile. */
interface ProxyTls {
  /** The names it answers to. */
  readonly address: string;
  /** Among the global options. */
  readonly options: readonly string[];
  /** In the site's block. */
  readonly site: readonly string[];
  /** Whether others vouch for it, so that a browser may be asked to insist on TLS. */
  readonly isPublic: boolean;
}

/** The port in the container. */
const port = 8443;

/**
 * A certificate of one's own where PROXY_CERT_FILE is set, else one by ACME where PROXY_DOMAIN
 * is, else one of the proxy's own CA.
 */
function proxyTls(lookup: Lookup): ProxyTls {
  const value = (name: string) => lookup(name)?.value ?? "";
  if (value("PROXY_CERT_FILE") !== "") return own;
  const domain = value("PROXY_DOMAIN");
  return domain === "" ? internal(ownNames(lookup)) : acme(domain, value);
}

/** Whatever name a client asks for, it is given this one certificate. */
const own: ProxyTls = {
  address: `:${port}`,
  options: [],
  site: ["tls /etc/caddy/proxy_certificate /etc/caddy/proxy_key"],
  isPublic: true,
};

/** Only by TLS-ALPN, which takes the published port: nothing listens for the challenge over HTTP. */
function acme(domain: string, value: (name: string) => string): ProxyTls {
  const email = value("PROXY_ACME_EMAIL");
  const issuer = caddyBlock("issuer acme", [
    ...(email === "" ? [] : [`email ${email}`]),
    "disable_http_challenge",
  ]);
  return {
    address: `${domain}:${port}`,
    options: [],
    site: caddyBlock("tls", issuer),
    isPublic: true,
  };
}

/**
 * For known names only: a certificate for each name that anybody asks for would let strangers
 * fill the disk. A client that asks for no name, as one that calls an address does, or for another
 * name gets the certificate of the first address.
 */
function internal(named: readonly string[]): ProxyTls {
  const [first = "127.0.0.1"] = named.filter((name) => isIP(name) !== 0);
  const names = [...named, "localhost", "127.0.0.1", ""];
  const inAddress = (name: string) => (isIP(name) === 6 ? `[${name}]` : name);
  return {
    address: names.map((name) => `${inAddress(name)}:${port}`).join(", "),
    options: ["skip_install_trust", `default_sni ${first}`, `fallback_sni ${first}`],
    site: ["tls internal"],
    isPublic: false,
  };
}

/** The names that a certificate of the proxy's own CA is for, alongside localhost and 127.0.0.1. */
export function ownNames(lookup: Lookup): string[] {
  const value = (name: string) => lookup(name)?.value ?? "";
  const publishedAt = value("PROXY_PUBLISH_HOST");
  const isOne = isIP(publishedAt) !== 0 && !["0.0.0.0", "::", "127.0.0.1"].includes(publishedAt);
  const all = [...(isOne ? [publishedAt] : []), ...value("PROXY_NAMES").split(",")];
  return [...new Set(all)].filter((name) => !["", "localhost", "127.0.0.1"].includes(name));
}

/** Where the access log is, in the proxy's container and in the collector's. */
export const accessLogFile = "/var/log/caddy/access.log";

/**
 * JSON without what may be secret. Caddy itself blanks out Authorization and cookies only, and
 * the server takes its password from X-BARE-PASSWORD too: so no header at all. Queries hold
 * what people search for, and some clients' keys.
 */
const format = caddyBlock("format filter", [
  ...caddyBlock("wrap json", ["time_format rfc3339_nano"]),
  ...caddyBlock("fields", [
    "request>headers delete",
    "resp_headers delete",
    "request>tls delete",
    String.raw`request>uri regexp \?.* ""`,
  ]),
]);

/** What the proxy says of itself, requests that failed in it among it, to stderr. */
const ownLog: readonly string[] = caddyBlock("log", format);

/**
 * One line for each request, into a file that is rotated. Not compressed: the collector reads on
 * in the file it was in. Readable by the collector, which is another user.
 */
const proxyLog: readonly string[] = [
  ...caddyBlock("log", [
    ...caddyBlock(`output file ${accessLogFile}`, [
      "mode 644",
      "roll_size 20MiB",
      "roll_uncompressed",
      "roll_keep 4",
    ]),
    ...format,
  ]),
  "log_append user_agent {http.request.header.User-Agent}",
];

/**
 * A block of a Caddyfile as `caddy fmt` writes it.
 * @param head what stands before the brace; "" for the block of global options
 * @param lines its content, blocks of their own among them
 */
function caddyBlock(head: string, lines: readonly string[]): string[] {
  return [`${head} {`.trimStart(), ...lines.map((line) => `\t${line}`), "}"];
}
