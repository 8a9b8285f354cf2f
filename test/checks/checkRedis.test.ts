import assert from "node:assert/strict";
import { test } from "node:test";
import { checkRedis, redisOf } from "../../scripts/checks/checkRedis.ts";
import type { Engine } from "../../scripts/docker/engine.ts";
import { exampleContainer } from "../deploy/exampleContainer.ts";
import { exampleStack } from "../stack/exampleStack.ts";

const address = { host: "redis", port: 6379 };
const server = exampleContainer("server");

/** What the check says of servers in whose containers the question ends so. */
function asked(...answers: readonly string[]) {
  const left = [...answers];
  const commands: (readonly string[])[] = [];
  const exec: Engine["exec"] = (_id, argv) => {
    commands.push(argv);
    return Promise.resolve({ code: 0, stdout: left.shift() ?? "", stderr: "" });
  };
  const servers = answers.map(() => server);
  return { commands, seen: checkRedis(address, servers, { engine: { exec } as Engine }) };
}

test("a server that is connected to a Redis that answers passes", async () => {
  const { commands, seen } = asked("+PONG\r\n2\n");
  assert.equal(await seen, "redis:6379 answers, and the server is connected");
  assert.deepEqual(commands[0]?.slice(-3), ["redis", "6379", "18EB"]);
});

test("a server that gave Redis up at its start fails, though Redis answers", async () => {
  await assert.rejects(asked("+PONG\n0\n").seen, /works without it.*docker restart /);
  await assert.rejects(asked("+PONG\n3\n", "+PONG\n0\n").seen, /docker restart /);
});

test("each way in which Redis does not answer has its own words", async () => {
  const words: readonly [string, RegExp][] = [
    [
      "-NOAUTH Authentication required.\r\n0\n",
      /asks for a password, which the server cannot give/,
    ],
    ["-LOADING Redis is loading the dataset in memory\r\n0\n", /LOADING/],
    ["nc: bad address 'redis'\n0\n", /redis:6379: bad address 'redis'/],
    ["\n0\n", /no answer from the server's container/],
  ];
  for (const [answer, message] of words) await assert.rejects(asked(answer).seen, message);
});

test("without a server that runs, nothing is connected; without Redis, nothing is to be", async () => {
  await assert.rejects(asked().seen, /expected a server that runs/);
  const engine = {} as Engine;
  assert.deepEqual(await checkRedis(undefined, [server], { engine }), {
    skipped: "no Redis, so streams in the background answer 503",
  });
});

test("the server's Redis is the bundled one, one outside, or none", () => {
  const outside = { LETTA_REDIS_HOST: "redis.example", LETTA_REDIS_PORT: "6380" };
  assert.deepEqual(redisOf(exampleStack("prod")), address);
  assert.deepEqual(redisOf(exampleStack("prod", outside)), { host: "redis.example", port: 6380 });
  assert.equal(redisOf(exampleStack("prod", { REDIS_ENABLED: "false" })), undefined);
});
