import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import test, { after, before } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { pausedRequests } from "../fakes/load/pausedRequests.ts";
import { loadFigures, fakeServerStreams, startLoad } from "../fakes/load/requestLoad.ts";
import { spansOfLoad } from "../fakes/load/spansOfLoad.ts";
import { certificateAuthority } from "../fakes/otlp/certificateAuthority.ts";
import { gateway } from "../fakes/otlp/collector.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { Story } from "./story.ts";
import { containerIds, docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// Requests at an even rate through the proxy while prod is changed, and streams of six seconds:
// none may fail, none may be cut.
const firstPort = portsOf("strategies");
let place: FakeServerWorkspace;

before(async () => {
  place = await fakeServerWorkspace("strategies", firstPort, {
    PROXY_PUBLISH_HOST: "0.0.0.0",
    OTEL_SAMPLING_PERCENT: "100",
  });
  const { code, stderr } = await place.deploy("1.0.0");
  assert.equal(code, 0, stderr);
});
after(() => place.remove());

/** What the proxy had to complain about, and the deploy's steps with their times. */
function complaints(): string {
  const { stderr } = spawnSync("docker", ["logs", containerIds(place.project)["proxy"]!]);
  const errors = stderr
    .toString()
    .split("\n")
    .filter((one) => one.includes('"level":"error"'));
  const steps = place.journal().slice(-40);
  return [
    ...errors.slice(-5),
    ...steps.map((one) => `${one.at} ${one.step} ${one.event}`),
    "",
  ].join("\n");
}

/** Which of these have no span in the sink, when all that are under way have had the time to come. */
async function withoutSpan(answered: readonly string[]): Promise<string[]> {
  assert.ok(
    answered.some((one) => one.includes("-f")),
    "streams are among them",
  );
  for (const until = performance.now() + 20_000; ; await sleep(500)) {
    const there = spansOfLoad(place.project);
    const missing = answered.filter((one) => !there.has(one));
    if (missing.length === 0 || performance.now() > until) return missing;
  }
}

/** Does something under load. @returns what the load and the command came to */
async function underLoad<Result>(work: () => Promise<Result>) {
  const load = startLoad({
    proxyUrl: `https://127.0.0.1:${firstPort}`,
    password: place.password,
    perSecond: 20,
    streams: fakeServerStreams(6),
  });
  try {
    const result = await work();
    const seen = await load.stop();
    const figures = loadFigures(seen);
    if (Object.keys(figures.failed).length > 0) process.stderr.write(complaints());
    const answered = seen.flatMap(({ name, outcome }) => (outcome === 200 ? (name ?? []) : []));
    return { result, figures, unseen: await withoutSpan(answered) };
  } finally {
    await load.stop();
  }
}

test("another version with the same schema takes over next to the old one, and no request fails", async () => {
  const { result, figures, unseen } = await underLoad(() => place.deploy("1.1.0"));
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.said["strategy"], "blue-green");
  assert.deepEqual(figures.failed, {});
  assert.deepEqual(unseen, []);
  assert.equal(figures.again, 0, "nothing reloads the proxy here");
  assert.ok(figures.requests > 20);
  assert.equal(await place.version(), "1.1.0");
});

test("a migration that the old server bears is waited for, the new one's boot is not", async () => {
  const { result, figures, unseen } = await underLoad(() => place.deploy("2.0.0"));
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.said["strategy"], "blue-green");
  const { downtimeSeconds, expectedPauseSeconds } = result.said;
  const late = Number(downtimeSeconds) - Number(expectedPauseSeconds);
  // A stream of six seconds may be waited for.
  assert.ok(
    late < 8 && late > -3,
    `${String(expectedPauseSeconds)} s reported, ${String(downtimeSeconds)} s`,
  );
  assert.deepEqual(figures.failed, {});
  assert.deepEqual(unseen, []);
  assert.equal(figures.again, 0, "nothing reloads the proxy here");
});

test("a rollback to an older version on the newer schema is too", async () => {
  const { result, figures, unseen } = await underLoad(() => place.rollback());
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.said["databaseStrategy"], "keep");
  assert.deepEqual(figures.failed, {});
  assert.deepEqual(unseen, []);
  assert.equal(figures.again, 0, "nothing reloads the proxy here");
  assert.equal(await place.version(), "1.1.0");
});

