import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLogFile, parseLogFolder } from "../../scripts/checks/checkLogFile.ts";

const facts = { server: "letta-dev-server-1", bringUp: "up" };
const line = '{"level":"INFO","message":"a"}\n';

/** What the look in the container writes, for one file. */
function seen(parts: { at?: number; mode?: string; may?: 0 | 1; read?: number; tail?: string }) {
  const { at = 1000, mode = "644", may = 1, read, tail = line } = parts;
  const position = read === undefined ? "" : `position Letta.log ${read}\n`;
  return parseLogFolder(
    `now 1010\nfile Letta.log 300 ${at} ${mode} 0:0 ${may}\n${position}tail\n${tail}`,
  );
}

test("a log that is read to its end passes, with its age and how much of it is JSON", () => {
  const { outcome, detail } = checkLogFile(seen({ read: 300, tail: `${line}Traceback\n` }), facts);
  assert.equal(outcome, "passed");
  assert.equal(
    detail,
    "300 bytes, last written 10 s ago, read to its end, 1 of its last 2 lines are JSON",
  );
});

test("a file that may not be read names its mode, and the command for its server", () => {
  const closed = seen({ mode: "600", may: 0 });
  const { detail, next } = checkLogFile(closed, facts);
  assert.match(detail, /^Letta\.log has mode 600 and owner 0:0/);
  assert.equal(next, "docker exec letta-dev-server-1 chmod a+r /root/.letta/logs/Letta.log");
  assert.equal(checkLogFile(closed, { ...facts, server: undefined }).next, "up");
});

test("a folder that may not be looked into is reported as such", () => {
  assert.match(checkLogFile(parseLogFolder("closed\n"), facts).detail, /may not look into/);
});

test("no file is the server's fault only where it runs", () => {
  const none = parseLogFolder("now 1010\ntail\n");
  assert.equal(checkLogFile(none, facts).outcome, "failed");
  assert.equal(checkLogFile(none, { ...facts, server: undefined }).outcome, "skipped");
});

test("a log that is read half is behind, unless it was written to just now", () => {
  assert.match(checkLogFile(seen({ read: 100 }), facts).detail, /has read 100 of 300 bytes/);
  assert.equal(checkLogFile(seen({ read: 100, at: 1009 }), facts).outcome, "passed");
  assert.match(checkLogFile(seen({}), facts).detail, /how far it is read cannot be seen/);
});

test("a log without a line of JSON is reported as such", () => {
  const { outcome, detail } = checkLogFile(seen({ tail: "INFO: a\nINFO: b\n" }), facts);
  assert.equal(outcome, "failed");
  assert.match(detail, /none of its last lines is JSON/);
});
