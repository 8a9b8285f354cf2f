import assert from "node:assert/strict";
import { createServer, type AddressInfo } from "node:net";
import test from "node:test";
import { isFree, portHolder } from "../../scripts/docker/portHolder.ts";

test("a port that is listened on is not free, and its holder is named", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as AddressInfo;
  assert.equal(await isFree("127.0.0.1", port), false);
  assert.match(portHolder(port) ?? "", new RegExp(`\\(pid ${process.pid}\\)$`));
  await new Promise((resolve) => server.close(resolve));
  assert.equal(await isFree("127.0.0.1", port), true);
  assert.equal(portHolder(port), undefined);
});
