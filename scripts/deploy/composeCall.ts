import type { ComposeCall } from "../docker/engine.ts";
import { secretValues } from "../stack/secretValues.ts";
import type { ServiceUpdate } from "./updateServices.ts";

/** What every call of Compose for a stack gets. */
export function composeCall({ file, stack, settings }: ServiceUpdate): ComposeCall {
  return { file, project: stack.project, secrets: Object.fromEntries(secretValues(settings)) };
}
