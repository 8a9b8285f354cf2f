import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { test } from "node:test";
import {
  describeFiles,
  planAdoption,
  type AdoptionFacts,
} from "../../scripts/deploy/adoptionPlan.ts";
import {
  choosePlace,
  openSource,
  parseSource,
  planContainer,
  plainUri,
  type SourceTools,
} from "../../scripts/deploy/adoptionSource.ts";
import { folder } from "../state/folder.ts";
import { Problem } from "../../scripts/common/problem.ts";
import {
  listArchive,
  type FoundContainer,
  type SourceEngine,
} from "../../scripts/docker/sourceEngine.ts";

const container = (parts: Partial<FoundContainer> = {}): FoundContainer => ({
  id: "c1",
  name: "letta",
  image: "letta/letta:0.15.1",
  imageId: "sha256:1",
  state: "running",
  environment: { POSTGRES_USER: "letta", POSTGRES_PASSWORD: "letta", POSTGRES_DB: "letta" },
  mounts: [],
  labels: {},
  ...parts,
});
const withSet = (more: Record<string, string>, parts: Partial<FoundContainer> = {}) =>
  container({ environment: { ...container().environment, ...more }, ...parts });
const internal = "postgresql://letta:letta@127.0.0.1:5432/letta";

test("a source is named by its kind; a database's address is no argument", () => {
  assert.deepEqual(parseSource("container:letta"), { kind: "container", name: "letta" });
  assert.deepEqual(parseSource("dump:/a:b.dump"), { kind: "dump", name: "/a:b.dump" });
  assert.deepEqual(parseSource("uri"), { kind: "uri", name: "" });
  for (const text of ["letta", "container:", "postgresql://u:pw123@h/db"]) {
    assert.throws(
      () => parseSource(text),
      (error: Problem) => {
        assert.equal(error.exit, 2);
        assert.ok(!`${error.message}${error.details.join()}`.includes("pw123"));
        return true;
      },
    );
  }
});

test("a running server is asked where it keeps its own data", () => {
  assert.deepEqual(planContainer(container()), { how: "ask", uris: [internal] });
  const outside = "postgresql+pg8000://u:p@db:5432/letta";
  assert.deepEqual(planContainer(withSet({ LETTA_PG_URI: outside })), {
    how: "ask",
    uris: ["postgresql://u:p@db:5432/letta"],
  });
  // Compose up to 0.7.14 sets the parts, and the server does not read them: the agents tell.
  const parts = withSet({ LETTA_PG_HOST: "letta_db", LETTA_PG_USER: "a b" });
  assert.deepEqual(planContainer(parts), {
    how: "ask",
    uris: ["postgresql://a%20b:letta@letta_db:5432/letta", internal],
  });
});

test("of a container that is stopped the data directory is copied, where it is its own", () => {
  const stopped = { state: "exited" };
  assert.deepEqual(planContainer(container(stopped)), {
    how: "copy",
    path: "/var/lib/postgresql/data",
  });
  assert.deepEqual(planContainer(withSet({ PGDATA: "/data/pg" }, stopped)), {
    how: "copy",
    path: "/data/pg",
  });
  assert.equal(
    planContainer(withSet({ LETTA_PG_URI: "postgresql://u:p@db/l" }, stopped)).how,
    "refuse",
  );
  assert.equal(
    planContainer(
      withSet({ LETTA_PG_URI: "postgresql://letta:letta@localhost:5432/letta" }, stopped),
    ).how,
    "copy",
  );
});

test("a container that is paused answers nothing and is refused", () => {
  const plan = planContainer(container({ state: "paused" }));
  assert.equal(plan.how === "refuse" && plan.next, "docker unpause letta");
});

test("the driver in an address is SQLAlchemy's own", () => {
  assert.equal(plainUri(" postgres+asyncpg://h/d\n"), "postgresql://h/d");
});

const place = (database: string, schema: string, agents: number) => ({
  place: { database, schema, agents },
});

