import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { triedVersions } from "../../scripts/stack/versionSteps.ts";
import { validationEnvironment } from "../../scripts/stack/explainRefusal.ts";
import { environmentNames } from "../../scripts/settings/environmentName.ts";
import { backends } from "../stack/backends.ts";
import { composed } from "../stack/composed.ts";
import { logsOf, spansOf } from "../stack/exported.ts";
import { hasDatadog, inCollector } from "./inCollector.ts";

// The collector's own binary at each version that is said to be tried: what it takes, what reaches
// ClickHouse, and what it makes of the server's log file and spans.

const validateAll = `
cd /given/configurations
for one in *; do
  /otelcol-contrib validate --config "$one" > /given/said 2>&1
  echo "=== $one $?"
  /given/busybox head -n 20 /given/said
done`;

for (const version of Object.values(triedVersions)) {
  test(`${version} takes every composition, and refuses one that is spoilt`, () => {
    const texts = new Map<string, string>();
    let stands: Record<string, string> = {};
    for (const environment of environmentNames) {
      for (const [name, values] of Object.entries(backends)) {
        // Where Datadog's parts cannot be had, only our own judgement is left for it.
        if (name.includes("datadog") && !hasDatadog(version)) continue;
        for (const logFile of ["true", "false"]) {
          const changed = {
            ...values,
            OTEL_LOG_FILE: logFile,
            OTEL_REMOVED_ATTRIBUTES: String.raw`^http\.request\.body\.|"quoted"$`,
            ...(logFile === "true" ? {} : { DD_URL: "https://proxy.example" }),
          };
          const { CONFIGURATION = "", ...secrets } = validationEnvironment(
            composed(environment, changed, { version }),
          );
          texts.set(`${environment}_${name}_${logFile}`, CONFIGURATION);
          stands = { ...stands, ...secrets };
        }
      }
    }
    const good = texts.get("prod_clickhouse_true")!;
    texts.set("spoilt_key", good.replace("queue_size:", "queue_sizes:"));
    texts.set("spoilt_condition", good.replace("< 10000000", "< 1x"));
    const said = inCollector(version, validateAll, texts, stands);
    const refused = [...said.matchAll(/^=== (\S+) [^0]/gm)].map(([, name]) => name);
    assert.deepEqual(refused, ["spoilt_condition", "spoilt_key"], said);
    assert.equal([...said.matchAll(/^=== /gm)].length, texts.size, said);
  });

  // 0.96.0 sends it one way, later versions the other.
  const header = "^(Authorization|X-ClickHouse-Key): ";
  const passwords = [
    "p$x",
    "$HOME",
    "a$b$",
    "#one",
    "'two' \"three\"",
    "%41%",
    "0123",
    "1e3",
    "null",
    "*a",
    "[x",
    "a: b",
    "a:b@c/d?",
    "pässword",
    ...(version === triedVersions.oldest ? ["a$$b", "a${HOME}b"] : []),
  ];
  test(`at ${version} each password reaches ClickHouse as it is: ${passwords.join(" ")}`, () => {
    const changed = {
      ...backends.clickhouse,
      CLICKHOUSE_ENDPOINT: "http://127.0.0.1:8123",
      OTEL_LOG_FILE: "false",
    };
    const script = passwords
      .map(
        (_, index) => `
for attempt in 1 2 3; do # the collector may be there before the listener
/given/busybox sleep 20 | /given/busybox nc -l -p 8123 > /given/asked-${index} 2> /dev/null & listener=$!
CLICKHOUSE_PASSWORD="$PASSWORD_${index}" /otelcol-contrib --config /given/configurations/one > /given/said 2>&1 & collector=$!
for wait in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  /given/busybox grep -qiE "${header}" /given/asked-${index} && break
  /given/busybox usleep 250000
done
kill -9 $collector $listener 2> /dev/null
wait $collector
/given/busybox grep -qiE "${header}" /given/asked-${index} && break
done
echo "=== ${index}"
/given/busybox grep -iE "${header}" /given/asked-${index} || /given/busybox tail -n 3 /given/said`,
      )
      .join("\n");
    const said = inCollector(
      version,
      `/given/busybox mkdir -p /var/lib/otelcol/queue /tmp\n${script}`,
      new Map([["one", composed("prod", changed, { version })]]),
      Object.fromEntries(passwords.map((password, index) => [`PASSWORD_${index}`, password])),
    );
    const arrived = [...said.matchAll(/^=== \d+\n([\w-]+): (?:Basic )?(.*?)\r?$/gm)].map(
      ([, name, value = ""]) =>
        name === "Authorization"
          ? Buffer.from(value, "base64")
              .toString()
              .replace(/^letta:/, "")
          : value,
    );
    assert.deepEqual(arrived, passwords, said);
  });

  test(`at ${version} log lines keep their times, severities and traces, and none is lost`, () => {
    const records = logsOf(run(version, lines, []));
    const found = (body: string) => records.find((one) => one.body === body);
    assert.deepEqual(found("one"), {
      time: "1795255200123456000",
      severity: "INFO 9",
      trace: "0af7651916cd43dd8448eb211c80319c b7ad6b7169203331",
      body: "one",
    });
    const highest = { ...found("one"), severity: "CRITICAL 21", body: "two" };
    assert.deepEqual(found("two"), { ...highest, trace: `${"f".repeat(32)} ${"f".repeat(16)}` });
    const bodies = records.map((one) => one.body.replace(/x{2000000}/, "2 MB"));
    assert.deepEqual(bodies.sort(), [
      "invalid \ufffd\ufffd bytes",
      "last",
      "long 2 MB",
      "not json at all",
      "one",
      'text\nTraceback (most recent call last):\n  File "a.py"\nValueError: bad',
      "two",
      'with lines behind\nTraceback (most recent call last):\n  File "b.py"\nKeyError: 1',
      '{"broken": 1, }',
    ]);
    const now = BigInt(Date.now()) * 1_000_000n;
    for (const { body, time } of records) {
      assert.ok(now - BigInt(time) < 30n * 86_400n * 1_000_000_000n, `${body} is of 1970`);
    }
  });

  test(`at ${version} log files that turn over are read to their ends once, while it is away too`, () => {
    const bodies = logsOf(inCollector(version, turnOver, turning(version))).map((one) => one.body);
    assert.deepEqual(bodies.sort(), ["a1", "a2", "b1", "c1", "c2", "d1"]);
  });

  test(`at ${version} spans are sampled but for canaries, probes and private attributes go`, () => {
    const canary = { client: "letta-stack-canary/1" };
    const written = run(
      version,
      [],
      [
        ...Array.from({ length: 1000 }, () => span("bulk", {})),
        span("GET /v1/health/", { client: "wget", "sampling.priority": 1 }),
        span("GET /v1/health/", canary),
        span("trace.set_attributes", { "sampling.priority": 1 }),
        span("trace.set_attributes", { "sampling.priority": 1 }, [], 20_000_000n),
        span("canary", { "sampling.priority": 1 }),
        span(
          "POST /v1/agents/",
          { ...canary, "http.request.body.name": "mine", "http.url": "http://a/b?search=me" },
          [
            ["llm_request_sent", { messages: "mine", duration_ms: "5" }],
            ["step_ms", { duration_ms: "3", "parameter.x": "mine" }],
          ],
        ),
      ],
    );
    const spans = spansOf(written);
    const names = spans.map((one) => one.name).filter((name) => name !== "bulk");
    assert.deepEqual(names.sort(), [
      "GET /v1/health/",
      "POST /v1/agents/",
      "canary",
      "trace.set_attributes",
    ]);
    const retained = spans.length - names.length;
    // Five standard deviations around the fifth that prod keeps.
    assert.ok(retained > 137 && retained < 263, `${retained} of 1000 are retained`);
    assert.ok(!/mine|search/.test(written));
    const { attributes = [] } = spans.find((one) => one.name === "POST /v1/agents/")!;
    const url = attributes.find((one) => one.key === "http.url");
    assert.equal(url?.value.stringValue, "http://a/b");
    assert.equal([...written.matchAll(/"duration_ms"/g)].length, 2);
  });
}

