import assert from "node:assert/strict";
import { test } from "node:test";
import { explainExporter } from "../../scripts/checks/explainExporter.ts";

const time = "2026-11-21T10:00:00.000Z";

/** A line as 0.96 writes it when it will try again. */
function retried(name: string, error: string, signal = "traces"): string {
  const fields = { kind: "exporter", data_type: signal, name, error, interval: "5.3s" };
  const message = "Exporting failed. Will retry the request after interval.";
  return [time, "info", "exporterhelper/retry_sender.go:118", message, JSON.stringify(fields)].join(
    "\t",
  );
}

/** The same from a newer version. */
function retriedNewer(id: string, error: string): string {
  const fields = {
    resource: { "service.instance.id": "4d1c", "service.name": "otelcol-contrib" },
    "otelcol.component.id": id,
    "otelcol.component.kind": "exporter",
    "otelcol.signal": "traces",
    error,
    interval: "5.3s",
  };
  const message = "Exporting failed. Will retry the request after interval.";
  return [time, "info", "internal/retry_sender.go:133", message, JSON.stringify(fields)].join("\t");
}

const causes: [error: string, cause: string][] = [
  [
    "not retryable error: Permanent error: rpc error: code = Unauthenticated desc = no such key",
    "wrong key",
  ],
  [
    "Permanent error: rpc error: code = PermissionDenied desc = this key may not write",
    "wrong key",
  ],
  [
    "clickhouse [execute]:: 403 code: Code: 516. DB::Exception: otel: Authentication failed: password is incorrect. (AUTHENTICATION_FAILED)",
    "wrong key",
  ],
  ["403 Forbidden", "wrong key"],
  [
    "clickhouse [execute]:: 403 code: Code: 497. DB::Exception: otel: Not enough privileges. (ACCESS_DENIED)",
    "refused",
  ],
  [
    'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp 10.0.0.9:4317: connect: connection refused"',
    "unreachable",
  ],
  [
    'rpc error: code = DeadlineExceeded desc = latest balancer error: connection error: desc = "transport: Error while dialing: dial tcp: lookup ingest.example on 127.0.0.11:53: no such host"',
    "unreachable",
  ],
  [
    'Post "http://otel@clickhouse:8123/?database=otel": dial tcp 172.18.0.4:8123: i/o timeout',
    "unreachable",
  ],
  [
    'rpc error: code = Unavailable desc = connection error: desc = "transport: Error while dialing: dial tcp: address ingest.example: missing port in address"',
    "missing port",
  ],
  [
    'rpc error: code = Unavailable desc = connection error: desc = "transport: authentication handshake failed: tls: first record does not look like a TLS handshake"',
    "TLS",
  ],
  [
    'rpc error: code = Unavailable desc = connection error: desc = "transport: authentication handshake failed: tls: failed to verify certificate: x509: certificate signed by unknown authority"',
    "TLS",
  ],
  [
    'rpc error: code = Unavailable desc = connection error: desc = "error reading server preface: http2: frame too large"',
    "TLS",
  ],
  ['Post "https://clickhouse:8123/": http: server gave HTTP response to HTTPS client', "TLS"],
  ["rpc error: code = Unavailable desc = no children to pick from", "unreachable"],
  ["rpc error: code = DeadlineExceeded desc = context deadline exceeded", "timeout"],
  [
    'Post "http://clickhouse:8123/": read tcp 172.18.0.5:4->172.18.0.4:8123: i/o timeout',
    "timeout",
  ],
  [
    'Post "https://api.datadoghq.eu/api/v2/series": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
    "timeout",
  ],
  [
    "Throttle (1s), error: rpc error: code = ResourceExhausted desc = too much of this key",
    "throttled",
  ],
  ["429 Too Many Requests", "throttled"],
  [
    "Permanent error: rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)",
    "refused",
  ],
  ["Permanent error: rpc error: code = Unimplemented desc = unknown service", "refused"],
  [
    "clickhouse [execute]:: 404 code: Code: 60. DB::Exception: Table otel.otel_traces does not exist. (UNKNOWN_TABLE)",
    "refused",
  ],
  ["413 Request Entity Too Large", "refused"],
  ["rpc error: code = Unavailable desc = the server is being moved", "server error"],
  ["503 Service Unavailable", "server error"],
  [
    "clickhouse [execute]:: 500 code: Code: 241. DB::Exception: Memory limit exceeded (MEMORY_LIMIT_EXCEEDED)",
    "server error",
  ],
  [
    "insert gauge metrics fail:clickhouse [execute]:: 500 code: Code: 243. DB::Exception: Cannot reserve 1.00 MiB, not enough space. (NOT_ENOUGH_SPACE)\n",
    "sink full",
  ],
  [
    "clickhouse [execute]:: 500 code: Code: 75. DB::Exception: Cannot write to file: errno: 28, strerror: No space left on device. (CANNOT_WRITE_TO_FILE_DESCRIPTOR)",
    "sink full",
  ],
  [
    "write /var/lib/otelcol/queue/exporter_clickhouse__traces: no space left on device",
    "queue disk full",
  ],
  ["sending_queue is full", "queue full"],
  ["something that no one has met yet", "other"],
];