test("the one place with agents is taken, and of several none is guessed", () => {
  const [empty, full] = [place("letta", "public", 0), place("letta", "letta", 3)];
  assert.equal(choosePlace([empty, full], undefined, "it"), full);
  assert.equal(choosePlace([empty], undefined, "it"), empty);
  const other = place("other", "public", 1);
  assert.throws(() => choosePlace([full, other], undefined, "it"), { code: "ADOPTION_REFUSED" });
  assert.equal(choosePlace([full, other], "letta", "it"), full);
  assert.throws(() => choosePlace([], undefined, "it"), { code: "ADOPTION_REFUSED" });
  assert.throws(() => choosePlace([full], "none", "it"), { code: "ADOPTION_REFUSED" });
});

const engine = (containers: FoundContainer[], volumes: string[] = []) =>
  ({
    container: (name: string) => Promise.resolve(containers.find((one) => one.name === name)),
    containers: () => Promise.resolve(containers),
    hasVolume: (name: string) => Promise.resolve(volumes.includes(name)),
    read: () => Promise.resolve(undefined),
  }) as unknown as SourceEngine;

const open = (from: string, sources: SourceEngine, more: Partial<SourceTools> = {}) =>
  openSource(parseSource(from), {
    sources,
    schema: undefined,
    postgres: "pg",
    hides: () => undefined,
    ...more,
  } as SourceTools);

test("a source that does not exist is bad input", async () => {
  for (const from of ["container:none", "volume:none", "compose:none", "dump:/none"])
    await assert.rejects(open(from, engine([])), { code: "USAGE", exit: 2 });
  await assert.rejects(open("uri", engine([]), { uri: "mysql://h/d" }), { code: "USAGE" });
});

test("data that a running container uses is read by that container alone", async () => {
  const mounts = [{ source: "pgdata", destination: "/var/lib/postgresql/data" }];
  const running = container({ mounts });
  const refusal = { code: "ADOPTION_REFUSED", next: /--from container:letta$/u };
  await assert.rejects(open("volume:pgdata", engine([running], ["pgdata"])), refusal);
  const stopped = container({ name: "old", state: "exited", mounts });
  await assert.rejects(open("container:old", engine([running, stopped])), refusal);
});

/** A tar archive with one file. */
function archiveOf(text: string) {
  const header = Buffer.alloc(512);
  header.write(text.length.toString(8).padStart(11, "0"), 124);
  return Readable.from([Buffer.concat([header, Buffer.from(text.padEnd(512, "\0"))])]);
}

test("a copy of a volume is started with an image that reads it, whatever else mounts it", async () => {
  const mounts = [{ source: "pgdata", destination: "/data" }];
  const stopped = { mounts, state: "exited" };
  const versions: Record<string, string> = {
    "sha256:backup": "",
    "sha256:older": "postgres (PostgreSQL) 14.9",
    "sha256:own": "postgres (PostgreSQL) 15.4 (Debian 15.4-2.pgdg120+1)",
    "pgvector/pgvector:pg15": "postgres (PostgreSQL) 15.4",
  };
  const context = {
    engine: {
      run: ({ image }: { image: string }) =>
        Promise.resolve({ code: versions[image] ? 0 : 127, stdout: versions[image] ?? "" }),
    },
    reporter: { step: (_: string, work: () => unknown) => work() },
  } as unknown as SourceTools["context"];
  const imageOf = async (...imageIds: string[]) => {
    const started: string[] = [];
    const users = imageIds.map((imageId) => container({ ...stopped, imageId }));
    const sources: SourceEngine = {
      ...engine(users, ["pgdata"]),
      images: () => Promise.resolve(["pgvector/pgvector:pg15"]),
      read: () => Promise.resolve(archiveOf("15\n")),
      scratch: (image) => {
        started.push(image);
        return Promise.reject(new Error("far enough"));
      },
    };
    await assert.rejects(open("volume:pgdata", sources, { context }), { message: "far enough" });
    return started;
  };
  assert.deepEqual(await imageOf("sha256:backup", "sha256:older", "sha256:own"), ["sha256:own"]);
  assert.deepEqual(await imageOf("sha256:backup"), ["pgvector/pgvector:pg15"]);
  assert.deepEqual(await imageOf(), ["pgvector/pgvector:pg15"]);
});

