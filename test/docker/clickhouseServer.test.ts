// The grants of the fake server ClickHouse, and its environment, without chDB.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";

const folder = join(import.meta.dirname, "..", "..", "docker", "clickhouse");

/** Runs Python that has the server's module as `server`, without the packages it stands on. */
function python(code: string, environment: Record<string, string> = {}): string {
  const head = `import sys, types
for name in ("frames", "chdb", "chdb.session"): sys.modules[name] = types.ModuleType(name)
sys.modules["chdb.session"].Session = object
sys.path.insert(0, ${JSON.stringify(folder)})
sys.dont_write_bytecode = True
import server
`;
  const env = { PATH: process.env["PATH"], ...environment };
  const ran = spawnSync("python3", ["-c", head + code], { encoding: "utf8", env });
  assert.equal(ran.status, 0, ran.stderr);
  return ran.stdout;
}

/** Whether a user with these grants may run it. */
function isGranted(grants: string, statement: string): boolean {
  return (
    python(`from xml.etree import ElementTree
user = server.User(ElementTree.fromstring("<u><grants><query>GRANT ${grants}</query></grants></u>"), {})
try:
    user.expect_granted(${JSON.stringify(statement)}.encode())
    print("granted")
except server.Failure:
    print("refused")`).trim() === "granted"
  );
}

for (const statement of [
  "SELECT * FROM `file`('/proc/self/environ', 'RawBLOB')",
  "SELECT * FROM \"file\" ('/proc/self/environ')",
  "SELECT * FROM `url`('http://169.254.169.254/')",
  "SELECT * FROM fi/**/le('/etc/passwd') UNION ALL SELECT * FROM file('/etc/passwd')",
  "SELECT 1; DROP TABLE otel_traces",
  "SELECT 'it''s'; DROP TABLE otel_traces",
  "DROP TABLE otel_traces",
]) {
  test(`a reader may not: ${statement}`, () => assert.ok(!isGranted("SELECT, SHOW", statement)));
}

for (const statement of [
  "SELECT count() FROM `otel`.\"otel_traces\" WHERE Body = 'a; file(1)';",
  "WITH now() AS t SELECT toDate(t), 'it''s (url'",
  "SHOW TABLES",
]) {
  test(`a reader may: ${statement}`, () => assert.ok(isGranted("SELECT, SHOW", statement)));
}

test("a writer's data may say anything", () => {
  const insert = 'INSERT INTO otel.t FORMAT JSONEachRow\n{"a":"x; file(1) `url`(2)"}';
  assert.ok(isGranted("INSERT", insert));
});

test("a body beyond the limit is refused before it is read", () => {
  const code =
    "for n in (-1, server.LARGEST + 1):\n  try: server.within(n); print('read')\n  except server.Failure: print('refused')";
  assert.equal(python(code), "refused\nrefused\n");
});

test("no password stays in the environment that a query could read", () => {
  const code = `import json
sys.argv = ["-c", ""]
server.os.execve = lambda program, argv, environment: print(json.dumps(environment))
server.without_secrets(server.os.environ)
`;
  const retained = JSON.parse(
    python(code, { CLICKHOUSE_ADMIN_PASSWORD: "s3cret", CLICKHOUSE_DB: "otel" }),
  ) as Record<string, string>;
  assert.equal(retained["CLICKHOUSE_DB"], "otel");
  assert.ok(!JSON.stringify(retained).includes("s3cret"));
  assert.match(retained["SECRETS_FD"] ?? "", /^\d+$/);
});