for (const [error, cause] of causes) {
  test(`"${error.slice(0, 90)}" tells of: ${cause}`, () => {
    const [older] = explainExporter([retried("clickhouse", error)]);
    const [newer] = explainExporter([retriedNewer("clickhouse", error)]);
    assert.equal(older?.cause, cause);
    assert.deepEqual(newer, older);
  });
}

test("lines of one exporter and one cause are one trouble, with the last words and its signals", () => {
  const refused = (port: number) => `dial tcp 10.0.0.9:${port}: connect: connection refused`;
  const found = explainExporter([
    retried("clickhouse", refused(1)),
    retried("otlp/signoz", "rpc error: code = Unauthenticated desc = who"),
    retried("clickhouse", refused(2), "logs"),
  ]);
  assert.deepEqual(
    found.map(({ exporter, cause, times, signals }) => ({ exporter, cause, times, signals })),
    [
      { exporter: "clickhouse", cause: "unreachable", times: 2, signals: ["traces", "logs"] },
      { exporter: "otlp/signoz", cause: "wrong key", times: 1, signals: ["traces"] },
    ],
  );
  assert.equal(found[0]?.said, refused(2));
  assert.equal(found[0]?.at, time);
  assert.equal(found[0]?.losesData, false);
});

test("a line that drops data says so, one that will try again does not", () => {
  const dropped = retried("clickhouse", "no more retries left: 500 code: x").replace(
    "Exporting failed. Will retry the request after interval.",
    "Exporting failed. Dropping data.",
  );
  assert.equal(explainExporter([dropped])[0]?.losesData, true);
  assert.equal(explainExporter([retried("clickhouse", "500 code: x")])[0]?.losesData, false);
});

test("a queue that cannot lay back what was on its way when it ended has lost it", () => {
  const fields = { kind: "exporter", data_type: "traces", name: "clickhouse" };
  const counts = { numberOfItems: 4, errorCount: 2 };
  const said = "Errors occurred while moving items for dispatching back to queue";
  const line = [time, "error", "queue/persistent_queue.go:460", said];
  const [trouble] = explainExporter([
    [...line, JSON.stringify({ ...fields, ...counts })].join("\t"),
  ]);
  assert.equal(trouble?.said, `${said}: 2 of 4`);
  assert.equal(trouble?.losesData, true);
});

test("a sink that takes a batch and rejects what is in it is found out by its own words", () => {
  const fields = { kind: "exporter", data_type: "traces", name: "otlp/signoz" };
  const said = { ...fields, message: "not retained", dropped_spans: 7 };
  const line = [time, "warn", "otlpexporter@v0.96.0/otlp.go:104", "Partial success response"];
  const [trouble] = explainExporter([[...line, JSON.stringify(said)].join("\t")]);
  assert.equal(trouble?.cause, "refused");
  assert.match(trouble?.said ?? "", /not retained/);
  assert.equal(trouble?.losesData, true);
});

