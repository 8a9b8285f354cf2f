import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { dockerEngine } from "../../scripts/docker/dockerEngine.ts";
import { endpoint } from "../../scripts/docker/endpoint.ts";
import type { ComposeCall, Engine } from "../../scripts/docker/engine.ts";
import { Disk, folder } from "../simulation/disk.ts";
import { engineOn } from "../simulation/engineOn.ts";
import { SimulatedServers } from "../simulation/servers.ts";
import { World } from "../simulation/world.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";

import { docker } from "./workspace.ts";

// What the simulations take an engine for, said to a real one: each call of a script, and what
// can be seen after it. Where they differ a simulation is no evidence.

const project = "letta-h-simulation";
const retained = "letta-stack/retained:letta-h-simulation-";

const probe = docker("images", "--format", "{{.Repository}}:{{.Tag}}", "letta-stack/probe")
  .split("\n")
  .find(Boolean)!;

const stays = ["/bin/busybox", "sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"];

/** A job, a service, and one with a file that Compose copies in; as the stack's own are. */
function composeFile(label: string): string {
  const base = { image: probe, init: true, network_mode: "none", labels: { "test.label": label } };
  const healthcheck = {
    test: ["CMD", "/bin/busybox", "true"],
    interval: "1s",
    start_period: "3s",
    start_interval: "100ms",
  };
  return JSON.stringify({
    name: project,
    services: {
      job: { ...base, restart: "no", entrypoint: ["/bin/busybox", "true"] },
      web: {
        ...base,
        restart: "unless-stopped",
        entrypoint: stays,
        healthcheck,
        volumes: ["retained:/retained"],
      },
      filed: {
        ...base,
        restart: "unless-stopped",
        entrypoint: stays,
        healthcheck,
        configs: [{ source: "text", target: "/text" }],
      },
    },
    volumes: { retained: {} },
    configs: { text: { content: "a text" } },
  });
}

/** The same world for both: an engine, a file for it, and time that passes. */
interface Place {
  readonly engine: Engine;
  readonly call: ComposeCall;
  rewrite(text: string): void;
  wait(ms: number): Promise<void>;
}

const reported = (error: unknown) => (error as { statusCode?: number }).statusCode ?? "refused";

/** Says the script to an engine. @returns one line for each step: what was called, and seen */
async function observations({ engine, call, rewrite, wait }: Place): Promise<string[]> {
  const seen: string[] = [];
  /** Ids in the order in which they were first seen: "a" is the first. */
  const ids: string[] = [];
  const letter = (id: string) => {
    if (!ids.includes(id)) ids.push(id);
    return String.fromCharCode("a".charCodeAt(0) + ids.indexOf(id));
  };
  const look = async (after: string) => {
    const all = await engine.containers(project);
    const sorted = all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const lines = sorted.map((one) => {
      const { name, state, health, exitCode = "-", labels } = one;
      return `${letter(one.id)} ${name} ${state} ${health} ${exitCode} ${labels["test.label"]}`;
    });
    seen.push(`${after}: ${lines.join("; ") || "nothing"}`);
  };
  const id = async (service: string) =>
    (await engine.containers(project))
      .filter((one) => one.service === service)
      .sort((one, other) => (one.name < other.name ? -1 : 1))[0]!.id;
  const until = async (service: string, come: (state: string, health: string) => boolean) => {
    for (let tries = 0; tries < 100; tries += 1) {
      const { state, health } = await engine.inspect(await id(service));
      if (come(state, health)) return;
      await wait(100);
    }
    seen.push(`${service} did not come`);
  };
  const healthy = (_state: string, health: string) => health === "healthy";

  await look("at first");
  await engine.create(call, ["job", "web", "filed"]);
  await look("created");
  seen.push(`volumes ${(await engine.volumes(project)).join()}`);
  const owners = [...(await engine.volumeOwners())].filter(([, owner]) => owner === project);
  seen.push(`owned ${owners.map(([name]) => name).join()}`);
  await engine.start(await id("job"));
  await until("job", (state) => state === "exited");
  await engine.start(await id("web"));
  await until("web", healthy);
  await engine.startWithFiles(call, "filed");
  await until("filed", healthy);
  await look("started");
  await engine.start(await id("web"));
  await engine.startWithFiles(call, "filed");
  await look("started once more");
  const before = (await engine.inspect(await id("web"))).startedAt;
  await engine.stop(await id("web"), 5);
  await engine.stop(await id("web"), 5);
  await wait(1500);
  await look("stopped, and a while after");
  await engine.start(await id("web"));
  await until("web", healthy);
  const { startedAt, restarts } = await engine.inspect(await id("web"));
  seen.push(`started at another time: ${startedAt !== before}, restarts ${restarts}`);
  const old = await id("web");
  rewrite(composeFile("second"));
  await engine.create(call, ["web"]);
  await look("web created anew while it ran");
  seen.push(`inspect of what has gone: ${await engine.inspect(old).then(() => "there", reported)}`);
  seen.push(`start of what has gone: ${await engine.start(old).then(() => "there", reported)}`);
  await engine.stop(old, 1);
  await engine.remove(old);
  const none = engine.create(call, ["missing"]);
  seen.push(
    `create missing: ${await none.then(
      () => "done",
      () => "refused",
    )}`,
  );
  await engine.remove(await id("filed"));
  await look("filed removed while it ran");
  await engine.startWithFiles(call, "filed");
  await until("filed", healthy);
  await look("filed started where there is none");
  const image = await engine.image(probe);
  seen.push(`image ${image?.id === undefined ? "no" : "yes"}`);
  seen.push(`image by its id ${(await engine.image(image!.id))?.id === image!.id}`);
  seen.push(`image made for here ${image!.platform === (await engine.platform())}`);
  seen.push(`image no one has ${String(await engine.image("letta-h-simulation:none"))}`);
  await engine.tag(image!.id, `${retained}1`);
  await engine.tag(image!.id, `${retained}1`);
  const tagged = await engine.tagged(retained);
  const shown = tagged.map((one) => `${one.reference} ${one.id === image!.id}`);
  seen.push(`tagged ${shown.join()}`);
  await engine.untag(`${retained}1`);
  seen.push(`untagged ${(await engine.tagged(retained)).length}`);
  seen.push(`image stays ${(await engine.image(image!.id)) !== undefined}`);
  await engine.down(project, false);
  await look("down");
  seen.push(`volumes ${(await engine.volumes(project)).join()}`);
  await engine.create(call, ["web"]);
  await look("created again");
  await engine.scaleUp(call, "web");
  await look("another alongside it");
  await engine.remove(await id("web"));
  await engine.scaleUp(call, "web");
  await look("another alongside the one that is left");
  await engine.down(project, true);
  seen.push(`volumes ${(await engine.volumes(project)).join()}`);
  await engine.down(project, true);
  await look("down twice");
  return seen;
}

