// Redis with real Letta: streams in the background that are cut and resumed, and one conversation that two
// servers do not work on at once. Each test goes on where the one before left off.
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { gateway } from "../fakes/otlp/collector.ts";
import { openAi, type OpenAi } from "../fakes/openAi.ts";
import { portsOf } from "./portsOf.ts";
import { prodWorkspace, type ProdWorkspace, type Reported } from "./prodWorkspace.ts";
import { docker, dockerMeanwhile } from "./workspace.ts";

/** An answer of the model takes so long: a word each second. */
const seconds = 6;

let place: ProdWorkspace;
let models: OpenAi;
/** The servers that run, as this machine reaches each without the proxy. */
let urls: readonly string[] = [];
let agent = "";

before(async () => {
  models = await openAi(gateway(), seconds);
  place = await prodWorkspace("redis", portsOf("redis") + 100, { IMAGE_SOURCE: "local" });
});
after(async () => {
  models.close();
  await place.remove();
});

function serverUrls(): string[] {
  const filters = ["project", "service"].map(
    (key) => `label=com.docker.compose.${key}=${key === "project" ? place.project : "server"}`,
  );
  const ids = docker("ps", "-q", ...filters.flatMap((one) => ["--filter", one])).split("\n");
  const format = `{{(index .NetworkSettings.Networks "${place.project}_edge").IPAddress}}`;
  return ids.map((id) => `http://${docker("inspect", "-f", format, id)}:8283`);
}

function post(url: string, path: string, body: object, signal?: AbortSignal): Promise<Response> {
  return fetch(url + path, {
    method: "POST",
    headers: { authorization: `Bearer ${place.password}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
}

async function made(path: string, body: object): Promise<string> {
  const reply = await post(urls[0]!, path, body);
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  return (JSON.parse(text) as { id: string }).id;
}

/** Reads a stream until its text has what is looked for, and then cuts it. */
async function readUntil(reply: Response, pattern: RegExp): Promise<string> {
  let text = "";
  for await (const chunk of reply.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (pattern.test(text)) break;
  }
  return text;
}

const message = { messages: [{ role: "user", content: "go on" }], stream_tokens: true };

const checkOf = ({ said }: Reported, name: string) =>
  (said["checks"] as { name: string; outcome: string; detail: string }[]).find(
    (one) => one.name === name,
  );

test("Redis is healthy before the server, and the server is connected to it", async () => {
  const deployed = await place.deploy("0.16.8");
  assert.equal(deployed.code, 0, JSON.stringify(deployed.said));
  const steps = (deployed.said["steps"] as { name: string }[]).map((one) => one.name);
  const order = ["collector healthy", "redis healthy", "server healthy", "proxy healthy"];
  assert.deepEqual(
    steps.filter((one) => order.includes(one)),
    order,
  );
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(checkOf(verified, "redis")?.outcome, "passed", JSON.stringify(verified.said));
  assert.equal(docker("port", `${place.project}-redis-1`), "");
});

test("two servers share it: a stream that one began is cut, and the other resumes it", async () => {
  const file = join(place.state, "releases", place.newestGood()!.id, "compose.yaml");
  const up = ["up", "-d", "--no-deps", "--no-recreate", "--wait", "--scale", "server=2", "server"];
  const secrets = join(place.root, "env/prod.secrets.env");
  await dockerMeanwhile("compose", "--env-file", secrets, "-f", file, ...up);
  urls = serverUrls();
  assert.equal(urls.length, 2);
  agent = await made("/v1/agents/", {
    name: "streams",
    agent_type: "letta_v1_agent",
    llm_config: {
      model: "fake",
      model_endpoint_type: "openai",
      model_endpoint: models.url,
      context_window: 30_000,
    },
    embedding: "letta/letta-free",
    include_base_tools: false,
    memory_blocks: [],
  });
  const path = `/v1/agents/${agent}/messages/stream`;
  const begun = await post(urls[0]!, path, { ...message, background: true });
  assert.equal(begun.status, 200);
  const first = await readUntil(begun, /word2/);
  const run = /"run_id":"(run-[^"]+)"/.exec(first)?.[1];
  const seen = Math.max(...[...first.matchAll(/"seq_id":(\d+)/g)].map((one) => Number(one[1])));
  const resumed = await post(urls[1]!, `/v1/runs/${run}/stream`, { starting_after: seen });
  const rest = await resumed.text();
  assert.equal(resumed.status, 200, rest);
  assert.match(rest, /\[DONE\]/);
  for (const word of models.words) assert.ok((first + rest).includes(`${word} `), word);
  assert.ok(!rest.includes("word1 "), "what was read before comes again");
});

test("a message into a conversation that the other server works on is refused, and taken later", async () => {
  const conversation = await made(`/v1/conversations/?agent_id=${agent}`, {});
  const path = `/v1/conversations/${conversation}/messages`;
  const begun = await post(urls[0]!, path, { ...message, streaming: true });
  assert.equal(begun.status, 200);
  const reader = readUntil(begun, /\[DONE\]/);
  const meanwhile = await post(urls[1]!, path, { ...message, streaming: true });
  assert.equal(meanwhile.status, 409, await meanwhile.text());
  const whole = await reader;
  for (const word of models.words) assert.ok(whole.includes(word), word);
  const later = await post(urls[1]!, path, { ...message, streaming: true });
  assert.equal(later.status, 200);
  assert.match(await later.text(), /\[DONE\]/);
});

test("a server that began without Redis fails the verification, though Redis is there again", async () => {
  const container = (name: string) => `${place.project}-${name}-1`;
  docker("rm", "-f", `${place.project}-server-2`);
  docker("stop", container("redis"));
  docker("restart", container("server"));
  const health = () => docker("inspect", "-f", "{{.State.Health.Status}}", container("server"));
  while (health() === "starting") await sleep(500);
  await place.tell("verify", ["prod"]); // its first requests, which no Redis answers
  docker("start", container("redis"));
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(verified.code, 5);
  assert.match(
    checkOf(verified, "redis")?.detail ?? "",
    /works without it.*docker restart letta-test-redis-server-1$/,
  );
});

test("without Redis the server is replaced side by side, and a rollback brings Redis back", async () => {
  const off = await place.deploy("0.16.8", [], { REDIS_ENABLED: "false" });
  assert.equal(off.code, 0, JSON.stringify(off.said));
  assert.equal(off.said["strategy"], "blue-green");
  const verified = await place.tell("verify", ["prod"]);
  assert.equal(checkOf(verified, "redis")?.outcome, "skipped");
  urls = serverUrls();
  const body = { ...message, background: true };
  const refused = await post(urls[0]!, `/v1/agents/${agent}/messages/stream`, body);
  assert.equal(refused.status, 503, await refused.text());
  const back = await place.rollback();
  assert.equal(back.code, 0, JSON.stringify(back.said));
  assert.equal(checkOf(await place.tell("verify", ["prod"]), "redis")?.outcome, "passed");
});
