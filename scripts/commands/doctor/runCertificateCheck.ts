import { once } from "node:events";
import { connect } from "node:tls";
import { runCheck, skipped, type Finding } from "../../checks/runCheck.ts";
import { checkCertificate, type CertificateSeen } from "../../checks/checkCertificate.ts";
import type { Context } from "../../state/context.ts";
import { hasProxy } from "../../settings/hasProxy.ts";
import type { Settings } from "../../settings/readSettings.ts";

const patienceMs = 5000;

/**
 * The certificate that the proxy shows to clients now; nothing where there is no proxy.
 * @param answers whether there is an engine to ask
 */
export async function runCertificateCheck(
  settings: Settings,
  answers: Promise<boolean>,
  context: Context,
): Promise<Finding[]> {
  const { environment, project } = settings;
  if (!hasProxy(environment, settings.get("PROXY"))) return [];
  const next = settings.has("PROXY_CERT_FILE")
    ? `npm run settings -- ${environment} --explain PROXY_CERT_FILE`
    : `npm run logs -- ${environment} proxy`;
  const look = async () => {
    const containers = (await answers) ? await context.engine.containers(project) : [];
    const isThere = containers.some((one) => one.service === "proxy" && one.state === "running");
    if (!isThere) return skipped("the proxy does not run");
    return checkCertificate(await shown(settings), context.now(), next);
  };
  return [await runCheck("certificate", look, next)];
}

/** As it is shown at the published port. */
async function shown(settings: Settings): Promise<CertificateSeen> {
  const published = settings.get("PROXY_PUBLISH_HOST");
  const everywhere: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "::1" };
  const host = everywhere[published] ?? published;
  const servername = settings.get("PROXY_DOMAIN");
  const socket = connect({
    host,
    port: Number(settings.get("PROXY_HTTPS_PORT")),
    ...(servername === "" ? {} : { servername }),
    // It is looked at, not relied on.
    rejectUnauthorized: false,
  });
  try {
    await once(socket, "secureConnect", { signal: AbortSignal.timeout(patienceMs) });
    const { subject, subjectaltname, issuer, valid_from, valid_to } = socket.getPeerCertificate();
    return {
      names: subjectaltname ?? one(subject.CN),
      issuer: one(issuer.CN ?? issuer.O),
      fromMs: Date.parse(valid_from),
      untilMs: Date.parse(valid_to),
    };
  } finally {
    socket.destroy();
  }
}

const one = (name: string | string[] | undefined) => [name ?? "no name"].flat().join(", ");
