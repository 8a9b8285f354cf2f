// scripts/stack/readDelivery.ts, asked once for the same text.
import { readDelivery as real } from "../../../scripts/stack/readDelivery.ts";
import { memo } from "../memo.ts";
import { digestOf } from "./labelKey.ts";

export const readDelivery = memo(real, digestOf);
