// scripts/stack/withoutMigration.ts, asked once for the same stack.
import { withoutMigration as real } from "../../../scripts/stack/withoutMigration.ts";
import { memo } from "../memo.ts";
import { digestOf, labelKey } from "./labelKey.ts";

export const withoutMigration = memo(real, ({ text }, parts) => digestOf(text) + labelKey(parts));
