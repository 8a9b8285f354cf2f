import assert from "node:assert/strict";
import { test } from "node:test";
import { isWithoutRegistry } from "../../scripts/deploy/obtainImages.ts";

// As Docker 26 and 28 say it.
test("only a registry that does not answer is a reason to build", () => {
  for (const words of [
    'Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host',
    'Get "https://registry-1.docker.io/v2/": dial tcp 192.0.2.1:443: connect: connection refused',
    'Get "https://registry-1.docker.io/v2/": net/http: TLS handshake timeout',
    "received unexpected HTTP status: 503 Service Unavailable",
    'Get "https://registry-1.docker.io/v2/": EOF',
  ]) {
    assert.equal(isWithoutRegistry(words), true, words);
  }
  for (const words of [
    "manifest for letta/letta:0.5.502 not found: manifest unknown: manifest unknown",
    "letta/letta@sha256:50250350200000000000000000000000000000000000000000000000000e0f00: not found",
    "pull access denied for company/letta, repository does not exist or may require 'docker login'",
    "toomanyrequests: You have reached your pull rate limit",
    'Head "http://127.0.0.1:5055/v2/letta/manifests/1": no basic auth credentials',
    "unauthorized: authentication required",
  ]) {
    assert.equal(isWithoutRegistry(words), false, words);
  }
});
