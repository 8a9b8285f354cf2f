import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import test from "node:test";
import type { Engine } from "../../scripts/docker/engine.ts";
import type { Context } from "../../scripts/state/context.ts";
import { assertDiskSpace, assertPortsFree } from "../../scripts/deploy/preflight.ts";
import type { Stack } from "../../scripts/stack/renderStack.ts";

const local = "unix:///var/run/docker.sock";
const remote = ["tcp://10.0.0.5:2376", "ssh://deploy@10.0.0.5"];

/** As much of an engine as says where it keeps its data, and that it publishes no port. */
const keepsIn = (path: string, endpoint = local) =>
  ({
    engine: {
      endpoint,
      dataRoot: async () => path,
      containers: async () => [],
      publisher: async () => undefined,
    } as Partial<Engine>,
  }) as Context;

test("a disk without space is refused with what it has and what it should have", async () => {
  // A file system that really has no free block, on every Linux.
  await assert.rejects(assertDiskSpace("build", keepsIn("/proc")), {
    code: "DISK_TOO_SMALL",
    message: "/proc: expected 5 GB free, got 0.0",
  });
});

test("an engine whose disk we cannot see is not refused for it", async () => {
  assert.equal(await assertDiskSpace("run", keepsIn("/nowhere/on/this/host")), false);
  // What is here under the same path is another host's.
  for (const endpoint of remote)
    assert.equal(await assertDiskSpace("build", keepsIn("/proc", endpoint)), false);
});

test("a port that is taken on this host is no reason to refuse an engine elsewhere", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  const ports = [{ host: "127.0.0.1", published: port, target: 1 }];
  const stack = { project: "p", environment: "prod", services: [{ name: "proxy", ports }] };
  const look = (endpoint: string) =>
    assertPortsFree(
      stack as unknown as Stack,
      [{ service: "proxy", action: "create", causes: [] }],
      keepsIn("/", endpoint),
    );
  await assert.rejects(look(local), { code: "PORT_TAKEN" });
  for (const endpoint of remote) await look(endpoint);
  server.close();
});
