import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { containerIds, docker, workspace } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// A database outside the stack: a real PostgreSQL that the stack knows by its address alone.
const place = workspace("database", portsOf("database"));
const port = String(portsOf("database") + 90);
const outside = "letta-test-outside";
const gateway = () =>
  docker("network", "inspect", "bridge", "-f", "{{(index .IPAM.Config 0).Gateway}}");
const uri = (user: string, password: string, name = "letta") =>
  `postgresql://${user}:${password}@${gateway()}:${port}/${name}`;
const psql = (...statements: string[]) =>
  docker(
    "exec",
    outside,
    "psql",
    "-U",
    "letta",
    "-d",
    "letta",
    ...statements.flatMap((one) => ["-c", one]),
  );

async function up(LETTA_PG_URI: string) {
  const ran = await place.run("up", ["dev", "--yes", "--json"], { LETTA_PG_URI });
  const said = JSON.parse(ran.stdout) as Record<string, unknown> & { details: string[] };
  const everything = ran.stdout + ran.stderr;
  assert.ok(!everything.includes(new URL(LETTA_PG_URI).password), "the password was shown");
  return { code: ran.code, said };
}

before(async () => {
  const built = await place.run("images", ["build", "postgres", "--yes"]);
  assert.equal(built.code, 0, built.stderr);
  const [image = ""] = docker(
    "images",
    "letta-stack/postgres",
    "--format",
    "{{.Repository}}:{{.Tag}}",
  ).split("\n");
  const settings = [
    "-e",
    "POSTGRES_USER=letta",
    "-e",
    "POSTGRES_DB=letta",
    "-e",
    "POSTGRES_PASSWORD=outside12345",
  ];
  docker("run", "-d", "--name", outside, "-p", `${gateway()}:${port}:5432`, ...settings, image);
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      docker(
        "exec",
        "-e",
        "PGPASSWORD=outside12345",
        outside,
        "psql",
        "-h",
        "127.0.0.1",
        "-U",
        "letta",
        "-d",
        "letta",
        "-c",
        "SELECT 1",
      );
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
});
after(async () => {
  await place.remove();
  docker("rm", "-f", "-v", outside);
});

const refusals: [string, () => string, RegExp][] = [
  [
    "a server that is not there",
    () => uri("letta", "outside12345").replace(port, String(portsOf("database") + 99)),
    /expected a server that answers/,
  ],
  ["a wrong password", () => uri("letta", "wrong1234567"), /expected the password to be right/],
  [
    "a database that does not exist",
    () => uri("letta", "outside12345", "nowhere"),
    /expected the database to exist/,
  ],
  [
    "a missing vector extension",
    () => uri("letta", "outside12345"),
    /expected the extension vector/,
  ],
];
for (const [what, address, words] of refusals) {
  test(`${what} is refused in its own words before anything starts`, async () => {
    const { code, said } = await up(address());
    assert.equal(code, 3);
    assert.equal(said["code"], "DATABASE_REFUSED");
    assert.match(String(said["message"]), words);
    assert.deepEqual(containerIds(place.project), {});
  });
}

test("a user without the right to create tables is refused", async () => {
  psql("CREATE EXTENSION vector", "CREATE ROLE guest LOGIN PASSWORD 'guest1234567'");
  const { code, said } = await up(uri("guest", "guest1234567"));
  assert.equal(code, 3);
  assert.match(String(said["message"]), /expected the right to create tables/);
});

test("a password that breaks the URI is refused with its place", async () => {
  const { code, said } = await up(uri("letta", "has%23inside12"));
  assert.equal(code, 2);
  assert.match(said.details.join("\n"), /process environment: LETTA_PG_URI: expected/);
});

test("with a fitting database the stack comes up on it, without a Postgres of its own", async () => {
  const { code, said } = await up(uri("letta", "outside12345"));
  assert.equal(code, 0, JSON.stringify(said));
  assert.ok(!("postgres" in containerIds(place.project)));
  assert.match(psql("SELECT count(*) FROM alembic_version"), /1/);
});