test("Datadog's trace writer, which names its error in the message alone, is understood", () => {
  const fields = JSON.stringify({ kind: "exporter", data_type: "metrics", name: "datadog" });
  const place = [time, "warn", "datadogexporter@v0.96.0/zaplogger.go:49"];
  const line = (message: string) => [...place, message, fields].join("\t");
  // As it writes them: with a line break between message and fields.
  const broken = (message: string) => [[...place, message].join("\t"), `\t${fields}`];
  const found = explainExporter([
    ...broken("Dropping Payload due to non-retryable error: 403 Forbidden."),
    line("Trace writer payload rejected by edge: 403 Forbidden"),
    ...broken(
      'Dropping Payload after 1 retries, due to: server responded with "503 Service Unavailable".',
    ),
    line("Trace Payload dropped (15.77KB)."),
    line("Trace writer initialized (climit=100 qsize=1)"),
  ]);
  assert.deepEqual(
    found.map(({ cause, times, signals, losesData }) => [cause, times, signals, losesData]),
    [
      ["wrong key", 2, ["traces"], true],
      ["server error", 1, ["traces"], true],
    ],
  );
});

test("an exporter's key that is not valid is reported, the programs it looks for are not", () => {
  const fields = { kind: "exporter", data_type: "logs", name: "datadog" };
  const line = (message: string, error: object) =>
    [time, "warn", "place.go:1", message, JSON.stringify({ ...fields, ...error })].join("\t");
  const uname = 'exec: "uname": executable file not found in $PATH';
  const found = explainExporter([
    line("Failed to retrieve platform metadata", { error: uname }),
    line("API Key validation failed", {}),
    line("Error while validating API key", { error: "403 Forbidden" }),
  ]);
  assert.deepEqual(
    found.map(({ cause, times, signals }) => [cause, times, signals]),
    [["wrong key", 2, ["logs"]]],
  );
});

test("a collector that ends at its start tells why, without an exporter's name", () => {
  const said = "create database: dial tcp 172.18.0.4:8123: connect: connection refused";
  const found = explainExporter([
    `Error: cannot start pipelines: ${said}; failed to shutdown pipelines: no existing monitoring routine is running`,
    `2026/11/21 10:00:00 collector server run finished with error: cannot start pipelines: ${said}`,
  ]);
  assert.deepEqual(
    found.map(({ exporter, cause, times }) => ({ exporter, cause, times })),
    [{ exporter: "", cause: "unreachable", times: 2 }],
  );
});

test("JSON lines and Compose's prefix change nothing", () => {
  const line = retried("clickhouse", "429 Too Many Requests");
  const fields = JSON.parse(line.slice(line.indexOf("{"))) as object;
  const message = "Exporting failed. Will retry the request after interval.";
  const json = JSON.stringify({ level: "info", ts: time, msg: message, ...fields });
  const expected = explainExporter([line]);
  assert.deepEqual(explainExporter([json]), expected);
  assert.deepEqual(explainExporter([`collector-1  | ${line}`]), expected);
});

test("lines about other parts, stack traces and lines of no known form tell nothing", () => {
  const receiver = { kind: "receiver", name: "filelog", error: "permission denied" };
  const lines = [
    `${time}\terror\tfileconsumer/file.go:1\tFailed to open file\t${JSON.stringify(receiver)}`,
    "go.opentelemetry.io/collector/exporter/exporterhelper.(*retrySender).send",
    `${time}\tinfo\tservice@v0.96.0/service.go:169\tEverything is ready. Begin running and processing data.`,
    `${time}\tinfo\tx.go:1\tcut off\t{"kind": "exporter", "err`,
    "",
  ];
  assert.deepEqual(explainExporter(lines), []);
});
