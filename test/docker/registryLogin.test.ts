import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { registryLogin, registryOf } from "../../scripts/docker/pullImage.ts";

const auth = Buffer.from("deploy:pass:word").toString("base64");
const login = (serveraddress: string) => ({
  username: "deploy",
  password: "pass:word",
  serveraddress,
});

/** The docker command's environment with this config.json, and a credential helper of ours. */
function dockerWith(context: TestContext, config: object, helper = "exit 1") {
  const folder = mkdtempSync(join(tmpdir(), "docker-config-"));
  context.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const program = join(folder, "docker-credential-test");
  writeFileSync(program, `#!/bin/sh\nread server\n${helper}\n`);
  chmodSync(program, 0o755);
  return { DOCKER_CONFIG: folder, PATH: `${folder}:${process.env["PATH"]}` };
}

test("the registry of an image, as docker sees it", () => {
  assert.equal(registryOf("busybox:1"), "docker.io");
  assert.equal(registryOf("letta/letta:1"), "docker.io");
  assert.equal(registryOf("ghcr.io/letta/letta"), "ghcr.io");
  assert.equal(registryOf("localhost/letta"), "localhost");
  assert.equal(registryOf("127.0.0.1:5055/letta:1"), "127.0.0.1:5055");
});

test("a login that docker login wrote into config.json", async (context) => {
  const hub = "https://index.docker.io/v1/";
  const auths = {
    [hub]: { auth },
    "https://ghcr.io": { auth },
    "r.example": { identitytoken: "t" },
  };
  const environment = dockerWith(context, { auths });
  assert.deepEqual(await registryLogin("letta/letta:1", environment), login(hub));
  assert.deepEqual(await registryLogin("ghcr.io/letta/letta", environment), login("ghcr.io"));
  assert.deepEqual(await registryLogin("r.example/letta", environment), {
    identitytoken: "t",
    serveraddress: "r.example",
  });
  assert.equal(await registryLogin("other.example/letta", environment), undefined);
});

test("a credential helper, of one registry or of all", async (context) => {
  const says = `echo "{\\"Username\\":\\"deploy\\",\\"Secret\\":\\"$server\\"}"`;
  const of = (config: object) =>
    registryLogin("ghcr.io/letta/letta", dockerWith(context, config, says));
  const found = { username: "deploy", password: "ghcr.io", serveraddress: "ghcr.io" };
  assert.deepEqual(await of({ credHelpers: { "ghcr.io": "test" } }), found);
  assert.deepEqual(await of({ credsStore: "test" }), found);
  const token = `echo '{"Username":"<token>","Secret":"t"}'`;
  const environment = dockerWith(context, { credsStore: "test" }, token);
  assert.deepEqual(await registryLogin("ghcr.io/a", environment), {
    identitytoken: "t",
    serveraddress: "ghcr.io",
  });
});

test("without a config, and where a helper has none, there is no login", async (context) => {
  assert.equal(await registryLogin("letta/letta", { DOCKER_CONFIG: "/nonexistent" }), undefined);
  const environment = dockerWith(context, { credsStore: "test" });
  assert.equal(await registryLogin("letta/letta", environment), undefined);
});

test("an empty DOCKER_CONFIG is none: the folder of this process is not read", async (context) => {
  const { DOCKER_CONFIG: folder } = dockerWith(context, { auths: { "ghcr.io": { auth } } });
  const before = process.cwd();
  context.after(() => process.chdir(before));
  process.chdir(folder);
  const environment = { DOCKER_CONFIG: "", HOME: "/nonexistent" };
  assert.equal(await registryLogin("ghcr.io/a", environment), undefined);
});

for (const [name, says] of [
  ["no JSON", "echo 'password: secret123456'"],
  ["null", "echo null"],
  ["no login", "echo '{}'"],
  ["a login without its secret", `echo '{"Username":"deploy"}'`],
] as const) {
  test(`a helper that answers ${name} has none, and no error quotes it`, async (context) => {
    const environment = dockerWith(context, { credsStore: "test" }, says);
    assert.equal(await registryLogin("ghcr.io/a", environment), undefined);
  });
}

test("a helper that prompts is ended at its time limit, and has none", async (context) => {
  const environment = dockerWith(context, { credsStore: "test" }, "exec sleep 600");
  assert.equal(await registryLogin("ghcr.io/a", environment, undefined, 200), undefined);
});

test("a helper that prompts ends with an interruption", async (context) => {
  const environment = dockerWith(context, { credsStore: "test" }, ': > "$0.asked"; exec sleep 600');
  const stop = new AbortController();
  const login = registryLogin("ghcr.io/a", environment, stop.signal);
  const asked = join(environment.DOCKER_CONFIG, "docker-credential-test.asked");
  const timer = setInterval(() => existsSync(asked) && stop.abort(), 20);
  context.after(() => clearInterval(timer));
  await assert.rejects(login, { name: "AbortError" });
});
