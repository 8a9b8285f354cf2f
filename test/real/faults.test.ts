// Faults of the catalogue that operators meet while a rollout is under way, on the real engine.
// One stack lives through all of them, its state on a small file system of its own.
import assert from "node:assert/strict";
import { longTest } from "./longTest.ts";
import { spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, type IncomingHttpHeaders } from "node:http2";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import test, { after, before } from "node:test";
import { breakingDisk, type BreakingDisk } from "../fakes/breakingDisk.ts";
import { fromEnv } from "../fakes/fromEnv.ts";
import { bombs } from "../fakes/otlp/bombs.ts";
import { clockOff, clockThatGoesBack } from "./clocks.ts";
import type { Check } from "../../scripts/checks/verify.ts";
import { Story, type Said } from "./story.ts";
import { takeConnections } from "./takeConnections.ts";
import { docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

let story: Story;
/** Below the state directory. */
let disk: BreakingDisk;

before(async () => {
  story = await Story.begin("faults", portsOf("faults"));
  disk = breakingDisk(join(story.place.root, ".stack"));
  story.ends(await story.place.deploy("1.0.0"), 0);
  await story.write();
});
after(() => story?.remove());

const fill = () => join(story.place.root, ".stack", "fill");
/** To the last block: what is written much at a time is refused while there are some left. */
const filling = () => {
  const append = `dd if=/dev/zero of='${fill()}' bs=1k oflag=append conv=notrunc`;
  return `(cat /dev/zero > '${fill()}'; ${append}) 2> /dev/null`;
};

test("2: closing the reader of a deploy does not end it", async () => {
  const { place } = story;
  const from = place.journal().length;
  const running = place.start("deploy", ["prod", "1.1.0", "--yes"]);
  await story.begins(/^start new server/, from, running);
  running.child.stderr!.destroy();
  running.child.stdout!.destroy();
  assert.equal((await running.ended).code, 0);
  await story.assertInvariants("1.1.0");
  story.ends(await place.deploy("1.0.0"), 0);
});

longTest(
  "2: a terminal that is closed in the middle leaves the previous server serving",
  async () => {
    const { place } = story;
    story.ends(await place.deploy("1.1.0"), 0);
    const from = place.journal().length;
    const words = fromEnv(["1.0.0", "--yes"], place.environment).join(" ");
    const terminal = spawn("script", ["-qec", `npm run deploy:prod -- ${words}`, "/dev/null"], {
      cwd: place.root,
      env: { ...process.env, ...place.environment },
      stdio: ["pipe", "ignore", "ignore"],
    });
    await story.begins(/^start new server/, from);
    terminal.kill("SIGKILL");
    await story.begins(/^$/, from, undefined, "failed");
    assert.match(place.journal().at(-1)!.message!, /^interrupted: .* 1\.1\.0 serves again/);
    await story.assertInvariants("1.1.0");
    story.ends(await place.deploy("1.0.0"), 0);
  },
);

longTest("7: a clock that is set back by a day in the middle holds nothing up", async () => {
  const { place } = story;
  story.ends(await place.deploy("1.1.0"), 0);
  const [previous] = place.releases();
  story.ends(await place.deploy("1.0.0", [], { NODE_OPTIONS: clockThatGoesBack }), 0);
  assert.equal(Number(place.newestGood()!.id), Number(previous!.id) + 1);
  await story.assertInvariants("1.0.0");
});

longTest(
  "7: a clock that is a day off the engine's, and another time zone, change no order",
  async () => {
    const { place } = story;
    const [previous] = place.releases();
    const ahead = { NODE_OPTIONS: clockOff(1), TZ: "Pacific/Kiritimati" };
    story.ends(await place.deploy("1.1.0", [], ahead), 0);
    story.ends(await place.tell("backup", ["prod"], ahead), 0);
    const behind = { NODE_OPTIONS: clockOff(-1), TZ: "America/St_Johns" };
    story.ends(await place.deploy("1.0.0", [], behind), 0);
    story.ends(await place.tell("backup", ["prod"], behind), 0);
    assert.equal(Number(place.newestGood()!.id), Number(previous!.id) + 2);
    const back = story.ends(await place.rollback([], behind), 0);
    assert.equal(back["tag"], "1.1.0", "the release before is the one that was deployed before");
    story.ends(await place.deploy("1.0.0"), 0);
    await story.assertInvariants("1.0.0");
  },
);

longTest("14: a server that runs out of memory after it was verified is taken back", async () => {
  const { place } = story;
  const from = place.journal().length;
  const little = { SERVER_MEMORY: "96m", BAKE_TIME: "60s" };
  const running = place.start("deploy", ["prod", "1.1.0", "--yes", "--json"], little);
  await story.begins(/^bake for/, from, running);
  const server = story.container("server");
  // The kernel kills the process with the highest score, not the last one to allocate.
  const mark = "for one in /proc/[0-9]*; do echo 1000 > $one/oom_score_adj; done";
  docker("exec", server, "sh", "-c", mark);
  spawnSync("docker", ["exec", server, "python3", "-c", "retained = bytearray(512 << 20)"]);
  const said = story.ends(await story.reported(running), 4, "ROLLED_BACK");
  assert.match(said.details.join("\n"), /server: /);
  await story.assertInvariants("1.0.0");
});

test("19: an idle session in the way of a migration is named, and nothing is half done", async () => {
  const { place } = story;
  await story.write();
  const idle = story.session("BEGIN; TABLE agents;");
  await story.until("state = 'idle in transaction'");
  const said = story.ends(await place.deploy("2.0.0"), 3, "CONFIRMATION_NEEDED");
  assert.match(said.details.join("\n"), /pid \d+, .*idle in transaction since/);
  idle.stdin.end();
  assert.equal(place.revision(), "r1");
  await story.assertInvariants("1.0.0");
});

test("19: psql opened while a deploy migrates makes it fail, and does not strand its rollback", async () => {
  const { place } = story;
  await story.write();
  const from = place.journal().length;
  const running = place.start("deploy", ["prod", "4.0.0", "--yes", "--json"]);
  await story.begins(/^create migrate/, from, running);
  const psql = story.session("BEGIN; TABLE agents;");
  const said = story.ends(await story.reported(running), 4, "ROLLED_BACK");
  assert.match(said.details.join("\n"), /blocked by pid \d+, letta, psql/);
  const steps = place
    .journal()
    .slice(from)
    .map(({ detail }) => detail ?? "");
  assert.match(steps.join("\n"), /^ended sessions: pid \d+, letta, psql, idle in transaction/m);
  psql.stdin.end();
  await story.assertInvariants("1.0.0");
  assert.equal(place.revision(), "r1");
});

longTest("a database whose connections are all taken for a while is waited for", async () => {
  const { place } = story;
  const taken = await takeConnections(story.container("postgres"), 12, "letta_admin");
  story.ends(await place.deploy("1.1.0"), 0);
  assert.notEqual(taken.exitCode, null, "it waited for none of them");
  await story.assertInvariants("1.1.0");
  story.ends(await place.deploy("1.0.0"), 0);
});

test("18: Postgres killed in the middle of a migration's statement is started and taken back", async () => {
  const { place } = story;
  await story.write();
  const from = place.journal().length;
  const running = place.start("deploy", ["prod", "2.0.0", "--yes", "--json"]);
  await story.begins(/^migrations/, from, running);
  const locking = story.session("BEGIN; LOCK TABLE agents;");
  await story.until("wait_event_type = 'Lock' AND query LIKE 'ALTER TABLE agents%'");
  docker("kill", story.container("postgres"));
  story.ends(await story.reported(running), 4, "ROLLED_BACK");
  locking.kill();
  await story.assertInvariants("1.0.0");
  assert.equal(place.revision(), "r1");
});

test("11: a registry that has had enough of us is no reason to touch anything", async () => {
  let asked = 0;
  const server = createServer((_, reply) => {
    asked += 1;
    reply.writeHead(429, { "retry-after": "1" }).end('{"errors":[{"code":"TOOMANYREQUESTS"}]}');
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const image = `127.0.0.1:${(server.address() as AddressInfo).port}/server`;
  const refused = await story.untouched(() =>
    story.place.deploy("1.1.0", [], { LETTA_IMAGE: image, IMAGE_SOURCE: "pull" }),
  );
  server.close();
  server.closeAllConnections();
  story.ends(refused, 3, "IMAGE_UNAVAILABLE");
  assert.ok(asked > 0, "it was never asked");
});

test("16: all parts, killed at once and started in the wrong order, come back by themselves", async () => {
  const { place } = story;
  await story.write();
  const order = ["proxy", "server", "collector", "postgres"].map((one) => story.container(one));
  docker("kill", ...order);
  for (const id of order) docker("start", id);
  // As after a reboot: no one but the engine starts anything again.
  while ((await place.tell("verify", ["prod"])).code !== 0) await sleep(200);
  await story.assertInvariants("1.0.0");
});

longTest(
  "26: telemetry that does not arrive keeps no one from deploying or going back",
  async () => {
    const { place } = story;
    const before = await place.version();
    const image = docker("inspect", "-f", "{{.Image}}", story.container("permissions"));
    const volume = `${place.project}_telemetry:/telemetry`;
    const work = ["--workdir", "/telemetry", "--entrypoint", "/bin/busybox", image, "sh", "-ec"];
    const inTelemetry = (script: string) =>
      docker(
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        volume,
        ...work,
        `bb=/bin/busybox; ${script}`,
      );
    const degraded = ({ checks }: Said) =>
      (checks as unknown as Check[])
        .filter((one) => one.outcome === "failed")
        .map((one) => one.name);
    // The collector goes on writing into its files, and no one finds them where they should be.
    inTelemetry("$bb mkdir away; $bb mv *.json away");
    const next = before === "1.0.0" ? "1.1.0" : "1.0.0";
    const deployed = degraded(story.ends(await place.deploy(next), 0));
    assert.ok(deployed.includes("canary trace"), `after the deploy: ${deployed.join()}`);
    // One that has no space for its queue does not even start.
    inTelemetry("$bb mv queue away; $bb touch queue");
    docker("kill", story.container("collector"));
    const back = degraded(story.ends(await place.rollback(), 0));
    assert.ok(back.includes("collector healthy"), `after the rollback: ${back.join()}`);
    inTelemetry("$bb rm queue; $bb rm -f *.json; $bb mv away/* .; $bb rmdir away");
    story.ends(await place.deploy(before), 0);
    await story.assertInvariants(before);
  },
);

test("32: spans that are malformed, huge, too many or a bomb end no collector", async () => {
  const { place } = story;
  const started = () =>
    docker("inspect", "-f", "{{.State.StartedAt}} {{.RestartCount}}", story.container("collector"));
  const before = started();
  const url = `http://127.0.0.1:${place.environment["OTEL_HTTP_PORT"]}/v1/traces`;
  const post = async (
    body: string | Uint8Array<ArrayBuffer>,
    more: Record<string, string> = {},
  ) => {
    const headers = { "content-type": "application/json", ...more };
    const { status } = await fetch(url, { method: "POST", headers, body });
    return status;
  };
  const spans = (count: number, value: string) => {
    const ids = { traceId: "ab".repeat(16), spanId: "cd".repeat(8) };
    const at = String(Date.now() * 1e6);
    const span = { ...ids, name: "load", startTimeUnixNano: at, endTimeUnixNano: at };
    const attributes = [{ key: "much", value: { stringValue: value } }];
    const all = Array.from({ length: count }, () => ({ ...span, attributes }));
    return JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: all }] }] });
  };
  for (const malformed of ["", "{", '{"resourceSpans":7}', "\0".repeat(1000)])
    assert.equal(await post(malformed), 400, malformed.slice(0, 30));
  assert.equal(await post(spans(1, "x".repeat(5_000_000))), 200);
  const thousand = spans(1000, "some");
  for (let sent = 0; sent < 100; sent += 1) assert.equal(await post(thousand), 200);
  assert.equal(await post(spans(1, "x".repeat(40_000_000))), 400, "more than 32 MiB");
  for (const [encoding, make] of Object.entries(bombs)) {
    const bomb = make();
    const refused = await post(new Uint8Array(bomb), { "content-encoding": encoding });
    assert.equal(refused, 400, `${encoding} by HTTP`);
    const status = await exportByGrpc(place.environment["OTEL_GRPC_PORT"]!, encoding, bomb);
    assert.match(status, /^(?:8|13)$/, `${encoding} by gRPC`); // too much, not unpacked
  }
  assert.equal(await post(thousand), 200, "it still takes what it can");
  assert.equal(started(), before, "the collector was started again");
  await story.assertInvariants("1.0.0");
});

