import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Docker from "dockerode";
import { execOnce } from "../../scripts/docker/runInContainer.ts";

test(
  "a command that the engine refuses to start leaves no connection open",
  { timeout: 10_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), "engine-"));
    const socketPath = join(folder, "docker.sock");
    const left = Promise.withResolvers<void>();
    // An engine whose container goes between the two questions.
    const engine = createServer((request, reply) => {
      const isStart = request.url?.endsWith("/start") === true;
      request.resume();
      if (isStart) request.socket.once("close", () => left.resolve());
      reply.writeHead(isStart ? 404 : 201, { "content-type": "application/json" });
      reply.end(isStart ? '{"message":"No such container"}' : '{"Id":"one"}');
    }).listen(socketPath);
    engine.keepAliveTimeout = 0; // as dockerd, it waits for the client
    await once(engine, "listening");
    await assert.rejects(
      execOnce(new Docker({ socketPath }), "gone", ["true"]),
      /No such container/,
    );
    await left.promise;
    engine.close();
    engine.closeAllConnections();
    rmSync(folder, { recursive: true });
  },
);
