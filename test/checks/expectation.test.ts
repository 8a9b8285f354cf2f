import assert from "node:assert/strict";
import { test } from "node:test";
import { readDelivery } from "../../scripts/stack/readDelivery.ts";
import { renderStack } from "../../scripts/stack/renderStack.ts";
import { clientUrl, expectation } from "../../scripts/checks/expectation.ts";
import { backends } from "../stack/backends.ts";
import { composed } from "../stack/composed.ts";
import { bundledClickHouse, exampleFragments, exampleStack } from "../stack/exampleStack.ts";

const reader = { user: "otel_reader", password: "reads-1234", caCertificate: undefined };
const rest = { serverName: undefined, version: "1", password: undefined, grafana: undefined };
const expected = (
  environment: string,
  otherwise: Readonly<Record<string, string>> = {},
  backend: Readonly<Record<string, string>> = backends.file,
) =>
  expectation(exampleStack(environment, otherwise), {
    ...rest,
    reader,
    delivery: readDelivery(composed(environment, backend)),
  });

test("the collector's ports are those it publishes, its limit the one its container has", () => {
  const [collector, ...others] = expected("dev").collectors;
  assert.deepEqual(others, []);
  assert.deepEqual(collector, {
    service: "collector",
    published: new Map([
      [4317, 4317],
      [4318, 4318],
      [13133, 13133],
      [8888, 8888],
    ]),
    memoryLimit: 1536 * 1024 ** 2,
  });
});

test("clients reach the proxy under its domain, and a local server at its own port", () => {
  const prod = exampleStack("prod", { PROXY_HTTPS_PORT: "8443" });
  assert.equal(clientUrl(exampleStack("dev"), ""), "http://127.0.0.1:8283");
  assert.equal(clientUrl(prod, "letta.example.com"), "https://letta.example.com:8443");
  assert.match(clientUrl(prod, "") ?? "", /^https:\/\/[^/]+:8443$/);
  const standard = exampleStack("prod", { PROXY_HTTPS_PORT: "443" });
  assert.equal(clientUrl(standard, "letta.example.com"), "https://letta.example.com");
  assert.equal(clientUrl({ ...prod, services: [] }, ""), null);
});

test("a limit may be written in any of Compose's units", () => {
  for (const [size, bytes] of [
    ["2g", 2 * 1024 ** 3],
    ["512MB", 512 * 1024 ** 2],
    ["4096k", 4096 * 1024],
    ["1000000", 1_000_000],
  ] as const) {
    assert.equal(expected("dev", { COLLECTOR_MEMORY: size }).collectors[0]?.memoryLimit, bytes);
  }
});

test("several collectors are all expected, the others without ports", () => {
  const parts = exampleFragments("prod");
  const configs = new Map([...parts.configs, ["collector_replica", "exporters: {}\n"]]);
  const delivery = readDelivery(composed("prod", backends.file));
  const stack = renderStack({ ...parts, configs, collectors: 3 });
  const { collectors } = expectation(stack, { ...rest, reader, delivery });
  assert.deepEqual(
    collectors.map((one) => [one.service, one.published.size]),
    [
      ["collector", 4],
      ["collector-2", 0],
      ["collector-3", 0],
    ],
  );
});

test("a ClickHouse of the stack is read at the port it publishes here, one outside where it is", () => {
  const bundled = { ...bundledClickHouse, CLICKHOUSE_PUBLISH_PORT: "18123" };
  assert.deepEqual(expected("dev", bundled, bundledClickHouse).clickHouse, {
    url: "http://127.0.0.1:18123",
    ...reader,
  });
  const outside = { ...backends.clickhouse, CLICKHOUSE_ENDPOINT: "https://ch.example:8443" };
  assert.equal(expected("prod", {}, outside).clickHouse?.url, "https://ch.example:8443");
  assert.equal(expected("prod").clickHouse, undefined);
});

test("how long the server gathers spans is what it is given", () => {
  assert.equal(expected("dev").serverBatchDelayMs, 200);
  assert.equal(expected("prod").serverBatchDelayMs, 1000);
});

test("with a proxy the server is verified through it, on this machine too", () => {
  const withProxy = { PROXY: "true", PROXY_HTTPS_PORT: "8445" };
  assert.equal(expected("dev").serverUrl, "http://127.0.0.1:8283");
  assert.equal(expected("dev", withProxy).serverUrl, "https://127.0.0.1:8445");
  assert.equal(expected("prod").serverUrl, "https://127.0.0.1:8443");
});