/** @returns the status that the call ends with */
async function exportByGrpc(port: string, encoding: string, message: Buffer): Promise<string> {
  const session = connect(`http://127.0.0.1:${port}`);
  const call = session.request({
    ":method": "POST",
    ":path": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "content-type": "application/grpc",
    te: "trailers",
    "grpc-encoding": encoding,
  });
  const head = Buffer.alloc(5, 1); // compressed
  head.writeUInt32BE(message.length, 1);
  let status = "none";
  const note = (headers: IncomingHttpHeaders) =>
    (status = String(headers["grpc-status"] ?? status));
  call.on("response", note).on("trailers", note).resume();
  call.end(Buffer.concat([head, message]));
  await once(call, "close");
  session.destroy();
  return status;
}

test("6: a state directory that is full is refused, and what it had stays whole", async () => {
  const { place } = story;
  const before = place.releases();
  spawnSync("sh", ["-c", filling()]);
  const refused = await story.untouched(() => place.deploy("1.1.0"));
  const said = story.ends(refused, 3, "STATE_UNUSABLE");
  assert.match(said["message"]!, /ENOSPC/);
  assert.deepEqual(place.releases(), before);
  rmSync(fill());
  await story.assertInvariants("1.0.0");
});

longTest(
  "6: one that fills up while no server runs does not keep the previous one from serving",
  async () => {
    const { place } = story;
    // What fails first may be a line before the migration or one after it.
    const hook = [filling(), "exit 0"];
    const failed = await story.withHook("pre-migrate", hook, () => place.deploy("2.0.0"));
    assert.match(story.ends(failed, 4, "ROLLED_BACK").details.join("\n"), /ENOSPC/);
    await story.serves("1.0.0");
    rmSync(fill());
    await story.assertInvariants("1.0.0");
  },
);

