import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Problem } from "../common/problem.ts";
import type { Settings } from "../settings/readSettings.ts";
import { hasProxy } from "../settings/rules.ts";

/** What compose/proxy-certificate.yaml takes from Compose's process environment. */
interface ProxyCertificate {
  /** PEM: the certificate, and those between it and its authority. */
  readonly PROXY_CERTIFICATE: string;
  /** PEM. */
  readonly PROXY_KEY: string;
}

type FileSetting = "PROXY_CERT_FILE" | "PROXY_KEY_FILE";

/**
 * The proxy's own certificate with its key, where PROXY_CERT_FILE and PROXY_KEY_FILE name them.
 * Both travel as secrets do: a rollback then keeps those of now, which belong together and have
 * not run out.
 * @returns undefined where neither is set, or there is no proxy
 * @throws Problem SETTINGS_INVALID where a file cannot be read, the two do not belong together,
 *   or the certificate is not for PROXY_DOMAIN
 */
export function proxyCertificate(settings: Settings): ProxyCertificate | undefined {
  if (!hasProxy(settings.environment, settings.get("PROXY"))) return undefined;
  if (!settings.has("PROXY_CERT_FILE") && !settings.has("PROXY_KEY_FILE")) return undefined;
  const certificate = read(settings, "PROXY_CERT_FILE", "a PEM certificate");
  const key = read(settings, "PROXY_KEY_FILE", "a PEM key without a passphrase");
  const first = made(settings, "PROXY_CERT_FILE", "a PEM certificate", () => {
    return new X509Certificate(certificate);
  });
  const secret = made(settings, "PROXY_KEY_FILE", "a PEM key without a passphrase", () => {
    return createPrivateKey(key);
  });
  if (!first.checkPrivateKey(secret)) {
    throw refusal(settings, "PROXY_KEY_FILE", "the key of PROXY_CERT_FILE", "another");
  }
  const domain = settings.get("PROXY_DOMAIN");
  if (domain !== "" && first.checkHost(domain) === undefined) {
    const got = `one for ${first.subjectAltName ?? first.subject}`;
    throw refusal(settings, "PROXY_CERT_FILE", `a certificate for ${domain}`, got);
  }
  return { PROXY_CERTIFICATE: certificate, PROXY_KEY: key };
}

function read(settings: Settings, name: FileSetting, expected: string): string {
  if (!settings.has(name)) throw refusal(settings, name, expected, "nothing");
  return made(settings, name, expected, () => {
    return readFileSync(resolve(settings.root, settings.get(name)), "utf8");
  });
}

/** What was wrong is said by its code alone: messages of the crypto library say no more. */
function made<T>(settings: Settings, name: FileSetting, expected: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "something else";
    throw refusal(settings, name, expected, code);
  }
}

function refusal(settings: Settings, name: FileSetting, expected: string, got: string): Problem {
  const place = settings.origin(name) || settings.origin("PROXY_CERT_FILE");
  return new Problem("SETTINGS_INVALID", `the settings of ${settings.environment} are not usable`, {
    details: [`${place}: ${name}: expected ${expected}, got ${got}`],
  });
}

/**
 * What a rendered stack takes from Compose's process environment, by name: the settings that are
 * secrets, and the proxy's own certificate with its key.
 * @throws Problem SETTINGS_INVALID where that certificate cannot be used
 */
export function secretValues(settings: Settings): ReadonlyMap<string, string> {
  return new Map<string, string>([
    ...settings.secrets,
    ...Object.entries(proxyCertificate(settings) ?? {}),
  ]);
}