test("a volume without a database, and a transaction pooler, are refused", async () => {
  await assert.rejects(open("volume:v", engine([], ["v"])), { message: /PG_VERSION/u });
  const pooler = "postgresql://u:p@pooler.example:6543/postgres";
  await assert.rejects(open("uri", engine([]), { uri: pooler }), {
    code: "ADOPTION_REFUSED",
    exit: 3,
  });
});

const unescaped = ["pa#ss@word", "100%sure", "12/34567", "12?34567", "12#34567"];

test("an address whose password is not percent-encoded is refused, and quoted nowhere", async () => {
  for (const password of unescaped) {
    const uri = `postgresql://u:${password}@h/db`;
    const isQuiet = ({ message, details, next }: Problem) =>
      assert.ok(![message, ...details, next].join().includes(password));
    await assert.rejects(open("uri", engine([]), { uri }), (error: Problem) => {
      assert.deepEqual([error.code, error.exit], ["USAGE", 2], password);
      assert.match(error.message, /percent-encode/u);
      isQuiet(error);
      return true;
    });
    const running = withSet({ LETTA_PG_URI: uri });
    await assert.rejects(open("container:letta", engine([running])), (error: Problem) => {
      assert.deepEqual([error.code, error.exit], ["ADOPTION_REFUSED", 3], password);
      assert.match(error.message, /container letta.*percent-encode/u);
      isQuiet(error);
      return true;
    });
  }
});

test("what a container keeps secret is hidden before anything is asked of it", async () => {
  const hidden: string[] = [];
  const set = {
    LETTA_PG_URI: "postgresql+asyncpg://u:of%23db@h/letta",
    LETTA_ENCRYPTION_KEY: "of-the-key",
    POSTGRES_PASSWORD: "postgres",
  };
  const paused = withSet(set, { state: "paused" });
  const hides = (more: readonly string[]) => void hidden.push(...more);
  await assert.rejects(open("container:letta", engine([paused]), { hides }));
  for (const one of [set.LETTA_PG_URI, "of%23db", "of#db", "of-the-key"])
    assert.ok(hidden.includes(one), one);
  assert.ok(!hidden.includes("postgres"));
});

test("a Compose project's server is found, and several are not guessed among", async () => {
  const labels = { "com.docker.compose.project": "old" };
  const paused = container({ labels, state: "paused" });
  const database = container({ name: "db", image: "ankane/pgvector", labels, environment: {} });
  await assert.rejects(open("compose:old", engine([database, paused])), {
    message: /letta is paused/u,
  });
  await assert.rejects(open("compose:old", engine([paused, { ...paused, name: "second" }])), {
    message: /expected one Letta server/u,
  });
});

const history = [
  { id: "a", down: [], title: "" },
  { id: "54dec07619c4", down: ["a"], title: "" },
  { id: "b", down: ["54dec07619c4"], title: "" },
  { id: "567e9fe06270", down: ["b"], title: "" },
  { id: "c", down: ["567e9fe06270"], title: "" },
];

const facts = (
  parts: Partial<AdoptionFacts> = {},
  source: Partial<AdoptionFacts["source"]> = {},
): AdoptionFacts => ({
  description: "container letta",
  isLive: false,
  source: {
    database: "letta",
    schema: "letta",
    agents: 2,
    postgres: "15.18",
    cluster: "1",
    revision: ["b"],
    rows: { agents: 2, passages: 5 },
    bytes: 1,
    vector: { version: "0.5.1", schema: "letta" },
    agentIds: ["agent-1", "agent-2"],
    organizations: [{ id: "org", user: "user", agents: 2 }],
    providers: [],
    ...source,
  },
  secrets: { updates: [], unreadable: [], encrypted: 0, plain: 0 },
  hasSourceKey: false,
  hasStackKey: true,
  history,
  target: { database: "letta", postgres: "17.5", cluster: "2", agentIds: [] },
  accepted: [],
  replaces: false,
  ...parts,
});

/** The reasons it is refused for. */
function refusals(parts: Partial<AdoptionFacts>, source: Partial<AdoptionFacts["source"]> = {}) {
  try {
    planAdoption(facts(parts, source));
    return [];
  } catch (error) {
    assert.ok(error instanceof Problem && error.exit === 3, String(error));
    assert.equal((error.facts["refusals"] as string[]).length, error.details.length);
    return error.facts["refusals"] as string[];
  }
}

