import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { createServer as createPlain, type AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";
import { checkModels } from "../../scripts/checks/checkModels.ts";
import type { Engine } from "../../scripts/docker/engine.ts";
import type { SettingName } from "../../scripts/settings/settingDefinitions.ts";

type Values = Partial<Record<SettingName, string>>;

/** The container's place is taken by this machine: the script runs as it would there. */
const here = (environment: Values) => ({
  exec: (_id: string, [program = "", ...argv]: readonly string[]) =>
    new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
      const env = { PATH: process.env["PATH"], ...environment };
      execFile(program, argv, { env }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : 1, stdout, stderr }),
      );
    }),
});

async function ask(values: Values, engine: Pick<Engine, "exec"> = here(values)) {
  const found = await checkModels("dev", (name) => values[name] ?? "", "id", engine);
  return Object.fromEntries(found.map((one) => [one.name.replace("model ", ""), one]));
}

async function listening(context: TestContext, answer: RequestListener): Promise<string> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

test("each URL is asked for its models, with the server's own key", async (context) => {
  const seen: (string | undefined)[] = [];
  const url = await listening(context, (request, reply) => {
    seen.push(`${request.url} ${request.headers.authorization ?? ""}`.trim());
    reply.end("{}");
  });
  const values = { OPENAI_BASE_URL: `${url}/v1/`, OPENAI_API_KEY: "sk-1", OLLAMA_BASE_URL: url };
  const found = await ask(values);
  assert.deepEqual(seen.sort(), ["/api/tags", "/v1/models Bearer sk-1"]);
  assert.equal(found["OPENAI_BASE_URL"]?.outcome, "passed");
  assert.equal(found["OLLAMA_BASE_URL"]?.outcome, "passed");
});

test("a name, a port, a certificate and a key that are wrong have their own words", async (context) => {
  const refusing = await listening(context, (_, reply) => reply.writeHead(401).end());
  const broken = await listening(context, (_, reply) => reply.writeHead(502).end());
  const closed = createPlain().listen(0, "127.0.0.1");
  await once(closed, "listening");
  const { port } = closed.address() as AddressInfo;
  closed.close();
  const found = await ask({
    OPENAI_BASE_URL: refusing,
    OPENAI_API_KEY: "sk-wrong-0123456789",
    ANTHROPIC_BASE_URL: refusing,
    OLLAMA_BASE_URL: "http://there-is-no-such-host.invalid:11434",
    LMSTUDIO_BASE_URL: `http://127.0.0.1:${port}`,
    VLLM_API_BASE: refusing.replace("http:", "https:"),
    AZURE_BASE_URL: broken,
  });
  const expected: readonly [string, RegExp][] = [
    ["OPENAI_BASE_URL", /refuses the key of OPENAI_API_KEY \(401\)/],
    ["ANTHROPIC_BASE_URL", /asks for a key \(401\): npm run secrets -- set dev ANTHROPIC_API_KEY/],
    ["OLLAMA_BASE_URL", /no host of that name/],
    ["LMSTUDIO_BASE_URL", /nothing listens there/],
    ["VLLM_API_BASE", /speaks no TLS/],
    ["AZURE_BASE_URL", /it answers 502/],
  ];
  for (const [name, words] of expected) {
    assert.equal(found[name]?.outcome, "failed", name);
    assert.match(found[name].detail, words);
    assert.match(found[name].next ?? "", new RegExp(`--explain ${name}$`));
  }
  assert.ok(!JSON.stringify(found).includes("sk-wrong"));
});

test("a redirect is an answer, and takes the key nowhere", async (context) => {
  const keys: unknown[] = [];
  const other = await listening(context, (request, reply) => {
    keys.push(request.headers.authorization);
    reply.end();
  });
  const url = await listening(context, (_, reply) =>
    reply.writeHead(307, { location: other }).end(),
  );
  const found = await ask({ OPENAI_BASE_URL: url, OPENAI_API_KEY: "sk-1" });
  assert.equal(found["OPENAI_BASE_URL"]?.outcome, "passed");
  assert.deepEqual(keys, []);
});

test("without a URL, a server or Python nothing is asked, and the reason is given", async () => {
  assert.match((await ask({}))["models"]?.detail ?? "", /no URL of a model/);
  const values = { OLLAMA_BASE_URL: "http://192.0.2.1:1" };
  const get = (name: SettingName) => (values as Values)[name] ?? "";
  const [none] = await checkModels("dev", get, undefined, here({}));
  assert.match(none!.detail, /no server runs/);
  const exec = () => Promise.resolve({ code: 127, stdout: "", stderr: "python3: not found" });
  assert.match((await ask(values, { exec }))["models"]?.detail ?? "", /python3: not found/);
});
