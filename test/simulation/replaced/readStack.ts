// scripts/stack/readStack.ts, asked once for the same text.
import { readStack as real } from "../../../scripts/stack/readStack.ts";
import { memo } from "../memo.ts";
import { digestOf, labelKey } from "./labelKey.ts";

export const readStack = memo(real, (text, _path, parts) => digestOf(text) + labelKey(parts));
