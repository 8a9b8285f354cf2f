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
  /** The reference under which the engine can pull an image from here, such as "probe:1". */
  reference(name: string): string;
  /** How many blobs and manifests were asked for. */
  readonly asked: () => number;
  close(): void;
}

/**
 * Stands for an image registry, which is not to be had here: read-only, the given images, as the
 * engine's own `docker save` lays them out. The engine trusts it as it is on 127.0.0.1.
 * @param images what is served, by name and tag: { "probe:1": "letta-test-pulled" }
 */
export async function registry(images: Readonly<Record<string, string>>): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), "registry-"));
  const manifests = new Map<string, Manifest>();
  for (const [name, image] of Object.entries(images)) {
    spawnSync("sh", ["-c", 'docker save "$1" | tar -x -C "$2"', "sh", image, folder]);
    const index = JSON.parse(readFileSync(join(folder, "index.json"), "utf8")) as {
      manifests: Manifest[];
    };
    manifests.set(name, index.manifests[0]!);
  }
  const blob = (digest: string) => join(folder, "blobs", ...digest.split(":"));
  const types = new Map([...manifests.values()].map((one) => [one.digest, one.mediaType]));
  let asked = 0;
  const server = createServer((request, reply) => {
    const path = new URL(request.url ?? "/", "http://registry").pathname;
    if (path === "/v2/") return reply.writeHead(200).end("{}");
    asked += 1;
    const [, name, kind = "", wanted = ""] =
      /^\/v2\/([^/]+)\/(manifests|blobs)\/(.+)$/.exec(path) ?? [];
    const digest = manifests.get(`${name}:${wanted}`)?.digest ?? wanted;
    if (kind === "" || !digest.startsWith("sha256:") || !existsSync(blob(digest))) {
      const errors = [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }];
      return reply.writeHead(404).end(JSON.stringify({ errors }));
    }
    const type = types.get(digest) ?? "application/octet-stream";
    const length = statSync(blob(digest)).size;
    const headers = { "content-type": type, "content-length": length };
    reply.writeHead(200, { ...headers, "docker-content-digest": digest });
    return request.method === "HEAD" ? reply.end() : createReadStream(blob(digest)).pipe(reply);
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    reference: (name) => `127.0.0.1:${port}/${name}`,
    asked: () => asked,
    close() {
      server.close();
      server.closeAllConnections();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