/** As Python's RotatingFileHandler does it, which the server logs with. */
const turnOver = `
PATH=/given; busybox mkdir -p /var/lib/otelcol/queue /var/log/letta /tmp; cd /var/log/letta
writes() { busybox cat /given/configurations/"$1" >> Letta.log; }
turns() { for n in 2 1; do [ -e Letta.log.$n ] && busybox mv Letta.log.$n Letta.log.$((n + 1)); done; busybox mv Letta.log Letta.log.1; }
starts() { /otelcol-contrib --config /given/configurations/one > /given/said 2>&1 & collector=$!; busybox sleep 2; }
ends() { kill $collector; wait $collector; }
writes a1; starts; ends
writes a2; turns; writes b1; turns; writes c1
starts; writes c2; turns; writes d1; busybox sleep 2; ends
busybox cat /var/lib/otelcol/*.json || busybox cat /given/said`;

function turning(version: string): Map<string, string | Buffer> {
  const changed = { OTEL_LOG_FILE: "true", OTEL_BATCH_TIMEOUT: "200ms" };
  const lines = ["a1", "a2", "b1", "c1", "c2", "d1"].map((one) => [one, line(one)] as const);
  return new Map<string, string | Buffer>([
    ["one", composed("prod", changed, { version })],
    ...lines,
  ]);
}

