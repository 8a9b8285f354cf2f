// scripts/state/release.ts, asked once for the same text.
import { parseRelease as real } from "../../../scripts/state/release.ts";
import { memo } from "../memo.ts";

export { releaseFormat } from "../../../scripts/state/release.ts";

export const parseRelease = memo(real, (text) => text);
