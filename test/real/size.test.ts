import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { portsOf } from "./portsOf.ts";

// A database of 3 GB: how long requests are paused alongside one of 0.1 GB, what is informed of that before,
// and every long database operation interrupted. Ten minutes on two cores.
let place: FakeServerWorkspace;
let smallPause = 0;

before(async () => {
  place = await fakeServerWorkspace("size", portsOf("size"));
  const { code, stderr } = await place.deploy("1.0.0");
  assert.equal(code, 0, stderr);
  fill("small", 0.1);
});
after(() => place.remove());

/** Adds rows of two kilobytes to one of the server's tables, which compress about ten to one. */
function fill(name: string, gigabytes: number): void {
  const text = "md5(n::text) || md5('a' || n) || md5('b' || n) || md5('c' || n) || md5('d' || n)";
  place.psql(
    `INSERT INTO blocks (id, label, value) SELECT '${name}-' || n, 'human', repeat(${text}, 12)
      FROM generate_series(1, ${Math.floor(gigabytes * 490_000)}) n`,
  );
}

const seconds = (reported: Readonly<Record<string, unknown>>, key: string) => {
  assert.equal(typeof reported[key], "number", `${key}: ${JSON.stringify(reported[key])}`);
  return reported[key] as number;
};

/** The databases that a run makes for itself alone. */
const scratch = () =>
  place.databases().filter((name) => /_(making|rehearsal|verification)/.test(name));

test("a migrating deploy at 0.1 GB pauses requests for as long as it reported before", async () => {
  const { code, said, stderr } = await place.deploy("2.0.0");
  assert.equal(code, 0, stderr);
  assert.equal(said["strategy"], "overlap");
  smallPause = seconds(said, "downtimeSeconds");
  assert.ok(Math.abs(seconds(said, "expectedPauseSeconds") - smallPause) < 2);
  const back = await place.rollback(["--database", "downgrade"]);
  assert.equal(back.code, 0, back.stderr);
  for (const name of place.databases().filter((one) => one.includes("retained")))
    place.psql(`DROP DATABASE ${name}`, "postgres");
  fill("large", 2.9);
});

/** What a deploy does for minutes, by what it has shown when that begins. */
const long = [
  ["the dump", /✓ preflight/, "SIGINT"],
  ["the restore that verifies it", /✓ back up database/, "SIGTERM"],
  ["the copy that is timed", /✓ verify the dump/, "SIGINT"],
] as const;

for (const [name, begins, signal] of long) {
  test(`${signal} ends ${name} of 3 GB within seconds, and leaves nothing of it`, async () => {
    const { child, ended } = place.start("deploy", ["prod", "2.0.0", "--yes"]);
    let narrated = "";
    const interrupted = new Promise<number>((resolve) => {
      child.stderr!.on("data", (chunk: Buffer) => {
        narrated += chunk.toString();
        if (!begins.test(narrated)) return;
        narrated = "";
        // Into the middle of it: nothing else is to be seen of the operation itself.
        setTimeout(() => {
          child.kill(signal);
          resolve(performance.now());
        }, 1500);
      });
    });
    const at = await interrupted;
    const { code, stderr } = await ended;
    const took = (performance.now() - at) / 1000;
    assert.equal(code, 3, stderr);
    assert.ok(took < 10, `${took.toFixed(1)} s\n${stderr}`);
    assert.deepEqual(scratch(), []);
    const ours =
      "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'letta-stack %'";
    assert.equal(place.psql(ours, "postgres"), "0");
    assert.equal(await place.version(), "1.0.0");
  });
}

test("at 3 GB it pauses them no longer where the old server stays", async () => {
  const { code, said, stderr } = await place.deploy("2.0.0");
  assert.equal(code, 0, stderr);
  assert.equal(said["strategy"], "overlap");
  const pause = seconds(said, "downtimeSeconds");
  assert.ok(Math.abs(pause - smallPause) < 2, `${pause} s, ${smallPause} s at 0.1 GB`);
});

test("a rollback that was not rehearsed is refused within five seconds", async () => {
  // Its rehearsal is of 1.0.0 on r2; going on to r3 makes 1.0.0 one that no one has tried.
  const { code, said, stderr } = await place.deploy("3.0.0");
  assert.equal(code, 0, stderr);
  const reported = seconds(said, "expectedPauseSeconds");
  const pause = seconds(said, "downtimeSeconds");
  // The old server stops, so the copy is under the pause, and all of it is reported.
  assert.ok(
    Math.abs(reported - pause) <= Math.max(0.2 * pause, 2),
    `${reported} s reported, ${pause} s`,
  );
  const refused = await place.rollback(["1.0.0"]);
  assert.equal(refused.code, 3, refused.stderr);
  assert.equal(refused.said["code"], "ROLLBACK_UNSAFE");
  assert.ok(seconds(refused.said, "seconds") < 5);
});
