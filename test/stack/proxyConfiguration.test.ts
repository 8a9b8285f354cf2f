import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyConfiguration } from "../../scripts/stack/proxyConfiguration.ts";
import { exampleValues, lookupOf } from "./exampleStack.ts";

// Whether Caddy takes it, and what comes of it, is seen in test/real/proxy.test.ts.
const made = (more: Readonly<Record<string, string>> = {}) =>
  proxyConfiguration(lookupOf(new Map([...exampleValues("prod"), ...Object.entries(more)])));

const own = { PROXY_CERT_FILE: "proxy.pem", PROXY_KEY_FILE: "proxy.key" };
const domain = { PROXY_DOMAIN: "letta.example.com" };

test("without a domain the proxy's own CA vouches for it, for names that are known before", () => {
  const text = made();
  assert.match(text, /^localhost:8443, 127\.0\.0\.1:8443, :8443 \{\n\ttls internal$/m);
  assert.doesNotMatch(text, /on_demand|issuer/);
});

test("the one address that it is published at is a known name", () => {
  const text = made({ PROXY_PUBLISH_HOST: "10.1.2.3" });
  assert.match(text, /^10\.1\.2\.3:8443, localhost:8443/m);
  assert.match(text, /^\tdefault_sni 10\.1\.2\.3$/m);
});

test("names of an internal network are in its certificates, the first address where no name is asked for", () => {
  const text = made({ PROXY_NAMES: "letta.home,192.0.2.5,2001:db8::5,localhost" });
  assert.match(
    text,
    /^letta\.home:8443, 192\.0\.2\.5:8443, \[2001:db8::5\]:8443, localhost:8443, 127/m,
  );
  assert.match(text, /^\tdefault_sni 192\.0\.2\.5$/m);
});

test("with a domain the certificate is had by ACME, over TLS alone", () => {
  const text = made({ ...domain, PROXY_ACME_EMAIL: "ops@example.com" });
  assert.match(text, /^letta\.example\.com:8443 \{$/m);
  assert.match(text, /^\t\tissuer acme \{\n\t\t\temail ops@example\.com\n\t\t\tdisable_http_chal/m);
  assert.doesNotMatch(made(domain), /email/);
});

test("a certificate of one's own goes before ACME, and lies alongside the Caddyfile", () => {
  const text = made({ ...domain, ...own });
  assert.match(text, /^\ttls \/etc\/caddy\/proxy_certificate \/etc\/caddy\/proxy_key$/m);
  assert.doesNotMatch(text, /issuer|internal|proxy\.pem/);
});

test("browsers are asked to insist on TLS where others vouch for the certificate, only there", () => {
  const insists = /Strict-Transport-Security/;
  assert.match(made(domain), insists);
  assert.match(made(own), insists);
  assert.doesNotMatch(made(), insists);
});

test("the limit of a request is the setting's, and 64 MB where a release knew none", () => {
  assert.match(made({ PROXY_MAX_BODY: "3g" }), /^\t\tmax_size 3g$/m);
  assert.match(made({ PROXY_MAX_BODY: "" }), /^\t\tmax_size 64MB$/m);
});

test("neither administration nor health listens where another container could call", () => {
  const text = made();
  assert.match(text, /^\tadmin unix\/\/tmp\/admin\.sock$/m);
  assert.match(text, /^http:\/\/:8080 \{\n\tbind 127\.0\.0\.1$/m);
});

test("how many requests may wait during a pause follows from the proxy's memory", () => {
  const bound = (memory: string) =>
    Number(
      /127\.0\.0\.1:8082 \{\n\t\tflush_interval -1\n\t\tunhealthy_request_count (\d+)/.exec(
        made({ PROXY_MEMORY: memory }),
      )?.[1],
    );
  assert.ok(bound("1g") >= 4000);
  assert.ok(bound("1g") * 160 * 1024 < 0.8 * 1024 ** 3);
  assert.equal(bound("512m"), Math.floor(bound("1g") / 2));
  assert.match(made(), /handle_errors 503 \{\n\t\theader Retry-After 5$/m);
});
