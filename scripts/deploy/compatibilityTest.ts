import { Problem } from "../common/problem.ts";
import { hasNoSessions } from "./hasNoSessions.ts";
import type { DatabaseServer } from "../database/sql.ts";
import type { Context } from "../state/context.ts";
import { tagOf, type RehearsedServer, type RehearsalEnvironment } from "./rehearsalEnvironment.ts";

/** How the previous server went on while its database was migrated, and side by side with the new one. */
export interface SideBySide {
  readonly passed: boolean;
  readonly detail: string;
}

/**
 * The previous server on a rehearsal's copy, from before the migration until the new one runs next to
 * it: what it would meet if it were not stopped. Its failure does no harm and is reported.
 */
export class CompatibilityTest {
  outcome: SideBySide = { passed: true, detail: "" };
  readonly #rehearsalEnvironment: RehearsalEnvironment;
  readonly #name: string;
  readonly #context: Context;
  constructor(
    rehearsalEnvironment: RehearsalEnvironment,
    previous: RehearsedServer,
    context: Context,
  ) {
    this.#rehearsalEnvironment = rehearsalEnvironment;
    this.#name = tagOf(previous);
    this.#context = context;
  }

  /** Boots it on the scratch database, which is as it was before the migration. */
  begin({ server, scratch }: { server: DatabaseServer; scratch: string }): Promise<void> {
    return this.#try(`rehearse: ${this.#name} on the copy`, async () => {
      await this.#rehearsalEnvironment.boot("previous");
      await this.#rehearsalEnvironment.ask("previous");
      if (await hasNoSessions(server, scratch, this.#context)) return "answers, and goes on";
      throw new Problem("REHEARSAL_FAILED", "it keeps its connections to the database");
    });
  }

  async end(): Promise<void> {
    if (!this.outcome.passed) return;
    await this.#try(`rehearse: ${this.#name} side by side with the new one`, async () => {
      const requests = await this.#rehearsalEnvironment.ask("previous");
      // What it has written there is the new one's to read.
      await this.#rehearsalEnvironment.ask("candidate");
      const detail = `${this.#name} answered ${requests} requests on the new schema, side by side with the new server`;
      this.outcome = { passed: true, detail };
      return "works";
    });
    if (this.outcome.passed) await this.#rehearsalEnvironment.leave("previous");
  }

  async fail(error: Problem): Promise<void> {
    const why = [error.message, ...error.details.slice(-1)].join(": ");
    this.outcome = { passed: false, detail: why };
    await this.#rehearsalEnvironment.leave("previous");
  }

  /** @param work what may fail without harm; its outcome is reported */
  async #try(name: string, work: () => Promise<string>): Promise<void> {
    const trying = async () => {
      try {
        return await work();
      } catch (error) {
        this.#context.signal.throwIfAborted();
        if (!(error instanceof Problem)) throw error;
        await this.fail(error);
        return `fails, so requests will wait for the new one (${this.outcome.detail})`;
      }
    };
    await this.#context.reporter.step(name, trying, (reported) => reported);
  }
}
