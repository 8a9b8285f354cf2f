import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test, { after } from "node:test";
import { docker, workspace } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

const place = workspace("images", portsOf("images"));
after(() => place.remove());

interface Built {
  images: { role: string; reference: string; built: boolean }[];
}

async function build(more: Record<string, string> = {}) {
  const ran = await place.run("images", ["build", "proxy", "--yes", "--json"], more);
  assert.equal(ran.code, 0, ran.stdout);
  return (JSON.parse(ran.stdout) as Built).images[0]!;
}

test("what has not changed is not built, what has changed is", async () => {
  await build();
  assert.equal((await build()).built, false);
  appendFileSync(join(place.root, "docker/proxy/Dockerfile"), `# ${process.pid} ${Date.now()}\n`);
  assert.equal((await build()).built, true);
});

test("neither the host's CA nor a token of its package clients stays in an image", async () => {
  const token = `canary-token-${process.pid}`;
  const authority = `canary-authority-${process.pid}`;
  const bundle = join(place.root, "bundle.pem");
  const host = process.env["SSL_CERT_FILE"] ?? "/etc/ssl/certs/ca-certificates.crt";
  writeFileSync(bundle, `# ${authority}\n${readFileSync(host, "utf8")}`);
  // Another command text, so that the step that sees the secrets really runs again.
  const recipe = join(place.root, "docker/proxy/Dockerfile");
  const text = readFileSync(recipe, "utf8");
  writeFileSync(recipe, text.replace("pip install", `true ${process.pid} && pip install`));
  const made = await build({
    SSL_CERT_FILE: bundle,
    PIP_CERT: bundle,
    UV_INDEX_URL: `http://user:${token}@127.0.0.1/`,
  });
  assert.equal(made.built, true);
  const whole = spawnSync("sh", [
    "-c",
    `docker save ${made.reference} | grep -a -c -e ${token} -e ${authority}`,
  ]);
  assert.equal(whole.stdout.toString().trim(), "0");
  assert.doesNotMatch(
    docker("history", "--no-trunc", made.reference),
    new RegExp(`${token}|${authority}`),
  );
  docker("rmi", made.reference);
});

test("a role that is not there is refused with those that are", async () => {
  const ran = await place.run("images", ["build", "nginx", "--json"]);
  assert.equal(ran.code, 2);
  assert.match(
    ran.stdout,
    /expected one of probe, postgres, letta, collector, redis, proxy, clickhouse, grafana, got nginx/,
  );
});