const secrets = {};

describe("an engine that is simulated, and the real one", () => {
  const directory = mkdtempSync(join(tmpdir(), "letta-h-simulation-"));
  const real = dockerEngine(endpoint(process.env), process.env);
  let expected: string[] = [];
  const clear = async () => {
    await real.down(project, true);
    for (const { reference } of await real.tagged(retained)) await real.untag(reference);
  };

  before(async () => {
    await clear();
    const file = join(directory, "compose.yaml");
    const rewrite = (text: string) => writeFileSync(file, text);
    rewrite(composeFile("first"));
    const wait = (ms: number) => sleep(ms);
    const call = { file, project, secrets };
    expected = await observations({ engine: real, call, rewrite, wait });
  });
  after(async () => {
    await clear();
    rmSync(directory, { recursive: true });
  });

  test("the simulation's engine shows what the real one shows, after each call", async () => {
    const disk = new Disk();
    disk.link("/simulated", folder());
    const world = new World(1, disk, 0);
    const servers = new SimulatedServers(project, world);
    const id = `sha256:${"7".repeat(64)}`;
    servers.names.set(probe, id);
    const file = "/simulated/compose.yaml";
    const rewrite = (text: string) => {
      const data = Buffer.from(text);
      disk.link(file, { kind: "file", data, durable: data });
    };
    rewrite(composeFile("first"));
    const engine = engineOn(servers);
    const wait = (ms: number) => world.sleep(ms);
    const call = { file, project, secrets };
    const seen = await world.until(
      world.begin([], () => observations({ engine, call, rewrite, wait })),
    );
    assert.deepEqual(seen, expected);
  });

  test("so does the one that the tests of scripts/rollout/ use", async () => {
    const engine = simulatedEngine({ images: [probe] });
    const file = join(directory, "simulated.yaml");
    const rewrite = (text: string) => writeFileSync(file, text);
    rewrite(composeFile("first"));
    const wait = () => Promise.resolve();
    const call = { file, project, secrets };
    // It knows of one container for each service, and no one there asks for another.
    const alone = (lines: string[]) => lines.filter((line) => !line.startsWith("another "));
    const seen = await observations({ engine, call, rewrite, wait });
    assert.deepEqual(alone(seen), alone(expected));
  });
});
