// An existing Letta 0.15.1 is moved into a stack with 0.16.8: each test goes on where the one before left off.
// OLD_POSTGRES names another image for its database, such as one of PostgreSQL 15.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { decryptSecret } from "../../scripts/database/storedSecrets.ts";
import { parseEnvFile } from "../../scripts/settings/envFile.ts";
import { assertNoSecrets } from "./invariants.ts";
import { builtImage, oldLetta, type OldLetta } from "./oldLetta.ts";
import { portsOf } from "./portsOf.ts";
import { prodWorkspace, type ProdWorkspace, type Reported } from "./prodWorkspace.ts";
import { docker } from "./workspace.ts";

let place: ProdWorkspace;
let old: OldLetta;
const name = "letta-test-adopt-old";
const from = ["--from", `container:${name}`];
/** A key that looks as if it were encrypted: Together's has 64 hex digits. */
const hexKey = "0123456789abcdef".repeat(4);
const headers = '{"Authorization": "Bearer of-the-mcp-server"}';
const agent = (label: string, more: object = {}) => ({
  name: label,
  model: "letta/letta-free",
  embedding: "letta/letta-free",
  memory_blocks: [{ label: "human", value: `Grüße, 世界: ${label}` }],
  ...more,
});

const adopt = (args: readonly string[], more: Readonly<Record<string, string>> = {}) =>
  place.tell("adopt", ["prod", "--yes", ...args], more);

interface Plan {
  readonly agents: number;
  readonly postgres: string;
  readonly rows: Record<string, number>;
  readonly secrets: { encrypted: number; plain: number; toWrite: number };
}
const planOf = ({ code, said }: Reported): Plan => {
  assert.equal(code, 0, JSON.stringify(said));
  return said["plan"] as Plan;
};

/** That it was refused, for which reason, and that nothing changed. */
async function refused(args: readonly string[], code: string, more = {}): Promise<Reported> {
  const databases = place.databases();
  const agents = await place.agents();
  const reported = await adopt(args, more);
  assert.equal(reported.said["code"], code, JSON.stringify(reported.said));
  assert.equal(reported.code, code === "USAGE" ? 2 : 3);
  assert.deepEqual(place.databases(), databases);
  assert.deepEqual(await place.agents(), agents);
  return reported;
}

/** Containers that a copy of the source, or a helper, would have left. */
const scratchContainers = () =>
  docker("ps", "--all", "--quiet", "--filter", "label=letta-stack.oneshot");

before(async () => {
  place = await prodWorkspace("adopt", portsOf("adopt"), { IMAGE_SOURCE: "local" });
  const deployed = await place.deploy("0.16.8");
  assert.equal(deployed.code, 0, JSON.stringify(deployed.said));
  old = await oldLetta(name, process.env["OLD_POSTGRES"] ?? builtImage("postgres", "17"));
  old.ask("POST /v1/agents/", agent("first", { tool_exec_environment_variables: { HEX: hexKey } }));
  old.ask("POST /v1/agents/", agent("second"));
  const { id } = old.ask("POST /v1/admin/orgs/", { name: "second" }) as { id: string };
  const user = old.ask("POST /v1/admin/users/", { name: "them", organization_id: id });
  // The base tools are the first organisation's alone.
  const theirs = agent("theirs", { include_base_tools: false });
  old.ask("POST /v1/agents/", theirs, (user as { id: string }).id);
  const organization = "org-00000000-0000-4000-8000-000000000000";
  // What 0.13 to 0.15.1 write without a key: plain text in both columns.
  old.psql(`INSERT INTO providers (id, name, provider_type, provider_category, api_key, api_key_enc, organization_id, is_deleted)
    VALUES ('provider-1', 'mine', 'together', 'byok', '${hexKey}', '${hexKey}', '${organization}', false)`);
  old.psql(`INSERT INTO mcp_server (id, server_name, server_type, server_url, custom_headers, custom_headers_enc, organization_id, is_deleted)
    VALUES ('mcp_server-1', 'mine', 'streamable_http', 'http://127.0.0.1:1', '${headers}', NULL, '${organization}', false)`);
});
after(async () => {
  old?.remove();
  await place?.remove();
});

test("without --from it lists what is here, and what it does not know is bad input", async () => {
  const { said } = await refused([], "USAGE");
  assert.ok((said["details"] as string[]).some((one) => one.includes(`container:${name} `)));
  for (const source of ["container:none", "volume:none", "dump:/none", "letta"])
    await refused(["--from", source], "USAGE");
});

test("the plan says what the source is, and changes nothing on either side", async () => {
  const databases = place.databases();
  const rows = old.psql("SELECT count(*) FROM agents");
  const plan = planOf(await place.tell("adopt", ["prod", ...from, "--dry-run"]));
  assert.equal(plan.agents, 3);
  assert.equal(plan.rows["agents"], 3);
  assert.deepEqual(plan.secrets, { encrypted: 0, plain: 3, toWrite: 3 });
  assert.deepEqual(place.databases(), databases);
  assert.deepEqual(await place.agents(), []);
  assert.equal(old.psql("SELECT count(*) FROM agents"), rows);
});

