import { setTimeout as sleep } from "node:timers/promises";
import { Problem } from "../common/problem.ts";

/** What Postgres answers when all its connections are taken (53300). */
const crowded =
  /sorry, too many clients already|remaining connection slots are reserved|too many connections for/u;

const patienceMs = 30_000;
const pauseMs = 250;

/**
 * Does what begins with a connection, again where there was none to be had: the server opens one
 * for each request, so a busy one has all there are, each for a moment only.
 * @param work does nothing where it gets no connection
 * @param words what it said when it failed, where it does not throw that
 * @returns what it came to at last; after half a minute without a connection that
 */
export async function retryWhenFull<Result>(
  work: () => Promise<Result>,
  words: (result: Result) => string = () => "",
): Promise<Result> {
  for (let waited = 0; waited < patienceMs; waited += pauseMs) {
    try {
      const result = await work();
      if (!crowded.test(words(result))) return result;
    } catch (error) {
      const details = error instanceof Problem ? error.details : [];
      if (!crowded.test([(error as Error).message, ...details].join("\n"))) throw error;
    }
    await sleep(pauseMs);
  }
  return work();
}
