// scripts/stack/rehearsalStack.ts, asked once for the same stacks.
import { rehearsalStack as real } from "../../../scripts/stack/rehearsalStack.ts";
import { memo } from "../memo.ts";
import { digestOf } from "./labelKey.ts";

export { rehearsalUri } from "../../../scripts/stack/rehearsalStack.ts";

export const rehearsalStack = memo(real, (rehearsedServers, project, network) => {
  // The downgrade's rehearsed server has another command than its text says.
  const own = [...rehearsedServers].map(([name, { text, model, server }]) => {
    const services = model["services"] as Record<string, Record<string, unknown>>;
    return [name, digestOf(text), services[server.migrate]?.["command"]];
  });
  return JSON.stringify([own, project, network]);
});