test("a version that does not become healthy goes back, and no request fails", async () => {
  const { result, figures, unseen } = await underLoad(() =>
    place.deploy("6.0.0", [], { SERVER_TIMEOUT: "4s" }),
  );
  assert.notEqual(result.code, 0);
  assert.deepEqual(figures.failed, {});
  assert.deepEqual(unseen, []);
  assert.equal(figures.again, 0, "nothing reloads the proxy here");
  assert.deepEqual(await place.version(), "1.1.0");
});

test("settings of the server, the collector and the proxy change without a failed request", async () => {
  const settings = { LETTA_DEBUG: "true", OTEL_BATCH_SIZE: "512", PROXY_MAX_BODY: "32MB" };
  const { result, figures, unseen } = await underLoad(() => place.deploy("1.1.0", [], settings));
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual(figures.failed, {});
  assert.deepEqual(unseen, []);
});

test("a certificate of one's own, and then a renewed one, is taken up without a failed request", async () => {
  const folder = dirname(place.root);
  for (const which of ["first", "renewed"]) {
    const { certificate } = certificateAuthority(folder, "letta.test");
    const files = {
      PROXY_CERT_FILE: join(folder, "server.pem"),
      PROXY_KEY_FILE: join(folder, "server.key"),
    };
    const { result, figures, unseen } = await underLoad(() => place.deploy("1.1.0", [], files));
    assert.equal(result.code, 0, result.stderr);
    assert.deepEqual(figures.failed, {}, which);
    assert.deepEqual(unseen, [], which);
    const socket = connect({ host: "127.0.0.1", port: firstPort, rejectUnauthorized: false });
    await once(socket, "secureConnect");
    const shown = socket.getPeerX509Certificate()!;
    socket.destroy();
    assert.equal(shown.fingerprint256, new X509Certificate(certificate).fingerprint256, which);
  }
});

test("four thousand requests that wait at the same time are all answered", async () => {
  const story = new Story(place);
  const from = place.journal().length;
  const held = join(place.root, "all wait");
  const untilAllWait = [`until [ -e '${held}' ]; do sleep 0.2; done`];
  // The old server fails on the renamed column, which the rehearsal finds.
  await story.withHook("pre-migrate", untilAllWait, async () => {
    const running = place.start("deploy", ["prod", "4.0.0", "--yes", "--json"], {
      HOOK_TIMEOUT: "110s", // four thousand handshakes take a slow machine more than the usual minute
    });
    await story.begins(/^hook pre-migrate/, from, running);
    // Not by loopback, where each connection takes six files of the engine's own proxy.
    const { answers } = await pausedRequests(`https://${gateway()}:${firstPort}`, 4000);
    writeFileSync(held, "");
    assert.deepEqual(await answers, { "200": 4000 });
    const deployed = story.ends(await story.reported(running), 0);
    assert.equal(deployed["strategy"], "pause");
  });
});

test("one server is left, and a proxy that is started again finds it", async () => {
  const services = docker(
    "ps",
    "-a",
    "--filter",
    `label=com.docker.compose.project=${place.project}`,
    "--format",
    '{{.Label "com.docker.compose.service"}}',
  );
  assert.equal(services.split("\n").filter((one) => one === "server").length, 1);
  docker("restart", containerIds(place.project)["proxy"]!);
  const found = await place.run("verify", ["prod"]);
  assert.equal(found.code, 0, found.stdout + found.stderr);
});

test("a proxy that takes no configuration any more keeps no server away", async () => {
  const version = await place.version();
  const proxy = containerIds(place.project)["proxy"]!;
  // The settings that make it take over; the rollback gets the same.
  docker("exec", proxy, "/probe/busybox", "rm", "/tmp/admin.sock");
  const changed = { LETTA_DEBUG: "true", PROXY_MAX_BODY: "16MB" };
  const refused = await place.deploy(version, [], changed);
  assert.equal(refused.code, 5, refused.stderr);
  assert.match(JSON.stringify(refused.said), /proxy rejected its new configuration/);
  assert.equal(await place.version(), version);
  docker("restart", proxy);
  const { code, stderr } = await place.deploy(version, [], changed);
  assert.equal(code, 0, stderr);
});
