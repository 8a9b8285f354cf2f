import assert from "node:assert/strict";
import { test } from "node:test";
import { readMetrics } from "../../scripts/checks/collectorClient.ts";

test("a sample has its name, its labels and its value, whatever stands around them", () => {
  const text = [
    "# HELP otelcol_a what it is",
    "# TYPE otelcol_a counter",
    'otelcol_a{exporter="otlp/signoz", le="+Inf",} 8.6007808e+07',
    "otelcol_b 3",
    "otelcol_c{} -1.5 1767323045006",
    "",
  ];
  assert.deepEqual(readMetrics(text.join("\n")), [
    { name: "otelcol_a", labels: { exporter: "otlp/signoz", le: "+Inf" }, value: 86_007_808 },
    { name: "otelcol_b", labels: {}, value: 3 },
    { name: "otelcol_c", labels: {}, value: -1.5 },
  ]);
});

test("a label's value may hold quotes, backslashes, braces, commas and line ends", () => {
  const [sample] = readMetrics(String.raw`m{a="x\"y\\z}, b=\"1\"",b="two\nlines"} 1`);
  assert.deepEqual(sample?.labels, { a: String.raw`x"y\z}, b="1"`, b: "two\nlines" });
});

test("infinity and what is no number are read as such", () => {
  const values = readMetrics("m +Inf\nm -Inf\nm NaN").map((one) => one.value);
  assert.deepEqual(values, [Infinity, -Infinity, NaN]);
});

test("what is no sample is passed over: HTML, half a line, nothing", () => {
  assert.deepEqual(readMetrics('<html>\n<p>not found</p>\notelcol_a\notelcol_b{x="1\n'), []);
  assert.deepEqual(readMetrics(""), []);
});
