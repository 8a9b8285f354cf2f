// `npm run soak -- --cycles 100 --seed N [--from K]`: deploys and rollbacks of the fake server's
// releases on the real engine, each with a fault that the seed throws; what must hold is looked at
// after each. It stops at the first violation: the same seed and cycles do the same again. Needs
// root, as the state is put on a small file system that can be filled.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { numberOptions } from "./numberOptions.ts";
import { lastSteps } from "./real/invariants.ts";
import { Story } from "./real/story.ts";
import { cycle, image, tagImages } from "./soak/cycle.ts";
import { portsOf } from "./real/portsOf.ts";

const usage = `npm run soak -- [--cycles 100] [--seed N] [--from 1]
Deploys and rolls back with a fault in each cycle; the same seed does the same again.`;
const { cycles, seed, from } = numberOptions(usage, {
  cycles: 100,
  seed: Date.now() % 1_000_000,
  from: 1,
});

const tell = (line: string) => void process.stdout.write(`${line}\n`);
const started = performance.now();
tell(`seed ${seed}, cycles ${from} to ${cycles}`);
const story = await Story.begin("soak", portsOf("soak"), {
  LETTA_IMAGE: image,
  SERVER_TIMEOUT: "60s",
});
let reached = from;
try {
  const state = join(story.place.root, ".stack");
  mkdirSync(state, { mode: 0o700 });
  const mount = spawnSync("mount", ["-t", "tmpfs", "-o", "size=32m,mode=0700", "none", state]);
  if (mount.status !== 0) throw new Error(mount.stderr.toString());
  tagImages();
  story.ends(await story.place.deploy("1.0.0"), 0);
  for (; reached <= cycles; reached += 1) await cycle(story, seed, reached, tell);
  const minutes = ((performance.now() - started) / 60_000).toFixed(1);
  tell(`${cycles - from + 1} cycles, no violation, ${minutes} minutes`);
} catch (error) {
  tell(`violated: ${String((error as Error).stack)}`);
  tell(`${lastSteps(story.place, 60)}`);
  tell(`to see it again: npm run soak -- --seed ${seed} --cycles ${reached}`);
  process.exitCode = 1;
} finally {
  await story.remove();
  const tags = spawnSync("docker", ["images", image, "--format", "{{.Repository}}:{{.Tag}}"]);
  const names = tags.stdout.toString().split("\n").filter(Boolean);
  if (names.length > 0) spawnSync("docker", ["rmi", ...names]);
}
