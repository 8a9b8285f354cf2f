import type { ComposeCall } from "../engine/engine.ts";
import { secretValues } from "../stack/secretValues.ts";
import type { Execution } from "./execute.ts";

/** What every call of Compose for a stack is told. */
export function composeCall({ file, stack, settings }: Execution): ComposeCall {
  return { file, project: stack.project, secrets: Object.fromEntries(secretValues(settings)) };
}
