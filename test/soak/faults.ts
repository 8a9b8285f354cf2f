import { spawn, spawnSync } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { manifestPath } from "../../scripts/state/releases.ts";
import { clockThatGoesBack } from "../real/clocks.ts";
import { composeOf } from "../real/composeOf.ts";
import type { Running, Reported } from "../real/prodWorkspace.ts";
import type { Story } from "../real/story.ts";
import { containerIds, docker } from "../real/workspace.ts";
import type { Dice } from "./dice.ts";

/** A fault that was thrown: all its choices are made. */
export interface Thrown {
  readonly name: string;
  /** Whether a part was touched from outside: then what a command said may be outdated. */
  readonly outside?: boolean;
  /** Whether the command itself may end without a word. */
  readonly kills?: boolean;
  /** What the command gets alongside its settings. */
  readonly more?: Readonly<Record<string, string>>;
  before?(story: Story): Promise<void> | void;
  during?(story: Story, running: Running, from: number): Promise<void>;
  after?(story: Story): Promise<void> | void;
}

const parts = ["server", "postgres", "collector", "proxy"];

/** Waits until a run has written that many lines, and a little more. @returns whether it goes on */
async function reaches(story: Story, running: Running, line: number, ms: number) {
  let isOver = false;
  void running.ended.then(() => (isOver = true));
  while (!isOver && story.place.journal().length < line) await sleep(10);
  await Promise.race([sleep(ms), running.ended]);
  return !isOver;
}

/** At a line of the command's own. */
function atLine(dice: Dice, act: (story: Story, running: Running) => unknown) {
  const [line, ms] = [1 + dice.below(36), dice.below(200)];
  return {
    where: `at line ${line} and ${ms} ms`,
    async during(story: Story, running: Running, from: number) {
      if (await reaches(story, running, from + line, ms)) await act(story, running);
    },
  };
}

/** What may go wrong, each as often as any other; `faults.md` has their numbers. */
export const faults: readonly ((dice: Dice) => Thrown)[] = [
  () => ({ name: "nothing" }),
  (dice) => {
    const { where, during } = atLine(dice, (story, { child }) => {
      story.killed.push(child.pid!);
      child.kill("SIGKILL");
    });
    return { name: `1: kill -9 ${where}`, kills: true, during };
  },
  (dice) => {
    const signal = dice.pick(["SIGINT", "SIGTERM", "SIGHUP"] as const);
    const { where, during } = atLine(dice, (_, { child }) => child.kill(signal));
    return { name: `2: ${signal} ${where}`, during };
  },
  (dice) => {
    const { where, during } = atLine(dice, async (story, { child }) => {
      story.killed.push(child.pid!);
      child.kill("SIGINT");
      await sleep(500);
      child.kill("SIGINT");
    });
    return { name: `2: Ctrl-C, and once more, ${where}`, kills: true, during };
  },
  (dice) => {
    const { where, during } = atLine(dice, (_, { child }) => child.stderr!.destroy());
    return { name: `2: the reader goes ${where}`, during };
  },
  (dice) => {
    const tag = dice.pick(["1.0.0", "2.0.0"]);
    const wait = dice.pick([[], ["--wait"]]);
    let second: Promise<Reported> | undefined;
    const { where, during } = atLine(dice, (story) => {
      second = story.place.deploy(tag, wait);
    });
    const name = `3: deploy ${tag} ${wait.join("")} alongside it ${where}`;
    return {
      name,
      outside: true,
      during,
      async after() {
        const reported = await second;
        if (reported === undefined || [0, 3, 4, 6].includes(reported.code!)) return;
        throw new Error(`the second command: ${reported.stdout}`);
      },
    };
  },
  (dice) => {
    const damage = dice.pick(["", "{", "nonsense", undefined]);
    return {
      name: `5: the newest manifest is ${damage === undefined ? "cut" : JSON.stringify(damage)}`,
      before(story) {
        const path = manifestPath(story.place.state, story.place.newestGood()!.id);
        writeFileSync(path, damage ?? readFileSync(path, "utf8").slice(0, 200));
      },
    };
  },
  (dice) => {
    const fill = (story: Story) => join(story.place.root, ".stack", "fill");
    const { where, during } = atLine(dice, (story) =>
      spawnSync("sh", ["-c", 'cat /dev/zero > "$0"', fill(story)]),
    );
    return {
      name: `6: the state's disk is full ${where}`,
      outside: true,
      during,
      after: (story) => rmSync(fill(story), { force: true }),
    };
  },
  () => ({ name: "7: the clock goes back by a day", more: { NODE_OPTIONS: clockThatGoesBack } }),
  (dice) => {
    const { where, during } = atLine(dice, async (story, running) => {
      let isOver = false;
      void running.ended.then(() => (isOver = true));
      while (!isOver) {
        const [pid] = composeOf(story.place.project);
        if (pid === undefined) await sleep(5);
        else return spawnSync("kill", ["-9", String(pid)]);
      }
      return undefined;
    });
    return { name: `10: kill -9 of the next docker compose from ${where}`, outside: true, during };
  },
  () => ({
    name: "11: the tag of what serves is gone",
    before(story) {
      spawnSync("docker", ["rmi", `letta-test-soak:${story.place.newestGood()!.tag}`]);
    },
  }),
  ...(["kill", "stop", "pause"] as const).map((verb) => (dice: Dice): Thrown => {
    const part = dice.pick(parts);
    let id: string | undefined;
    const { where, during } = atLine(dice, (story) => {
      id = containerIds(story.place.project)[part];
      if (id !== undefined) spawnSync("docker", [verb, id]);
    });
    const after = () => void spawnSync("docker", ["unpause", id ?? ""]);
    const name = `14: docker ${verb} of ${part} ${where}`;
    return { name, outside: true, during, ...(verb === "pause" ? { after } : {}) };
  }),
  (dice) => {
    const places = Array.from({ length: 10 }, () => dice.below(10));
    return {
      name: "16: all parts are killed, and started in any order",
      before(story) {
        const ids = containerIds(story.place.project);
        const sorted = parts
          .map((part) => ids[part])
          .filter((id) => id !== undefined)
          .map((id, index) => [places[index]!, id] as const)
          .sort(([a], [b]) => a - b)
          .map(([, id]) => id);
        docker("kill", ...sorted);
        for (const id of sorted) docker("start", id);
      },
    };
  },
  (dice) => {
    const lock = dice.pick(["TABLE agents", "LOCK TABLE agents IN SHARE MODE"]);
    let child: ReturnType<typeof spawn> | undefined;
    return {
      name: `19: an idle session after ${lock}`,
      outside: lock.includes("SHARE"), // no server can write while it is there
      before(story) {
        const id = containerIds(story.place.project)["postgres"]!;
        const psql = ["exec", "-i", id, "psql", "-U", "letta", "-d", "letta", "-qAt"];
        child = spawn("docker", psql, { stdio: ["pipe", "ignore", "ignore"] });
        child.stdin!.on("error", () => undefined);
        child.stdin!.write(`BEGIN; ${lock};\n`);
      },
      async after() {
        if (child === undefined || child.exitCode !== null) return;
        child.stdin!.end();
        await new Promise((resolve) => child!.once("close", resolve));
      },
    };
  },
];
