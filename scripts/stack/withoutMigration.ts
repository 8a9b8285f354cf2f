import { isMap, type ValueMap } from "./mergeSources.ts";
import { type LabelParts, labelStack, type Stack } from "./renderStack.ts";

/**
 * A stack without its migration step: for a server that runs on a newer schema than its own,
 * whose migration would trip over a revision it does not know.
 */
export function withoutMigration(stack: Stack, parts: LabelParts): Stack {
  const model = structuredClone(stack.model);
  const services = model["services"] as ValueMap;
  delete services[stack.server.migrate];
  for (const service of Object.values(services)) {
    if (isMap(service) && isMap(service["depends_on"])) {
      delete service["depends_on"][stack.server.migrate];
    }
  }
  return labelStack(model, parts);
}
