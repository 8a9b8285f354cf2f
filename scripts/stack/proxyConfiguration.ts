import type { Lookup } from "../settings/fillSettings.ts";

/**
 * The proxy's Caddyfile: TLS from its own CA unless a domain is set for ACME, responses
 * streamed unbuffered, a route for its own health that nobody outside can reach.
 */
export function proxyConfiguration(lookup: Lookup): string {
  const domain = lookup("PROXY_DOMAIN")?.value ?? "";
  const address = domain === "" ? ":8443" : `${domain}:8443`;
  const port = lookup("PORT")?.value ?? "8283";
  return `{
	admin off
	http_port 8081
	https_port 8443
	log {
		format json
	}
}

http://:8080 {
	bind 127.0.0.1
	respond /healthz 200
}

${address} {
	${domain === "" ? "tls internal {\n\t\ton_demand\n\t}" : ""}
	log
	request_body {
		max_size 64MB
	}
	reverse_proxy server:${port} {
		flush_interval -1
		transport http {
			read_timeout 15m
		}
	}
}
`;
}
