// A server that is asked for more than it can do, and sessions of others on its database, while
// releases take its place: on the real engine, through the real proxy.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import test, { after, before } from "node:test";
import type { Check } from "../../scripts/checks/verify.ts";
import { portsOf } from "./portsOf.ts";
import { Story } from "./story.ts";
import { docker } from "./workspace.ts";

let story: Story;

before(async () => {
  story = await Story.begin("overload", portsOf("overload"));
  story.ends(await story.place.deploy("1.0.0"), 0);
  await story.write();
});
after(() => story?.remove());

/** The fake server has sixteen connections at once: with 1.5 s each it can do 10.7 requests a second. */
const seconds = 1.5;
const perSecond = 16;
/** Further clients give up: each costs the port's docker-proxy six files. */
const mostAtOnce = 100;

const slowly = `CREATE FUNCTION slowly() RETURNS event_trigger LANGUAGE plpgsql AS $$
  BEGIN IF inet_client_addr() IS NOT NULL THEN PERFORM pg_sleep(${seconds}); END IF; END $$;
  CREATE EVENT TRIGGER slowly ON login EXECUTE FUNCTION slowly();
  ALTER EVENT TRIGGER slowly ENABLE ALWAYS`;

/** Requests at an even rate, whatever becomes of those before. @returns ends it */
function overload(): () => Promise<void> {
  const pending = new Set<Promise<unknown>>();
  const timer = setInterval(() => {
    if (pending.size >= mostAtOnce) return;
    const asked: Promise<unknown> = story.place
      .ask("GET /v1/agents/?limit=1")
      .catch(() => undefined)
      .finally(() => pending.delete(asked));
    pending.add(asked);
  }, 1000 / perSecond);
  return async () => {
    clearInterval(timer);
    await Promise.all(pending);
  };
}

test("at 150 % of what the server can do a deploy is refused, and where it goes on it is not rolled back", async () => {
  const { place } = story;
  place.psql(slowly);
  const end = overload();
  try {
    // Until a client waits longer than the tool does.
    const limit = performance.now() + 120_000;
    for (let waited = 0; waited < 7000;) {
      assert.ok(performance.now() < limit, "it was never overloaded");
      const begun = performance.now();
      await place.ask("GET /v1/agents/?limit=1").catch(() => undefined);
      waited = performance.now() - begun;
    }
    const refused = await story.untouched(() => place.deploy("1.1.0"));
    const said = story.ends(refused, 3, "CONFIRMATION_NEEDED");
    assert.match(said.details.join("\n"), /reads failed: .*no answer within 5 s/);
    assert.match(said["next"]!, /--despite-failures/);
    // Whether its checks got through the overload differs; it stays either way, and says which.
    const forced = await place.deploy("1.1.0", ["--despite-failures"]);
    const checks = (forced.said["checks"] ?? []) as Check[];
    const failed = checks.filter(
      (one) => one.outcome === "failed" && one.description !== "telemetry",
    );
    if (forced.code === 0) assert.deepEqual(failed, []);
    else story.ends(forced, 5, "UNCHANGED_FAILURES");
  } finally {
    place.psql("DROP EVENT TRIGGER slowly; DROP FUNCTION slowly");
    await end();
  }
  await story.assertInvariants("1.1.0");
});

/** Clients that connect again at once, until they are asked to end. */
function connectAgain(): () => void {
  const postgres = story.container("postgres");
  const psql = "PGAPPNAME=exporter psql -U letta -d letta -qAtc 'SELECT pg_sleep(60)'";
  const loop = `rm -f /tmp/ended; while [ ! -e /tmp/ended ]; do ${psql}; done`;
  const child = spawn("docker", ["exec", postgres, "sh", "-c", loop], { stdio: "ignore" });
  return () => {
    docker("exec", postgres, "touch", "/tmp/ended");
    const ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity";
    story.place.psql(`${ends} WHERE application_name = 'exporter'`, "postgres");
    child.unref();
  };
}

test("psql opened while a deploy fails, and a client that connects again at once, do not strand the rollback", async () => {
  const { place } = story;
  const from = place.journal().length;
  // The migration fails for real only: the rehearsal has not met this table.
  const hook = [
    `docker exec ${story.container("postgres")} psql -U letta -d letta -c 'CREATE TABLE notes ()'`,
  ];
  await story.withHook("pre-migrate", hook, async () => {
    const running = place.start("deploy", ["prod", "2.0.0", "--yes", "--json"], {
      DEPLOY_STRATEGY: "pause",
    });
    await story.begins(/^snapshot database/, from, running, "done");
    const idle = story.session("SELECT 1;");
    const end = connectAgain();
    try {
      story.ends(await story.reported(running), 4, "ROLLED_BACK");
    } finally {
      end();
      idle.stdin.end();
    }
  });
  const swapped = place.journal().find((one) => one.step.startsWith("restore snapshot"));
  assert.ok(swapped, "it did not swap the databases");
  place.psql("DROP TABLE notes");
  assert.equal(place.revision(), "r1");
  await story.assertInvariants("1.1.0");
});

test("sessions are named before anything is touched, and ended where that is allowed", async () => {
  const { place } = story;
  const end = connectAgain();
  await story.until("application_name = 'exporter'");
  try {
    const refused = await story.untouched(() => place.deploy("2.0.0"));
    const said = story.ends(refused, 3, "CONFIRMATION_NEEDED");
    assert.match(said.details.join("\n"), /pid \d+, letta, exporter/);
    assert.match(said["next"]!, /--end-sessions/);
    story.ends(await place.deploy("2.0.0", ["--end-sessions"]), 0);
  } finally {
    end();
  }
  await story.assertInvariants("2.0.0");
});