test("a running 0.15.1 without a key is moved in: agents, memory, and every secret under the stack's key", async () => {
  const reported = await adopt(from);
  assert.equal(reported.code, 0, JSON.stringify(reported.said));
  assert.deepEqual(await place.agents(), ["first", "second"]);
  assert.equal(reported.said["agents"], 3, "those of the second organisation were listed too");
  assert.match(JSON.stringify(await readBlocks("first")), /Grüße, 世界: first/u);
  const file = join(place.root, "env/prod.secrets.env");
  const { assignments } = parseEnvFile(readFileSync(file), file);
  const key = assignments.find((one) => one.name === "LETTA_ENCRYPTION_KEY")!.value;
  const stored = (table: string, column: string) =>
    place.psql(`SELECT ${column}_enc FROM ${table}`);
  assert.equal(await decryptSecret(stored("agent_environment_variables", "value"), key), hexKey);
  assert.equal(await decryptSecret(stored("mcp_server", "custom_headers"), key), headers);
  const ofProvider = place.psql("SELECT api_key_enc FROM providers WHERE id = 'provider-1'");
  assert.equal(await decryptSecret(ofProvider, key), hexKey);
  // The server itself reads what the tool wrote: one that it cannot read makes this list a 400.
  const { status, body } = await place.ask("GET /v1/agents/?limit=10");
  assert.equal(status, 200);
  assert.ok(body.includes(hexKey) && !body.includes("<encrypted>"));
  assert.equal(place.psql("SELECT count(*) FROM pg_namespace WHERE nspname = 'letta'"), "0");
  const retained = place.databases().filter((one) => one.includes("_retained_"));
  assert.equal(retained.length, 1);
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(verified.code, 0, JSON.stringify(verified.said));
  assert.equal((old.ask("GET /v1/agents/") as unknown[]).length, 2, "the old server goes on");
  assertNoSecrets(place);
});

async function readBlocks(agentName: string): Promise<unknown> {
  const { body } = await place.ask("GET /v1/agents/?limit=10");
  const found = (JSON.parse(body) as { id: string; name: string }[]).find(
    (one) => one.name === agentName,
  )!;
  return JSON.parse((await place.ask(`GET /v1/agents/${found.id}/core-memory/blocks`)).body);
}

test("a newer state of the same source replaces the trial", async () => {
  old.ask("POST /v1/agents/", agent("third"));
  const reported = await adopt(from);
  assert.equal(reported.code, 0, JSON.stringify(reported.said));
  assert.deepEqual(await place.agents(), ["first", "second", "third"]);
});

test("agents that only the stack has are not replaced by the way", async () => {
  await place.write("of the stack");
  const { said } = await refused(from, "ADOPTION_REFUSED");
  assert.deepEqual(said["refusals"], ["agents-in-target"]);
  assert.match(String(said["next"]), /--replace/u);
});

test("its dumps are read, custom and SQL, apart from the stack; a cut one is refused", async () => {
  for (const format of ["custom", "plain"]) {
    const path = join(place.root, `${format}.dump`);
    const inside = `/tmp/${format}.dump`;
    docker(
      "exec",
      name,
      "pg_dump",
      "-h",
      "127.0.0.1",
      "-U",
      "letta",
      `--format=${format}`,
      "-f",
      inside,
      "letta",
    );
    docker("cp", `${name}:${inside}`, path);
    const dumped = ["--from", `dump:${path}`, "--replace", "--dry-run"];
    assert.equal(planOf(await adopt(dumped)).agents, 4, format);
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, Math.floor(whole.length / 2)));
    await refused(dumped, "BACKUP_DAMAGED");
  }
  assert.equal(scratchContainers(), "");
});

test("a database's address is read from the environment, and its password is nowhere printed", async () => {
  const address = docker("inspect", "-f", "{{.NetworkSettings.Networks.bridge.IPAddress}}", name);
  old.psql(
    "CREATE SCHEMA of_others; CREATE TABLE of_others.secret (a int); CREATE ROLE reader LOGIN PASSWORD 'of-the-reader'",
  );
  old.psql(
    "GRANT USAGE ON SCHEMA letta TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA letta TO reader",
  );
  const ADOPT_PG_URI = `postgresql://reader:of-the-reader@${address}:5432/letta`;
  const plan = planOf(await adopt(["--from", "uri", "--replace", "--dry-run"], { ADOPT_PG_URI }));
  assert.equal(plan.agents, 4);
  assert.equal(plan.rows["secret"], undefined);
  const wrong = await refused(["--from", "uri", "--replace"], "ADOPTION_REFUSED", {
    ADOPT_PG_URI: ADOPT_PG_URI.replace("of-the-reader", "wrong-password"),
  });
  assert.match(JSON.stringify(wrong.said["details"]), /authentication failed/u);
  assert.doesNotMatch(place.said(), /of-the-reader|wrong-password/u);
});

test("of a stopped one, its volume and what it wrote, a copy is read; not a byte changes", async () => {
  old.stop();
  const digest = old.dataDigest();
  for (const source of [`container:${name}`, `volume:${name}-data`]) {
    const plan = planOf(await adopt(["--from", source, "--replace", "--dry-run"]));
    assert.equal(plan.agents, 4, source);
  }
  assert.equal(old.dataDigest(), digest);
  assert.equal(scratchContainers(), "");
  const reported = await adopt([...from, "--replace"]);
  assert.equal(reported.code, 0, JSON.stringify(reported.said));
  assert.deepEqual(await place.agents(), ["first", "second", "third"]);
  assert.equal(old.dataDigest(), digest);
});

test("what it replaced comes back by the restore that it names", async () => {
  const { said } = await place.tell("history", ["prod"]);
  const [event] = said["events"] as { command: string; outcome: string }[];
  assert.equal(`${event?.command} ${event?.outcome}`, "adopt done");
  const undo = place.newestGood()!.backup!;
  const back = await place.tell("restore", ["prod", undo, "--yes"]);
  assert.equal(back.code, 0, JSON.stringify(back.said));
  assert.deepEqual(await place.agents(), ["first", "of the stack", "second", "third"]);
});
