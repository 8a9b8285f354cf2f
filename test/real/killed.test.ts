import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Entry } from "../../scripts/state/journal.ts";
import { composeOf } from "./composeOf.ts";
import { evidence, assertInvariants, lastSteps } from "./invariants.ts";
import { killAt, seenOf } from "./killAt.ts";
import { isLongRun, longTest } from "./longTest.ts";
import { fakeServerWorkspace, type FakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker } from "./workspace.ts";
import { portsOf } from "./portsOf.ts";

// `kill -9` of the tool at every line of its journal: "begin" is before and within an act,
// "done" after it. Whatever comes next finishes it or takes it back, and no one cleans up.
// All lines take half an hour on two cores: `npm run test:long`. Else the same part of them on every day:
// of the main runs every 72nd line from where the server is touched, every 144th before that, of each
// one at least; the simulation has them all by the thousand.

const seed = Number(process.env["KILLED_SEED"] ?? 17);
process.stderr.write(`killed.test.ts: ${isLongRun ? "all lines" : `KILLED_SEED=${seed}`}\n`);

const every = (count: number) => (line: number) => isLongRun || line % count === seed % count;

/**
 * The lines to be killed at, from 1, of a run that was seen: one of them at least.
 * @param from the first that may be one
 */
function chosen(seen: readonly Entry[], { touched = 72, before = 144, from = 1 } = {}): number[] {
  const first =
    seen.findIndex((one) => /^(?:stop|pause requests|start new server)/.test(one.step)) + 1;
  const all = seen.map((_, index) => index + 1).slice(from - 1);
  const lines = all.filter((line) => every(line < first ? before : touched)(line));
  return lines.length > 0 ? lines : [all[seed % all.length]!];
}

const short = { touched: 36, before: 72 };

const deploy = (tag: string) => ["deploy", "prod", tag, "--yes"];
const rollback = (...args: string[]) => ["rollback", ...args, "--env", "prod", "--yes"];

/** A world in which commands are killed, and what has to be in it whatever happens. */
class World {
  readonly agents: string[] = [];
  readonly pids: number[] = [];
  readonly place: FakeServerWorkspace;
  private constructor(place: FakeServerWorkspace) {
    this.place = place;
  }
  static async make(name: string, port: number): Promise<World> {
    const world = new World(await fakeServerWorkspace(`killed-${name}`, port));
    after(() => world.place.remove());
    return world;
  }
  async must(command: readonly string[]) {
    const [entry = "", ...args] = command;
    const { code, said } = await this.place.tell(entry, args);
    assert.equal(
      code,
      0,
      `${command.join(" ")}: ${JSON.stringify(said)}\n${lastSteps(this.place, 30)}`,
    );
    return said;
  }
  async write() {
    const name = `agent ${this.agents.length + 1}`;
    await this.place.write(name);
    this.agents.push(name);
  }

  /** Runs a command, kills it at that line, and says whether anything had been begun by then. */
  async kill(command: readonly string[], line: number, onLine?: (entry: Entry) => void) {
    const killed = await killAt(this.place, command, line, onLine);
    this.pids.push(killed.pid);
    const isBegun = this.place.releases()[0]?.outcome === "begun";
    const status = await this.place.tell("status", ["prod"]);
    assert.equal(status.code, 0, JSON.stringify(status.said));
    return { ...killed, isBegun };
  }

