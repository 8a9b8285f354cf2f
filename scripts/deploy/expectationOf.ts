import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readDelivery } from "../stack/readDelivery.ts";
import { deviceId, secretKey } from "../state/secretKey.ts";
import type { Context } from "../state/context.ts";
import type { PreparedStack } from "./prepareStack.ts";
import { certifiedName } from "../settings/certifiedName.ts";
import type { Settings } from "../settings/readSettings.ts";
import { expectation, type Expectation } from "../checks/expectation.ts";

/**
 * What must be true of a prepared stack under these settings, and who may look whether it is.
 * @param prepared with "" as its collector's configuration where nothing is followed on its way
 */
export function expectationOf(
  settings: Settings,
  prepared: Pick<PreparedStack, "stack" | "collector">,
  directory: string,
  context: Pick<Context, "randomBytes">,
): Expectation {
  const url = settings.get("GRAFANA_URL");
  return expectation(prepared.stack, {
    version: settings.get("LETTA_VERSION"),
    serverName: certifiedName(settings),
    password:
      settings.get("SECURE") === "true" ? settings.secrets.get("LETTA_SERVER_PASSWORD") : undefined,
    delivery: readDelivery(prepared.collector),
    reader: {
      user: settings.get("CLICKHOUSE_READER_USERNAME"),
      password: settings.get("CLICKHOUSE_READER_PASSWORD"),
      caCertificate: caCertificate(settings),
    },
    grafana:
      url === ""
        ? undefined
        : {
            url: settings.get("GRAFANA_ENABLED") === "true" ? ownDashboard(url) : url,
            deviceId: deviceId(secretKey(directory, context.randomBytes)),
          },
  });
}

/** The certificate that is trusted in addition to the known ones. */
function caCertificate(settings: Settings): string | undefined {
  const path = resolve(settings.root, settings.get("OTEL_CA_FILE"));
  return settings.has("OTEL_CA_FILE") && existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Where the link leads in the Grafana of the stack itself. */
function ownDashboard(url: string): string {
  return `${url.replace(/\/+$/, "")}/d/letta-agent`;
}
