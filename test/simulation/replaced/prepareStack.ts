// scripts/deploy/prepareStack.ts, asked once for the same settings, images and past.
import { labelParts, prepareStack as real } from "../../../scripts/deploy/prepareStack.ts";
import { memo } from "../memo.ts";
import { labelKey } from "./labelKey.ts";

export * from "../../../scripts/deploy/prepareStack.ts";

export const prepareStack = memo(real, (settings, present) =>
  JSON.stringify([
    settings.get("LETTA_VERSION"),
    settings.has("LETTA_PG_URI"),
    [...(present.images ?? [])],
    labelKey(labelParts(settings, present)),
  ]),
);
