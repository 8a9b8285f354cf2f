import { spawnSync } from "node:child_process";
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
}

export interface Registry {
  /** The reference under which the engine can pull the image from here. */
  readonly reference: string;
  /** How many blobs and manifests were asked for. */
  readonly asked: () => number;
  close(): void;
}

/**
 * Stands for an image registry, which is not to be had here: read-only, one image, as the
 * engine's own `docker save` lays it out. The engine trusts it as it is on 127.0.0.1.
 */
export async function registry(image: string): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), "registry-"));
  spawnSync("sh", ["-c", 'docker save "$1" | tar -x -C "$2"', "sh", image, folder]);
  const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as {
    manifests: Manifest[];
  };
  const manifest = index.manifests[0]!;
  const blob = (digest: string) => join(folder, "blobs", ...digest.split(":"));
  let asked = 0;
  const server = createServer((request, reply) => {
    const path = new URL(request.url ?? "/", "http://registry").pathname;
    if (path === "/v2/") return reply.writeHead(200).end("{}");
    asked += 1;
    const [, kind = "", wanted = ""] = /^\/v2\/probe\/(manifests|blobs)\/(.+)$/.exec(path) ?? [];
    const digest = kind === "manifests" && wanted === "1" ? manifest.digest : wanted;
    if (kind === "" || !digest.startsWith("sha256:") || !existsSync(blob(digest))) {
      const errors = [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }];
      return reply.writeHead(404).end(JSON.stringify({ errors }));
    }
    const type = kind === "manifests" ? manifest.mediaType : "application/octet-stream";
    const length = statSync(blob(digest)).size;
    const headers = { "content-type": type, "content-length": length };
    reply.writeHead(200, { ...headers, "docker-content-digest": digest });
    return request.method === "HEAD" ? reply.end() : createReadStream(blob(digest)).pipe(reply);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    reference: `127.0.0.1:${port}/probe:1`,
    asked: () => asked,
    close() {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
