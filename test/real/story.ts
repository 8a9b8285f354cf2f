import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Entry } from "../../scripts/state/journal.ts";
import { eventsDuring } from "./eventsDuring.ts";
import { assertInvariants, lastSteps } from "./invariants.ts";
import type { ProdWorkspace, Running, Reported } from "./prodWorkspace.ts";
import { fakeServerWorkspace } from "./fakeServerWorkspace.ts";
import { containerIds, docker, type Ran } from "./workspace.ts";

/** What a failed command said, or what a good one did. */
export type Said = Record<string, string> & { readonly details: string[] };

/** One stack, on the fake server server unless it is begun otherwise, that lives through many commands, and what must stay of it. */
export class Story {
  readonly place: ProdWorkspace;
  /** Written as the story goes on; nothing of them is ever lost. */
  readonly agents: string[] = [];
  /** The processes of the tool that were killed on the way. */
  readonly killed: number[] = [];
  constructor(place: ProdWorkspace) {
    this.place = place;
  }

  /** See fakeServerWorkspace; its creator removes its place. */
  static async begin(...where: Parameters<typeof fakeServerWorkspace>): Promise<Story> {
    return new Story(await fakeServerWorkspace(...where));
  }

  /** The command ended so, and its object says the same; a failure names the next command. */
  ends({ code: ended, said }: Reported, code: number, problem?: string): Said {
    assert.equal(ended, code, `${JSON.stringify(said)}\n${lastSteps(this.place, 30)}`);
    assert.equal(said["ok"], code === 0);
    if (code !== 0) {
      assert.equal(said["exit"], code);
      assert.match(String(said["message"]), /^[^\n]+$/, "its cause is not one line");
      assert.ok(typeof said["next"] === "string" || code === 2, "it names no next command");
    }
    if (problem !== undefined) assert.equal(said["code"], problem, JSON.stringify(said));
    return said as Said;
  }

  async write(): Promise<void> {
    const name = `agent ${this.agents.length + 1}`;
    await this.place.write(name);
    this.agents.push(name);
  }

  /** This version serves, with every agent there is. */
  async serves(version: string): Promise<void> {
    assert.equal(await this.place.version(), version);
    const there = await this.place.agents();
    const lost = this.agents.filter((one) => !there.includes(one));
    assert.deepEqual(lost, []);
  }

  /** All that has to hold after a fault, whichever it was. */
  async assertInvariants(...tags: string[]): Promise<void> {
    const { agents, killed, place } = this;
    try {
      await assertInvariants(place, { tags, agents, killed });
    } catch (error) {
      throw new Error(`${(error as Error).message}\n${lastSteps(place, 40)}`, { cause: error });
    }
  }

  /** Does something that must not touch a container or a database. */
  async untouched(work: () => Promise<Reported>): Promise<Reported> {
    const label = `label=com.docker.compose.project=${this.place.project}`;
    // When each container was started, by id: the same afterwards means that none was touched.
    const started = () => {
      const ids = docker("ps", "-aq", "--no-trunc", "--filter", label).split("\n");
      return docker("inspect", "-f", "{{.Name}} {{.Id}} {{.State.StartedAt}}", ...ids);
    };
    // A disk that is full may keep the tool from dropping its own copy; `holds` finds that later.
    const own = () => this.place.databases().filter((one) => !one.endsWith("_rehearsal"));
    const [containers, databases] = [started(), own()];
    const { result: reported, events } = await eventsDuring(this.place.project, work);
    assert.deepEqual(events, []);
    assert.equal(started(), containers);
    assert.deepEqual(own(), databases, "databases were made or dropped");
    return reported;
  }

  /** Puts an executable into hooks/ for as long as something is done. */
  async withHook<Result>(name: string, lines: string[], work: () => Promise<Result>) {
    const path = join(this.place.root, "hooks", name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, ["#!/bin/sh", ...lines, ""].join("\n"));
    chmodSync(path, 0o755);
    try {
      return await work();
    } finally {
      rmSync(path);
    }
  }

  /**
   * Waits until a run is at a step.
   * @param from how many lines the journal had before that run
   * @param running fails at once where it ends before; else it is waited for without an end
   */
  async begins(
    step: RegExp,
    from: number,
    running?: Running,
    event: Entry["event"] = "begin",
  ): Promise<void> {
    const limit = performance.now() + 180_000;
    let ended: Ran | undefined;
    void running?.ended.then((ran) => (ended = ran));
    const isThere = () =>
      this.place
        .journal()
        .slice(from)
        .some((one) => one.event === event && step.test(one.step));
    while (!isThere()) {
      assert.ok(performance.now() < limit, `${step.source} did not begin`);
      assert.equal(ended, undefined, `it ended before ${step.source}: ${ended?.stdout}`);
      await sleep(5);
    }
  }

  container(service: string): string {
    return containerIds(this.place.project)[service]!;
  }

  /** What a command under way came to, reported as one that was waited for. */
  async reported(running: Running): Promise<Reported> {
    const ran = await running.ended;
    return { ...ran, said: JSON.parse(ran.stdout) as Reported["said"] };
  }

  /** A session of the database's that says something and stays: it goes when its input is closed. */
  session(statement: string) {
    const psql = ["psql", "-U", "letta", "-d", "letta", "-qAt"];
    const child = spawn("docker", ["exec", "-i", this.container("postgres"), ...psql], {
      stdio: ["pipe", "ignore", "ignore"],
    });
    child.stdin.on("error", () => undefined); // its database is killed
    child.stdin.write(`${statement}\n`);
    return child;
  }

  /** Waits until a query about the database's sessions says so. */
  async until(query: string): Promise<void> {
    const asked = `SELECT count(*) > 0 FROM pg_stat_activity WHERE ${query}`;
    while (this.place.psql(asked) !== "t") await sleep(20);
  }

  /** Takes away all that was made; a file system that was mounted over the state first. */
  async remove(): Promise<void> {
    spawnSync("umount", [join(this.place.root, ".stack")]);
    await this.place.remove();
  }
}
