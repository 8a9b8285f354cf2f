import { byteSize } from "../common/byteSize.ts";
import type { Lookup } from "../settings/fillSettings.ts";
import { caddyBlock } from "./caddyBlock.ts";
import { ownLog, proxyLog } from "./proxyLog.ts";
import { proxyTls } from "./proxyTls.ts";
import { mostWaiting, pausedRequests, proxyUpstream } from "./proxyUpstream.ts";

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
