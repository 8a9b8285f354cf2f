// scripts/stack/composeConfiguration.ts, asked once for the same installation: of the settings
// that it looks up only the server's version differs between the runs.
import { composeConfiguration as real } from "../../../scripts/stack/composeConfiguration.ts";
import { memo } from "../memo.ts";

export { collectorName } from "../../../scripts/stack/composeConfiguration.ts";

export const composeConfiguration = memo(real, (_root, fragments, lookup, options) =>
  JSON.stringify([fragments, lookup("LETTA_VERSION")?.value, options]),
);
