// scripts/state/secretKey.ts, whose digests are made once for the same value.
import { installationId as realId, keyedDigest as real } from "../../../scripts/state/secretKey.ts";
import { memo } from "../memo.ts";

export { deviceId, readKey, secretKey } from "../../../scripts/state/secretKey.ts";

export const keyedDigest = memo(real, (key, value) => `${key.toString("latin1")} ${value}`);

export const installationId = memo(realId, (key) => key.toString("latin1"));
