// scripts/stack/readSources.ts, asked once for the same files: no run changes them, and no one
// changes what was read.
import { readSources as real } from "../../../scripts/stack/readSources.ts";
import { memo } from "../memo.ts";

export const readSources = memo(real, (_root, files) => files.join());
