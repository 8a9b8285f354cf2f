import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A manifest as an index lists it. */
interface Manifest {
  readonly digest: string;
  readonly mediaType: string;
}

/** An image that says to be for another architecture, alone or as all that an index lists. */
interface ForOthers {
  readonly image: string;
  readonly architecture: string;
  readonly isIndex: boolean;
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
 * @param onLayer is called before a layer or a configuration is given out
 * @param login "user:password" that it asks for
 */
export async function registry(
  images: Readonly<Record<string, string | ForOthers>>,
  onLayer: () => void = () => undefined,
  login?: string,
): Promise<Registry> {
  const folder = mkdtempSync(join(tmpdir(), "registry-"));
  const blob = (digest: string) => join(folder, "blobs", ...digest.split(":"));
  const read = <Content>(file: string) => JSON.parse(readFileSync(file, "utf8")) as Content;
  const write = (content: object) => {
    const text = JSON.stringify(content);
    const digest = `sha256:${createHash("sha256").update(text).digest("hex")}`;
    writeFileSync(blob(digest), text);
    return { digest, size: text.length };
  };
  const forOthers = (own: Manifest, { architecture, isIndex }: ForOthers): Manifest => {
    const manifest = read<{ config: Manifest }>(blob(own.digest));
    const config = { ...read<object>(blob(manifest.config.digest)), architecture };
    const made = write({ ...manifest, config: { ...manifest.config, ...write(config) } });
    const listed = { ...own, ...made, platform: { os: "linux", architecture } };
    if (!isIndex) return listed;
    const mediaType = "application/vnd.oci.image.index.v1+json";
    return { mediaType, ...write({ schemaVersion: 2, mediaType, manifests: [listed] }) };
  };
  const manifests = new Map<string, Manifest>();
  for (const [name, one] of Object.entries(images)) {
    const image = typeof one === "string" ? one : one.image;
    spawnSync("sh", ["-c", 'docker save "$1" | tar -x -C "$2"', "sh", image, folder]);
    const [own] = read<{ manifests: Manifest[] }>(join(folder, "index.json")).manifests;
    manifests.set(name, typeof one === "string" ? own! : forOthers(own!, one));
  }
  const types = new Map([...manifests.values()].map((one) => [one.digest, one.mediaType]));
  let asked = 0;
  const server = createServer((request, reply) => {
    const path = new URL(request.url ?? "/", "http://registry").pathname;
    const given = Buffer.from(request.headers.authorization?.split(" ")[1] ?? "", "base64");
    if (login !== undefined && given.toString() !== login) {
      const errors = [{ code: "UNAUTHORIZED", message: "authentication required" }];
      const headers = { "www-authenticate": 'Basic realm="registry"' };
      return reply.writeHead(401, headers).end(JSON.stringify({ errors }));
    }
    if (path === "/v2/") return reply.writeHead(200).end("{}");
    asked += 1;
    const [, name, kind = "", requested = ""] =
      /^\/v2\/([^/]+)\/(manifests|blobs)\/(.+)$/.exec(path) ?? [];
    const digest = manifests.get(`${name}:${requested}`)?.digest ?? requested;
    if (kind === "" || !digest.startsWith("sha256:") || !existsSync(blob(digest))) {
      const errors = [{ code: "MANIFEST_UNKNOWN", message: "manifest unknown" }];
      return reply.writeHead(404).end(JSON.stringify({ errors }));
    }
    if (kind === "blobs") onLayer();
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
