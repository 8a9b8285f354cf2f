import { isIP } from "node:net";
import type { Lookup } from "../settings/fillSettings.ts";
import { caddyBlock } from "./caddyBlock.ts";

/** How the proxy comes by its certificate, as lines of its Caddyfile. */
export interface ProxyTls {
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
export function proxyTls(lookup: Lookup): ProxyTls {
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
