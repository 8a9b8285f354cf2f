// scripts/ledger/release.ts, asked once for the same text.
import { parseRelease as real } from "../../../scripts/ledger/release.ts";
import { memo } from "../memo.ts";

export { releaseFormat } from "../../../scripts/ledger/release.ts";

export const parseRelease = memo(real, (text) => text);