test("6: a state directory whose disk breaks is reported as that, while the previous server serves", async () => {
  const { place } = story;
  const broken = await story.untouched(() =>
    story.withHook("pre-deploy", [disk.breaking], () => place.deploy("1.1.0")),
  );
  await disk.quarantine();
  const said = story.ends(broken, 3, "STATE_UNUSABLE");
  assert.match(said["message"]!, /^EIO: .*journal\.jsonl/);
  await story.assertInvariants("1.0.0");
});

longTest(
  "6: one whose disk breaks while no server runs does not keep the previous one from serving",
  async () => {
    const { place } = story;
    await story.write();
    const hook = [disk.breaking];
    const failed = await story.withHook("pre-migrate", hook, () => place.deploy("2.0.0"));
    await story.serves("1.0.0");
    await disk.quarantine();
    assert.match(story.ends(failed, 4, "ROLLED_BACK")["message"]!, /EIO: /);
    // On a disk that works the next command puts in order what could not be written down.
    story.ends(await place.deploy("1.0.0"), 0);
    await story.assertInvariants("1.0.0");
  },
);

test("13: volumes that have come to be another user's are their parts' own again, and whole", async () => {
  const { place } = story;
  // As after a move to another machine: nothing runs, and someone unpacked an archive.
  docker("compose", "-p", place.project, "down");
  const ofProject = `label=com.docker.compose.project=${place.project}`;
  const volumes = docker("volume", "ls", "-q", "--filter", ofProject).split("\n");
  assert.ok(volumes.includes(`${place.project}_letta`), volumes.join());
  const mounts = docker("volume", "inspect", "-f", "{{.Mountpoint}}", ...volumes).split("\n");
  assert.equal(spawnSync("chown", ["-R", "4321:4321", ...mounts]).status, 0);
  story.ends(await place.deploy("1.0.0"), 0);
  await story.assertInvariants("1.0.0");
});

longTest("what serves on a newer schema is deployed again with nothing to do", async () => {
  const { place } = story;
  story.ends(await place.deploy("2.0.0"), 0);
  const back = story.ends(await place.rollback(["1.0.0"]), 0);
  const again = await story.untouched(() => place.deploy("1.0.0"));
  assert.equal(story.ends(again, 0)["release"], back["release"]);
  assert.equal(place.newestGood()!.id, back["release"]);
  await story.assertInvariants("1.0.0");
});
