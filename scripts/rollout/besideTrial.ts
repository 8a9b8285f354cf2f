import { Problem } from "../common/problem.ts";
import { nobodyConnected } from "../cutover/nobodyConnected.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Tools } from "../parts/tools.ts";
import { tagOf, type Actor, type Stage } from "./stage.ts";

/** How the former server went on while its database was migrated, and beside the new one. */
export interface Beside {
  readonly passed: boolean;
  readonly detail: string;
}

/**
 * The former server on a rehearsal's copy, from before the migration until the new one is beside
 * it: what it would meet if nobody stopped it. That it fails does no harm, and is told.
 */
export class BesideTrial {
  outcome: Beside = { passed: true, detail: "" };
  readonly #stage: Stage;
  readonly #name: string;
  readonly #tools: Tools;
  constructor(stage: Stage, former: Actor, tools: Tools) {
    this.#stage = stage;
    this.#name = tagOf(former);
    this.#tools = tools;
  }

  /** Boots it on the scratch database, which is as it was before the migration. */
  begin({ server, scratch }: { server: DatabaseServer; scratch: string }): Promise<void> {
    return this.#try(`rehearse: ${this.#name} on the copy`, async () => {
      await this.#stage.boot("former");
      await this.#stage.ask("former");
      if (await nobodyConnected(server, scratch, this.#tools)) return "answers, and goes on";
      throw new Problem("REHEARSAL_FAILED", "it keeps its connections to the database");
    });
  }

  async end(): Promise<void> {
    if (!this.outcome.passed) return;
    await this.#try(`rehearse: ${this.#name} beside the new one`, async () => {
      const requests = await this.#stage.ask("former");
      // What it has written there is the new one's to read.
      await this.#stage.ask("newcomer");
      const detail = `${this.#name} answered ${requests} requests on the new schema, beside the new server`;
      this.outcome = { passed: true, detail };
      return "works";
    });
    if (this.outcome.passed) await this.#stage.leave("former");
  }

  async fail(error: Problem): Promise<void> {
    const why = [error.message, ...error.details.slice(-1)].join(": ");
    this.outcome = { passed: false, detail: why };
    await this.#stage.leave("former");
  }

  /** @param work what may fail without harm; what comes out is told */
  async #try(name: string, work: () => Promise<string>): Promise<void> {
    const trying = async () => {
      try {
        return await work();
      } catch (error) {
        this.#tools.signal.throwIfAborted();
        if (!(error instanceof Problem)) throw error;
        await this.fail(error);
        return `fails, so requests will wait for the new one (${this.outcome.detail})`;
      }
    };
    await this.#tools.say.step(name, trying, (told) => told);
  }
}
