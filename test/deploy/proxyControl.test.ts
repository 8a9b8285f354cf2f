import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { findProxyControl } from "../../scripts/deploy/proxyControl.ts";
import { exampleSettings, rolloutOn } from "./simulation.ts";

/** A proxy whose scripts answer as a test says. */
async function proxyControlWith(answer: (script: string) => string, now: () => number = () => 0) {
  const settings = exampleSettings();
  const on = rolloutOn({}, now);
  on.engine.put(settings.project, { service: "proxy", state: "running" });
  const scripts: string[] = [];
  const engine = {
    ...on.engine,
    exec: async (_: string, argv: readonly string[]) => {
      scripts.push(argv.at(-1)!.split("\n")[0]!);
      return { code: 0, stdout: answer(argv.at(-1)!), stderr: "" };
    },
  };
  return {
    proxyControl: (await findProxyControl(settings, { ...on.context, engine, randomBytes }))!,
    scripts,
  };
}

test("each pause has a token of its own", async () => {
  const { proxyControl, scripts } = await proxyControlWith(() => "");
  const tokens = await Promise.all([proxyControl.pause(), proxyControl.pause()]);
  assert.equal(new Set(tokens.map((one) => one.token)).size, 2);
  assert.match(scripts[0]!, /^# pause [0-9a-f]{16} 20$/, "a lease, not all of PAUSE_TIMEOUT");
});

test("what remains of a pause is asked at the proxy, and ends with the agreed limit", async () => {
  let [now, said] = [0, "paused"];
  const { proxyControl } = await proxyControlWith(
    () => said,
    () => now,
  );
  const pause = await proxyControl.pause(30);
  now = 10_000;
  assert.equal(await pause.remaining(), 20);
  said = "ended";
  assert.equal(await pause.remaining(), 0);
  said = "paused";
  now = 30_000;
  assert.equal(await pause.remaining(), 0);
});

test("a proxy that does not answer keeps no request waiting", async () => {
  let isGone = false;
  const { proxyControl } = await proxyControlWith(() => {
    if (isGone) throw new Error("no such container");
    return "";
  });
  const pause = await proxyControl.pause();
  isGone = true;
  assert.equal(await pause.remaining(), 0);
});