  async assertInvariants(...tags: string[]) {
    const { agents, pids: killed } = this;
    try {
      await assertInvariants(this.place, { tags, agents, killed });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${lastSteps(this.place, 40)}`, {
        cause: error,
      });
    }
  }

  /** What rollbacks keep is retained for good: no one else takes it away. */
  dropRetained() {
    for (const name of this.place.databases().filter((one) => one.startsWith("letta_retained_")))
      this.place.psql(`DROP DATABASE ${name} WITH (FORCE)`, "postgres");
  }
}

/** A subtest for one kill, which tells where it fell. */
async function killedAt(t: TestContext, name: string, work: () => Promise<Entry | undefined>) {
  await t.test(name, async (sub) => {
    const at = await work();
    sub.diagnostic(at === undefined ? "it had ended" : `${at.event} of "${at.step}"`);
  });
}

describe("whatever comes after kill -9 finishes it or takes it back", { concurrency: 2 }, () => {
  // A migration's deploy and, in turn, the rollbacks that swap databases: each undoes the other.
  // All its lines are shared by two, side by side.
  const shares = isLongRun ? 2 : 1;
  for (let share = 0; share < shares; share += 1) {
    test(`a deploy with a migration, back by restore or carry (${share + 1} of ${shares})`, async (t) => {
      const world = await World.make(`migrate-${share}`, portsOf("killed") + share * 20);
      const { place } = world;
      await world.must(deploy("1.0.0"));
      await world.write();
      const back = (databaseStrategy: string) => rollback("1.0.0", "--database", databaseStrategy);
      const mine = (_: unknown, index: number) => index % shares === share;
      const deploys = chosen(await seenOf(place, deploy("2.0.0"))).filter(mine);
      const restores = chosen(await seenOf(place, back("restore"))).filter(mine);
      await world.must(deploy("2.0.0"));
      const carries = chosen(await seenOf(place, back("copy"))).filter(mine);
      const backs = [
        ...restores.map((line) => ["restore", line] as const),
        ...carries.map((line) => ["copy", line] as const),
      ];
      for (let turn = 0; deploys.length + backs.length > 0; turn += 1) {
        const isOld = (await place.version()) === "1.0.0";
        const [databaseStrategy = "restore", backLine] = isOld ? [] : (backs.shift() ?? []);
        const line = isOld ? deploys.shift() : backLine;
        if (isOld || databaseStrategy === "copy") await world.write();
        const [command, undo] = isOld
          ? [deploy("2.0.0"), deploy("1.0.0")]
          : [back(databaseStrategy), deploy("2.0.0")];
        if (line === undefined) {
          await world.must(command);
          continue;
        }
        await killedAt(t, `${isOld ? "deploy" : databaseStrategy}, line ${line}`, async () => {
          const { at, isBegun } = await world.kill(command, line);
          await world.must(turn % 3 > 0 && !isBegun && at !== undefined ? undo : command);
          await world.assertInvariants("1.0.0", "2.0.0");
          world.dropRetained();
          return at;
        });
      }
    });
  }

  longTest("a deploy without a migration", async (t) => {
    const world = await World.make("same", portsOf("killed") + 60);
    await world.must(deploy("1.0.0"));
    const lines = chosen(await seenOf(world.place, deploy("1.1.0")), short);
    for (const [turn, line] of lines.entries()) {
      const present = await world.place.version();
      const other = present === "1.0.0" ? "1.1.0" : "1.0.0";
      await world.write();
      await killedAt(t, `line ${line}`, async () => {
        const { at, isBegun } = await world.kill(deploy(other), line);
        await world.must(deploy(turn % 2 === 0 && !isBegun ? present : other));
        await world.assertInvariants("1.0.0", "1.1.0");
        return at;
      });
    }
  });

  test("the very first deploy", async (t) => {
    const world = await World.make("first", portsOf("killed") + 80);
    const { place } = world;
    for (const line of chosen(await seenOf(place, deploy("1.0.0")), { ...short, before: 36 })) {
      docker("compose", "-p", place.project, "down", "--volumes");
      rmSync(place.state, { recursive: true });
      await killedAt(t, `line ${line}`, async () => {
        const { at } = await world.kill(deploy("1.0.0"), line);
        await world.must(deploy("1.0.0"));
        await world.assertInvariants("1.0.0");
        return at;
      });
    }
  });

  longTest("a rollback that keeps the newer schema", async (t) => {
    const world = await World.make("keep", portsOf("killed") + 100);
    const { place } = world;
    await world.must(deploy("1.0.0"));
    await world.must(deploy("2.0.0"));
    for (const [turn, line] of chosen(await seenOf(place, rollback("1.0.0")), short).entries()) {
      if ((await place.version()) === "1.0.0") await world.must(deploy("2.0.0"));
      await world.write();
      await killedAt(t, `line ${line}`, async () => {
        const { at, isBegun } = await world.kill(rollback("1.0.0"), line);
        await world.must(turn % 2 === 0 && !isBegun ? deploy("2.0.0") : rollback("1.0.0"));
        await world.assertInvariants("1.0.0", "2.0.0");
        return at;
      });
    }
  });

  test("the rollback with the database of before", async (t) => {
    const world = await World.make("back", portsOf("killed") + 120);
    const { place } = world;
    await world.must(deploy("1.0.0"));
    // The migration works on the copy and fails for real: someone made its table meanwhile.
    const query = "CREATE TABLE notes (id text)";
    const psql = `docker exec ${place.project}-postgres-1 psql -U letta -c '${query}'`;
    hook(place, "pre-migrate", psql);
    const seen = await seenOf(place, deploy("2.0.0"), 4);
    place.psql("DROP TABLE notes");
    for (const line of ofRollback(seen)) {
      await world.write();
      await killedAt(t, `line ${line}`, async () => {
        const { at } = await world.kill(deploy("2.0.0"), line);
        await world.must(deploy("1.0.0"));
        await world.assertInvariants("1.0.0");
        const candidate = place.releases().find((one) => one.tag === "2.0.0")!;
        // Killed while it was retained, it is retained once more, alongside what there is.
        const retained = [candidate.id, `${candidate.id}-again`].map((id) => evidence(place, id));
        assert.ok(retained.some((folder) => existsSync(join(folder, "migrate.log"))));
        return at;
      });
      place.psql("DROP TABLE notes");
      world.dropRetained();
    }
  });

  longTest("the rollback that keeps the newer schema", async (t) => {
    const world = await World.make("back-keep", portsOf("killed") + 140);
    const { place } = world;
    await world.must(deploy("1.0.0"));
    const breakIt = (entry: Entry) => {
      if (entry.step.startsWith("bake for") && entry.event === "begin")
        docker("kill", containerIds(place.project)["server"]!);
    };
    const never = 1000;
    // From the second time on the schema is the newer one's already.
    let before = 0;
    for (const _ of ["migrates", "does not"]) {
      before = place.journal().length;
      assert.equal((await killAt(place, deploy("2.0.0"), never, breakIt)).code, 4);
    }
    for (const line of ofRollback(place.journal().slice(before))) {
      await world.write();
      await killedAt(t, `line ${line}`, async () => {
        const killed = await world.kill(deploy("2.0.0"), line, breakIt);
        await world.must(deploy("1.0.0"));
        await world.assertInvariants("1.0.0");
        return killed.at;
      });
    }
  });

  test("what a killed run's docker compose still does is waited for", async () => {
    const world = await World.make("orphan", portsOf("killed") + 160);
    const { place } = world;
    await world.must(deploy("1.0.0"));
    await world.write();
    let orphans: number[] = [];
    const stopCompose = async (pid: number) => {
      while (orphans.length === 0) {
        orphans = composeOf(place.project);
        await sleep(1);
      }
      for (const one of orphans) process.kill(one, "SIGSTOP");
      process.kill(pid, "SIGKILL");
    };
    const first = place.start("deploy", ["prod", "1.1.0", "--yes"]);
    world.pids.push(first.child.pid!);
    await stopCompose(first.child.pid!);
    await first.ended;
    const lines = place.journal().length;
    // On a busy machine the first of Compose's two works may be over before it is seen.
    assert.match(place.journal().at(-1)!.step, /^(?:create |start new server)/);
    const second = place.start("deploy", ["prod", "1.1.0", "--yes"]);
    await sleep(3000);
    assert.equal(second.child.exitCode, null, "it did not wait for it");
    assert.equal(place.journal().length, lines, "it did not wait for it");
    for (const one of orphans) process.kill(one, "SIGCONT");
    assert.equal((await second.ended).code, 0);
    await world.assertInvariants("1.1.0");
  });
});

/** The lines to be killed at from where a run turned back. */
function ofRollback(seen: readonly Entry[]): number[] {
  const first = seen.findIndex((one) => one.step === "collect evidence");
  assert.ok(first > 0);
  return chosen(seen, { touched: 12, before: 24, from: first });
}

/** Puts an executable into hooks/ of the clone. */
function hook(place: FakeServerWorkspace, name: string, ...lines: string[]) {
  const path = join(place.root, "hooks", name);
  mkdirSync(join(place.root, "hooks"), { recursive: true });
  writeFileSync(path, ["#!/bin/sh", "set -e", ...lines, ""].join("\n"));
  chmodSync(path, 0o755);
}
