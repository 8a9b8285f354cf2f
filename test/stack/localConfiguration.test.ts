import assert from "node:assert/strict";
import { test } from "node:test";
import { parse, stringify } from "yaml";
import { localConfiguration, type LocalPlaces } from "../../scripts/stack/localConfiguration.ts";

const places: LocalPlaces = {
  data: "/srv/a b$c/collector",
  logs: "/home/me/.letta/logs",
  ports: new Map([
    [4317, 14317],
    [8888, 18888],
  ]),
};

const local = (configuration: object) =>
  parse(localConfiguration(stringify(configuration), places)) as object;

test("files are in directories of this host, with a $ that stays one", () => {
  const moved = local({
    exporters: { file: { path: "/var/lib/otelcol/traces.json" } },
    extensions: { storage: { directory: "/var/lib/otelcol" } },
    receivers: { filelog: { include: ["/var/log/letta/Letta.log*"] } },
  });
  assert.deepEqual(moved, {
    exporters: { file: { path: "/srv/a b$$c/collector/traces.json" } },
    extensions: { storage: { directory: "/srv/a b$$c/collector" } },
    receivers: { filelog: { include: ["/home/me/.letta/logs/Letta.log*"] } },
  });
});

test("a path that only begins alike stays", () => {
  const given = { extensions: { storage: { directory: "/var/lib/otelcolumn" } } };
  assert.deepEqual(local(given), given);
});

test("it listens at the loopback only, at the ports of the settings", () => {
  const moved = local({
    receivers: { otlp: { endpoint: "0.0.0.0:4317" }, own: { targets: ["localhost:8888"] } },
    extensions: { pprof: { endpoint: "localhost:1777" } },
    service: {
      old: { address: "0.0.0.0:8888" },
      readers: [{ prometheus: { host: "0.0.0.0", port: 8888, without_units: true } }],
    },
  });
  assert.deepEqual(moved, {
    receivers: { otlp: { endpoint: "127.0.0.1:14317" }, own: { targets: ["127.0.0.1:18888"] } },
    extensions: { pprof: { endpoint: "127.0.0.1:1777" } },
    service: {
      old: { address: "127.0.0.1:18888" },
      readers: [{ prometheus: { host: "127.0.0.1", port: 18888, without_units: true } }],
    },
  });
});

test("where exporters send to stays, though it be a port of this very host", () => {
  const given = { exporters: { otlp: { endpoint: "localhost:4317" } } };
  assert.deepEqual(local(given), given);
});
