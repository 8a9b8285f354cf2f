import type { Settings } from "./readSettings.ts";

/**
 * The name by which the proxy's certificate is judged from here. None for one that its own CA
 * made, nor for one of one's own, whose authority this machine need not know.
 */
export function certifiedName(settings: Settings): string | undefined {
  if (settings.has("PROXY_CERT_FILE")) return undefined;
  return settings.get("PROXY_DOMAIN") || undefined;
}
