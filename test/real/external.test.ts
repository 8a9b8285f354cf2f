// A database outside the stack, on the real PostgreSQL: through a role without privileges, over TLS, and
// what is informed of it before anything is touched.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { assertAllows, assertDatabase, lackText } from "../../scripts/database/assertDatabase.ts";
import { externalServer } from "../../scripts/database/sql.ts";
import { dockerEngine } from "../../scripts/docker/dockerEngine.ts";
import { endpoint } from "../../scripts/docker/endpoint.ts";
import { fakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { portsOf } from "./portsOf.ts";
import { Story } from "./story.ts";
import { docker } from "./workspace.ts";

const container = "letta-test-external-postgres";
const password = "external12345";
const engine = dockerEngine(endpoint(process.env), process.env);
let story: Story;
/** The engine's own gateway: containers of every network reach this host's ports there. */
const address = docker(
  "network",
  "inspect",
  "bridge",
  "-f",
  "{{range .IPAM.Config}}{{.Gateway}}{{end}}",
);
const port = String(portsOf("external") + 100);
let image = "";

const psql = (statement: string, database = "postgres") =>
  docker(
    "exec",
    container,
    "psql",
    "-U",
    "postgres",
    "-d",
    database,
    "-qAtX",
    "-v",
    "ON_ERROR_STOP=1",
    "-c",
    statement,
  );
const uri = (query = "", role = "letta", database = "letta") =>
  `postgresql://${role}:${password}@${address}:${port}/${database}${query}`;
const server = (of: string) => externalServer(engine, { uri: of, image, network: "bridge" });
const outside = (query = "?sslmode=require") => ({ LETTA_PG_URI: uri(query) });

before(async () => {
  const format = "{{.Repository}}:{{.Tag}}";
  [image = ""] = docker("images", "letta-stack/postgres", "--format", format).split("\n");
  spawnSync("docker", ["rm", "-f", "-v", container]);
  // The certificate that Debian's package makes.
  const tls = {
    ssl: "on",
    ssl_cert_file: "/etc/ssl/certs/ssl-cert-snakeoil.pem",
    ssl_key_file: "/etc/ssl/private/ssl-cert-snakeoil.key",
    fsync: "off",
  };
  const options = Object.entries(tls).flatMap((pair) => ["-c", pair.join("=")]);
  const flags = ["--init", "--name", container, "--tmpfs", "/var/lib/postgresql/data"];
  const environment = ["-e", `POSTGRES_PASSWORD=${password}`, "-e", `PGPORT=${port}`];
  docker("run", "-d", "--network", "host", ...flags, ...environment, image, ...options);
  const asked = ["exec", "-e", `PGPASSWORD=${password}`, container, "psql", "-h", address];
  const answers = () => spawnSync("docker", [...asked, "-U", "postgres", "-c", "SELECT 1"]).status;
  while (answers() !== 0) await sleep(100);
  psql(`CREATE ROLE letta LOGIN NOSUPERUSER NOCREATEDB NOREPLICATION PASSWORD '${password}'`);
  psql("CREATE DATABASE letta OWNER letta");
  psql("CREATE EXTENSION vector", "letta");
  story = await Story.begin("external", portsOf("external"));
});
after(async () => {
  await story?.remove();
  spawnSync("docker", ["rm", "-f", "-v", container]);
});

test("what an external database lacks is recognised by name, and nothing where all is there", async () => {
  const judged = async (of: string) => {
    const found = await assertDatabase(server(of), "here");
    return { ...found, limits: assertAllows(found, ["deploy", "write", "migrate", "dump"]) };
  };
  const { limits, mayCopy, mayRestore } = await judged(uri("?sslmode=require"));
  assert.deepEqual([mayCopy, mayRestore], [false, false]);
  assert.match(limits.map(lackText).join("\n"), /CREATEDB for letta, got none/);
  psql("ALTER ROLE letta CREATEDB");
  const able = await judged(uri("?sslmode=require"));
  // pgvector before 0.9 is no trusted extension: a copy of a dump would lack it, one of a template has it.
  assert.equal(able.mayCopy, true);
  const others = able.limits.map(lackText).filter((one) => !one.includes("extension vector"));
  assert.deepEqual(others, []);
  const plain = await judged(uri("?sslmode=disable&keepalives_idle=9"));
  const reported = plain.limits.map(lackText).join("\n");
  assert.match(reported, /an encrypted connection, got plain text/);
  assert.match(reported, /psql and pg_dump know, got keepalives_idle/);
  psql("ALTER ROLE letta NOCREATEDB");
});

test("what cannot work is refused with its cause", async () => {
  const refusal = (of: string) =>
    assertDatabase(server(of), "here")
      .then((found) => assertAllows(found, ["deploy", "write"]))
      .then(
        () => assert.fail("expected a refusal"),
        (error: Error & { details: string[] }) => [error.message, ...error.details].join("\n"),
      );
  assert.match(await refusal(uri("?sslmode=verify-full&sslrootcert=/no/ca.pem")), /sslrootcert/);
  assert.match(await refusal(uri("", "letta", "none")), /expected the database to exist/);
  assert.match(await refusal(uri("?target_session_attrs=read-only")), /target_session_attrs/);
  psql("CREATE DATABASE bare OWNER letta");
  psql("ALTER DATABASE bare SET search_path = nowhere");
  const bare = await refusal(uri("", "letta", "bare"));
  assert.match(bare, /a schema for its tables, got none of search_path \(nowhere\)/);
  assert.match(bare, /the extension vector in bare, got none/);
  psql("DROP DATABASE bare");
  psql("ALTER ROLE letta SET default_transaction_read_only = on");
  assert.match(await refusal(uri()), /can be written, got sessions that are read-only/);
  psql("ALTER ROLE letta RESET default_transaction_read_only; ALTER ROLE letta CONNECTION LIMIT 3");
  assert.match(await refusal(uri()), /5 connections left, got [0-3] of 3/);
  psql("ALTER ROLE letta CONNECTION LIMIT -1");
});

test("through a role without privileges a stack is deployed, backed up, migrated and rolled back", async () => {
  const { place } = story;
  story.ends(await place.deploy("1.0.0", [], outside()), 0);
  await story.write();
  const backup = await place.tell("backup", ["prod"], outside());
  story.ends(backup, 0);
  assert.equal((backup.said["backup"] as { verified: unknown }).verified, null);

  const planned = await place.tell("deploy", ["prod", "2.0.0", "--dry-run"], outside());
  const { database } = planned.said as { database: { limits: { expected: string }[] } };
  assert.ok(database.limits.some((one) => one.expected === "CREATEDB for letta"));
  story.ends(await place.deploy("2.0.0", [], outside()), 0);
  await story.serves("2.0.0");
  await story.write();

  const refused = story.ends(await place.rollback([], outside()), 3, "ROLLBACK_UNSAFE");
  assert.match(refused.details.join("\n"), /restore \(impossible\)/);
  const back = await place.rollback(["--database", "keep"], outside());
  story.ends(back, 0);
  await story.serves("1.0.0");
  story.ends(await place.deploy("2.0.0", [], outside()), 0);
  await story.serves("2.0.0");

  const restore = await place.tell("restore", ["prod", "--yes"], outside());
  const { next } = story.ends(restore, 3, "DATABASE_REFUSED");
  assert.match(next!, /ALTER ROLE "letta" CREATEDB/);
  const names = psql("SELECT datname FROM pg_database WHERE NOT datistemplate ORDER BY 1");
  assert.deepEqual(names.split("\n"), ["letta", "postgres"]);
});

test("6: another installation on the same database reads who deploys there, and that it is not its own", async () => {
  const { place } = story;
  const other = await fakeServerWorkspace("external-other", portsOf("external") + 120);
  const deployed = () => other.tell("deploy", ["prod", "2.0.0", "--yes"], outside());
  try {
    const goOn = join(place.root, "go-on");
    const waiting = [`while [ ! -e '${goOn}' ]; do sleep 0.1; done`];
    await story.withHook("pre-deploy", waiting, async () => {
      const from = place.journal().length;
      const running = place.start("deploy", ["prod", "3.0.0", "--yes", "--json"], outside());
      await story.begins(/^hook pre-deploy/, from, running);
      const { message } = story.ends(await deployed(), 6, "LOCKED");
      assert.match(
        message!,
        /^deploy:prod \S+@\S+ \w{8}.* holds the lock of the database letta since/,
      );
      writeFileSync(goOn, "");
      story.ends(await story.reported(running), 0);
    });
    const { details } = story.ends(await deployed(), 3, "STATE_MISMATCH");
    assert.match(details.join("\n"), /^database letta, release \d{6}, made by installation/m);
    const label = `label=com.docker.compose.project=${other.project}`;
    assert.equal(docker("ps", "-aq", "--filter", label), "");
    await story.serves("3.0.0");
  } finally {
    await other.remove();
  }
});
