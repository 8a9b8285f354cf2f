import { gate } from "../stack/proxyUpstream.ts";

/**
 * Counts the requests that have reached the server and are not answered: those that are held reach
 * nobody. Pure.
 * @param upstreams Caddy's own words on them, `[{ address, num_requests, fails }]` with addresses as
 *   in the Caddyfile (Caddy 2.11, /reverse_proxy/upstreams)
 */
export function requestsUnderWay(upstreams: string): number {
  const all = JSON.parse(upstreams) as { address: string; num_requests: number }[];
  const isServer = (address: string) =>
    address.startsWith(`${gate.service}:`) || address.includes(`${gate.folder}/${gate.open}}`);
  return all.filter((one) => isServer(one.address)).reduce((sum, one) => sum + one.num_requests, 0);
}
