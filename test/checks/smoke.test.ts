import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders } from "node:http";
import { connect, type AddressInfo } from "node:net";
import { after, test } from "node:test";
import type { ServerRole } from "../../scripts/stack/serverRole.ts";
import { smoke } from "../../scripts/checks/smoke.ts";
import { simulatedEngine } from "../fakes/simulatedEngine.ts";
import { exampleStack } from "../stack/exampleStack.ts";

const { server: role } = exampleStack("dev");

interface Seen {
  readonly line: string;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** A server that answers like this, and an engine that leads to it whatever port is named. */
async function serve(
  answer: (seen: Seen, count: number) => [status: number, body: string],
  headers: Readonly<Record<string, string>> = {},
) {
  const seen: Seen[] = [];
  const server = createServer(async (asked, reply) => {
    const body = Buffer.concat(await asked.toArray()).toString();
    const one = { line: `${asked.method} ${asked.url}`, body, headers: asked.headers };
    seen.push(one);
    const [status, text] = answer(one, seen.length);
    reply.writeHead(status, headers).end(text);
  }).listen(0, "127.0.0.1");
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const connected: string[] = [];
  const engine = {
    ...simulatedEngine(),
    connect: async (container: string, inside: number) => {
      connected.push(`${container}:${inside}`);
      return connect(port, "127.0.0.1");
    },
  };
  return { seen, connected, engine };
}

/** A role whose smoke test is this. */
const testing = (...steps: ServerRole["smoke"]): ServerRole => ({ ...role, smoke: steps });
const parts = (server: ServerRole, password?: string) => ({
  container: "c1",
  server,
  password,
});

/** Answers as Letta does where ids matter: each thing that is made gets one. */
const made: Parameters<typeof serve>[0] = ({ line }, count) => {
  if (line.includes("/persona")) return [200, '{"id":"block-own"}'];
  return [200, `{"id":"thing-${count}"}`];
};

test("Letta's own smoke test is made with the ids it was given, and leaves nothing", async () => {
  const { seen, engine } = await serve(made);
  assert.equal(await smoke(parts(role), engine), role.smoke.length);
  assert.deepEqual(
    seen.map((one) => one.line),
    [
      "POST /v1/blocks/",
      "POST /v1/agents/",
      "PATCH /v1/agents/thing-2/core-memory/blocks/attach/thing-1",
      "GET /v1/agents/thing-2",
      "GET /v1/agents/?limit=5",
      "GET /v1/agents/thing-2/messages?limit=5",
      "GET /v1/agents/thing-2/core-memory/blocks",
      "GET /v1/agents/thing-2/core-memory/blocks/persona",
      "DELETE /v1/agents/thing-2",
      "DELETE /v1/blocks/thing-1",
      "DELETE /v1/blocks/block-own",
    ],
  );
});

test("all that a smoke test makes it deletes too", () => {
  const requests = role.smoke.map((one) => one.request);
  for (const { request, keep } of role.smoke) {
    if (!request.startsWith("POST ")) continue;
    const [name] = Object.keys(keep ?? {});
    assert.ok(
      requests.some((one) => one.startsWith("DELETE ") && one.endsWith(`{${name}}`)),
      `${request} is never deleted`,
    );
  }
});

test("what is sent arrives as JSON, and nothing is sent where there is nothing", async () => {
  const { seen, engine } = await serve(made);
  const server = testing(
    { request: "POST /things", send: { name: "ä", deep: [{ a: 1 }] } },
    { request: "GET /things" },
  );
  await smoke(parts(server), engine);
  assert.deepEqual(JSON.parse(seen[0]!.body), { name: "ä", deep: [{ a: 1 }] });
  assert.equal(seen[0]!.headers["content-type"], "application/json");
  assert.deepEqual([seen[1]!.body, seen[1]!.headers["content-type"]], ["", undefined]);
});

test("the server is reached inside its container, by its own port, over one connection", async () => {
  const { connected, engine } = await serve(made);
  await smoke(parts(testing({ request: "GET /a" }, { request: "GET /b" })), engine);
  assert.deepEqual(connected, ["c1:8283"]);
});

test("a server that ends its connections is reached anew for each request", async () => {
  const { connected, engine } = await serve(made, { connection: "close" });
  await smoke(parts(testing({ request: "GET /a" }, { request: "GET /b" })), engine);
  assert.deepEqual(connected, ["c1:8283", "c1:8283"]);
});

test("the bearer is sent where there is a password, and none where there is none", async () => {
  const { seen, engine } = await serve(made);
  await smoke(parts(testing({ request: "GET /a" }), "open sesame"), engine);
  await smoke(parts(testing({ request: "GET /a" })), engine);
  assert.deepEqual(
    seen.map((one) => one.headers.authorization),
    ["Bearer open sesame", undefined],
  );
});

for (const status of [302, 401, 422, 500]) {
  test(`an answer of ${status} ends it there, with the request and the answer's beginning`, async () => {
    const { seen, engine } = await serve((_, count) =>
      count === 2 ? [status, `its words ${"x".repeat(5000)}`] : [200, "{}"],
    );
    const server = testing({ request: "GET /a" }, { request: "GET /b" }, { request: "GET /c" });
    await assert.rejects(smoke(parts(server), engine), (error: Error) => {
      assert.match(error.message, new RegExp(`^GET /b: expected 2xx, got ${status} its words x+$`));
      assert.ok(error.message.length < 400, "too long to be read");
      return true;
    });
    assert.equal(seen.length, 2);
  });
}

for (const body of ["{}", "null", "[]", "", "<html>"]) {
  test(`an answer of ${JSON.stringify(body)} where an id is to be retained ends it there`, async () => {
    const { seen, engine } = await serve(() => [200, body]);
    const steps = [{ request: "POST /a", keep: { a: "id" } }, { request: "DELETE /a/{a}" }];
    await assert.rejects(smoke(parts(testing(...steps)), engine), {
      message: `POST /a: expected id in the answer, got ${body}`,
    });
    assert.equal(seen.length, 1);
  });
}

test("a server that does not answer is a failure that names the address", async () => {
  const engine = {
    ...simulatedEngine(),
    connect: async () => connect(1, "127.0.0.1"), // where no one listens
  };
  await assert.rejects(smoke(parts(testing({ request: "GET /a" })), engine), /127\.0\.0\.1:8283/);
});

test("a container that cannot be reached is a failure", async () => {
  await assert.rejects(
    smoke(parts(testing({ request: "GET /a" })), simulatedEngine()),
    /listens nowhere/,
  );
});
