import { Problem } from "../common/problem.ts";
import { appendEntry, type Entry } from "../ledger/journal.ts";
import type { Tools } from "./tools.ts";

/**
 * The same tools, with every step written to the journal: its intent before it begins, its
 * outcome after. So whoever comes after a `kill -9` knows what was under way.
 * @param run the release it works towards
 */
export function journaled(tools: Tools, directory: string, run: string, command: string): Tools {
  const write = (step: string, event: Entry["event"], detail?: string) =>
    appendEntry(directory, {
      at: new Date(tools.now()).toISOString(),
      run,
      command,
      step,
      event,
      ...(detail === undefined ? {} : { detail }),
    });
  const say: Tools["say"] = {
    ...tools.say,
    async step(name, work, outcome) {
      write(name, "begin");
      try {
        const result = await tools.say.step(name, work, outcome);
        write(name, "done", outcome?.(result));
        return result;
      } catch (error) {
        write(name, "failed", error instanceof Problem ? error.message : String(error));
        throw error;
      }
    },
  };
  return { ...tools, say };
}
