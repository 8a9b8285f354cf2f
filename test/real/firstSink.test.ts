// A stack whose ClickHouse, which is outside, is away when its collector is made.
import assert from "node:assert/strict";
import test, { after, before } from "node:test";
import type { Check } from "../../scripts/checks/verify.ts";
import { clickHouse, type ClickHouse } from "../fakes/otlp/clickHouse.ts";
import { gateway } from "../fakes/otlp/collector.ts";
import { portsOf } from "./portsOf.ts";
import { Story, type Said } from "./story.ts";
import { docker } from "./workspace.ts";

let story: Story;
let sink: ClickHouse;

before(async () => {
  const place = { name: "letta-test-first-sink", port: portsOf("firstSink") + 20 };
  sink = clickHouse({ ...place, network: place.name, host: gateway() });
  story = await Story.begin("first-sink", portsOf("firstSink"), {
    ...sink.settings,
    CLICKHOUSE_MODE: "external",
    CLICKHOUSE_ENDPOINT: `http://${gateway()}:${place.port}`,
    CLICKHOUSE_READER_USERNAME: sink.settings["CLICKHOUSE_USERNAME"]!,
    CLICKHOUSE_READER_PASSWORD: sink.settings["CLICKHOUSE_PASSWORD"]!,
  });
});
after(async () => {
  await story?.remove();
  sink?.remove();
});

const failed = ({ checks }: Said) =>
  (checks as unknown as Check[]).filter((one) => one.outcome === "failed").map((one) => one.name);
const collectorMade = () =>
  docker("inspect", "-f", "{{.Id}} {{.Created}}", story.container("collector"));

test("28: where telemetry is required, no first release is good without its sink", async () => {
  const refused = await story.place.deploy("1.0.0");
  const said = story.ends(refused, 5, "STEP_FAILED");
  assert.match([said["message"], ...said.details].join("\n"), /connection refused/);
});

test("28: where it is not, the stack serves, and the collector tries until its sink is there", async () => {
  const { place } = story;
  const more = { TELEMETRY_REQUIRED: "false", BAKE_TIME: "5s" };
  const said = story.ends(await place.deploy("1.0.0", [], more), 0);
  assert.ok(failed(said).includes("collector healthy"), JSON.stringify(said["checks"]));
  await story.write();
  const made = collectorMade();
  // No one's deploy or rollback waits for it.
  story.ends(await place.deploy("1.1.0", [], more), 0);
  story.ends(await place.rollback([], more), 0);
  assert.equal((await place.tell("verify", ["prod"], more)).code, 5);
  await sink.start();
  assert.ok(await sink.answers());
  const limit = performance.now() + 90_000; // the engine starts it again after a minute at most
  for (;;) {
    const reported = await place.tell("verify", ["prod"]);
    if (reported.code === 0) break;
    assert.ok(performance.now() < limit, `it does not come: ${reported.stdout}`);
  }
  assert.equal(collectorMade(), made, "it was made anew");
  await story.assertInvariants("1.0.0");
});