test("a source that the stack's server knows is planned: migrations, rows, secrets", () => {
  const plan = planAdoption(facts());
  assert.deepEqual([plan.migrations, plan.heads, plan.agents, plan.setAside], [2, ["c"], 2, []]);
});

test("what a migration drops is reported, or refused until it is accepted by name", () => {
  assert.deepEqual(refusals({}, { revision: ["a"] }), ["loss"]);
  assert.deepEqual(refusals({ accepted: ["archival-memory"] }, { revision: ["a"] }), []);
  assert.deepEqual(refusals({}, { revision: ["a"], rows: { agents: 2, passages: 0 } }), []);
  const { notes } = planAdoption(facts({}, { rows: { job_messages: 3 } }));
  assert.match(notes.join(), /drops 3 rows/u);
});

test("refused: another revision, a newer PostgreSQL, the stack itself, each reason at once", () => {
  assert.deepEqual(refusals({}, { revision: ["z"] }), ["unknown-revision"]);
  assert.deepEqual(refusals({}, { revision: [] }), ["unknown-revision"]);
  assert.deepEqual(refusals({}, { postgres: "18.1" }), ["newer-postgres"]);
  assert.deepEqual(refusals({}, { cluster: "2" }), ["same-database"]);
  assert.deepEqual(refusals({}, { cluster: "2", database: "other" }), []);
  assert.deepEqual(refusals({}, { revision: ["z"], postgres: "18.1" }), [
    "newer-postgres",
    "unknown-revision",
  ]);
});

test("refused: secrets that nothing reads, and encrypted ones where the stack has no key", () => {
  const secrets = { updates: [], unreadable: ["providers.api_key of p"], encrypted: 1, plain: 0 };
  assert.deepEqual(refusals({ secrets }), ["unreadable-secrets"]);
  assert.deepEqual(refusals({ secrets: { ...secrets, unreadable: [] }, hasStackKey: false }), [
    "no-stack-key",
  ]);
});

test("agents that only the stack has are set aside on request alone; those of a trial are the source's own", () => {
  const target = { ...facts().target, agentIds: ["agent-1", "agent-9"] };
  assert.deepEqual(refusals({ target }), ["agents-in-target"]);
  assert.deepEqual(planAdoption(facts({ target, replaces: true })).setAside, ["agent-9"]);
  assert.deepEqual(refusals({ target: { ...target, agentIds: ["agent-2"] } }), []);
});

test("files that stay behind are named by what they are for, without a venv and logs", () => {
  const file = (path: string) => ({ path, bytes: 1_000_000 });
  const paths = [
    "config",
    "logs/a.log",
    "mcp_config.json",
    "tool_execution_dir/a.txt",
    "memfs/repository/o/a/repo.git/HEAD",
  ];
  const lines = describeFiles([...paths, "tool_execution_dir/venv/bin/python"].map(file));
  assert.deepEqual(
    lines.map((one) => one.replace(/ \(.*/u, "")),
    [
      "memfs/: 1 files, 1.0 MB",
      "mcp_config.json: 1 files, 1.0 MB",
      "tool_execution_dir/: 1 files, 1.0 MB",
    ],
  );
  assert.deepEqual(describeFiles([]), []);
});

test("a tar archive's files are listed, however it is cut into chunks", async () => {
  const place = folder();
  mkdirSync(join(place, "a/b"), { recursive: true });
  writeFileSync(join(place, "a/b/c.txt"), "x".repeat(1500));
  writeFileSync(join(place, "a/empty"), "");
  const tar = spawnSync("tar", ["--format=ustar", "-C", place, "-c", "."]).stdout;
  for (const size of [1, 511, 512, 700, tar.length]) {
    const chunks = Array.from({ length: Math.ceil(tar.length / size) }, (_, index) =>
      tar.subarray(index * size, (index + 1) * size),
    );
    const found = await listArchive(Readable.from(chunks));
    assert.deepEqual(
      found.toSorted((one, other) => (one.path < other.path ? -1 : 1)),
      [
        { path: "a/b/c.txt", bytes: 1500 },
        { path: "a/empty", bytes: 0 },
      ],
    );
  }
});