type Attributes = Readonly<Record<string, string | number>>;

const listed = (attributes: Attributes) =>
  Object.entries(attributes).map(([key, value]) => ({
    key,
    value: typeof value === "number" ? { intValue: String(value) } : { stringValue: value },
  }));

/** A span of one millisecond, or of some nanoseconds. */
function span(
  name: string,
  attributes: Attributes,
  events: readonly (readonly [string, Attributes])[] = [],
  lasted = 1_000_000n,
) {
  const start = BigInt(Date.now()) * 1_000_000n;
  return {
    traceId: randomBytes(16).toString("hex"),
    spanId: randomBytes(8).toString("hex"),
    name,
    startTimeUnixNano: String(start),
    endTimeUnixNano: String(start + lasted),
    attributes: listed(attributes),
    events: events.map(([event, own]) => ({
      name: event,
      timeUnixNano: String(start),
      attributes: listed(own),
    })),
  };
}

/** prod without a backend, given a log file and spans. @returns the files it writes */
function run(version: string, log: readonly Buffer[], spans: readonly object[]): string {
  const changed = {
    OTEL_LOG_FILE: "true",
    OTEL_BATCH_TIMEOUT: "1s",
    OTEL_SAMPLING_PERCENT: "20",
    OTEL_REMOVED_ATTRIBUTES: String.raw`^(http\.request\.body|parameter)\.`,
  };
  const script = `
/given/busybox mkdir -p /var/lib/otelcol/queue /var/log/letta /tmp
cd /given/configurations
/given/busybox cp Letta.log /var/log/letta/Letta.log
/otelcol-contrib --config one > /given/said 2>&1 & collector=$!
/given/busybox sleep 2
/given/busybox wget -q -O /dev/null --header "Content-Type: application/json" --post-file spans http://127.0.0.1:4318/v1/traces
/given/busybox sleep 3
kill $collector
wait $collector
/given/busybox cat /var/lib/otelcol/*.json || /given/busybox cat /given/said`;
  const request = { resourceSpans: [{ scopeSpans: [{ spans }] }] };
  return inCollector(
    version,
    script,
    new Map<string, string | Buffer>([
      ["one", composed("prod", changed, { version })],
      ["Letta.log", Buffer.concat(log)],
      ["spans", JSON.stringify(request)],
    ]),
  );
}

/** A line as Letta 0.16 writes it. */
function line(message: string, more: Readonly<Record<string, string>> = {}): Buffer {
  const timestamp = "2026-11-21T10:00:00.123456+00:00";
  return Buffer.from(
    `${JSON.stringify({ timestamp, level: "INFO", logger: "Letta", message, line: 1, ...more })}\n`,
  );
}

const lines: readonly Buffer[] = [
  line("one", {
    "dd.trace_id": String(0x0af7651916cd43dd8448eb211c80319cn),
    "dd.span_id": String(0xb7ad6b7169203331n),
  }),
  line("two", {
    level: "CRITICAL",
    "dd.trace_id": String(2n ** 128n - 1n),
    "dd.span_id": String(2n ** 64n - 1n),
  }),
  Buffer.from("not json at all\n"),
  Buffer.from('text\nTraceback (most recent call last):\n  File "a.py"\nValueError: bad\n'),
  line("with lines behind"),
  Buffer.from('Traceback (most recent call last):\n  File "b.py"\nKeyError: 1\n'),
  Buffer.from('{"broken": 1, }\n'),
  Buffer.concat([Buffer.from("invalid "), Buffer.from([0xff, 0xfe]), Buffer.from(" bytes\n")]),
  line(`long ${"x".repeat(2_000_000)}`),
  line("last"),
];
